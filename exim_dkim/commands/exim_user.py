"""Who Exim is on this host: the user and group that run transport filters and connect to sockets."""

from __future__ import annotations

import grp
import pwd
import shutil
import subprocess
from typing import NamedTuple

# Where distributions put the program; root's PATH in cron and su often lacks them.
_EXIM_PATHS = ("exim4", "exim", "/usr/sbin/exim4", "/usr/sbin/exim", "/usr/exim/bin/exim", "/usr/local/sbin/exim")
_USUAL_NAMES = ("Debian-exim", "exim", "mailnull", "mail")
_EXIM_SECONDS = 20


class EximUser(NamedTuple):
    """An identity that Exim runs under; `source` tells how it was found."""

    user: str
    uid: int
    group: str
    gid: int
    source: str


def find_exim() -> str | None:
    """The path of the Exim program, or None."""
    return next((found for name in _EXIM_PATHS if (found := shutil.which(name))), None)


def find_exim_user(name: str | None = None) -> EximUser | None:
    """Exim's user: `name` if given (`user` or `user:group`), else what Exim says, else a usual name, else None."""
    if name:
        user, _, group = name.partition(":")
        return _identity(user, group, "named on the command line")
    options = exim_options("exim_user", "exim_group")
    if "exim_user" in options:
        found = _identity(options["exim_user"], options.get("exim_group", ""), "from exim -bP exim_user")
        if found is not None:
            return found
    return next(
        (found for usual in _USUAL_NAMES if (found := _identity(usual, "", "a usual name for Exim's user"))), None
    )


def ask_exim(*words: str) -> str | None:
    """What the installed Exim prints for `exim -bP WORDS`; None when there is none, or it does not say."""
    program = find_exim()
    if program is None:
        return None
    command = [program, "-bP", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_EXIM_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "backslashreplace") if done.returncode == 0 else None


def exim_options(*names: str) -> dict[str, str]:
    """Main options of the installed Exim; those that cannot be had are missing."""
    lines = (line.partition(" = ") for line in (ask_exim(*names) or "").splitlines())
    return {name.strip(): value.strip() for name, equals, value in lines if equals and name.strip() in names}


def exim_group_name() -> str:
    """The group to give private keys to; a placeholder when Exim's cannot be found."""
    found = find_exim_user()
    return found.group if found else "EXIM-GROUP"


def _identity(user: str, group: str, source: str) -> EximUser | None:
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        gid = (int(group) if group.isdigit() else grp.getgrnam(group).gr_gid) if group else entry.pw_gid
    except KeyError:
        return None
    return EximUser(entry.pw_name, entry.pw_uid, _group_name(gid), gid, source)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
