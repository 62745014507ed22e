"""Findings about access: what is in the way of a user, and the command that mends it."""

from __future__ import annotations

import shlex
import stat

from exim_dkim.commands.findings import Finding, Level
from exim_dkim.system.access import EXECUTE, WRITE, Barrier, User, may
from exim_dkim.system.permissions import HOMES, group_name, owner_of

ELSEWHERE = """\
Install exim-dkim where everybody may go, and use the filter from there, for example:
  python3 -m venv /opt/exim-dkim && /opt/exim-dkim/bin/pip install exim-dkim"""

_VERBS = {4: "read", 2: "write", 1: "execute"}


def refusal(barrier: Barrier, user: User, what: str, private: bool) -> Finding:
    """What keeps `user` from `what`. `private`: it is opened to Exim's group only, not to everybody."""
    place = barrier.place
    if barrier.status is None:
        return Finding(Level.FAIL, f"{what}: {place} does not exist")
    mode = stat.S_IMODE(barrier.status.st_mode)
    verb = "search" if barrier.is_directory and barrier.wanted == EXECUTE else _verbs(barrier.wanted)
    if may(user, barrier.status, barrier.wanted):
        text = f"{what}: user {user.name} may not {verb} {place}, though its mode {mode:04o} allows it"
        return Finding(Level.FAIL, text, f"See: getfacl {shlex.quote(place)}, and what AppArmor or SELinux logs.")
    text = f"{what}: user {user.name} may not {verb} {place} (mode {mode:04o}, owner {owner_of(barrier.status)})"
    return Finding(Level.FAIL, text, _remedy(barrier, user, private))


def _verbs(wanted: int) -> str:
    return " and ".join(verb for bit, verb in _VERBS.items() if wanted & bit)


def _remedy(barrier: Barrier, user: User, private: bool) -> str:
    place = shlex.quote(barrier.place)
    if barrier.is_directory and barrier.place.startswith(HOMES):
        return ELSEWHERE if not private else f"Keep it elsewhere: {user.name} should not need to enter {place}."
    letters = "".join(letter for bit, letter in ((4, "r"), (2, "w"), (1, "x")) if barrier.wanted & bit)
    if private or barrier.wanted & WRITE:
        return f"chgrp {shlex.quote(group_name(user.gid))} {place} && chmod g+{letters} {place}"
    return f"chmod a+{letters} {place}"
