"""Would the look-up server start, and can its user read what it needs: its configuration and Exim's spool?"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from typing import TYPE_CHECKING

from exim_dkim.commands.access_findings import refusal
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.access import EXECUTE, READ, User, find_barrier, named_user
from exim_dkim.system.permissions import group_name, owner_of

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings


def check_server(settings: Settings) -> Iterator[Finding]:
    """Findings about the server's options, and its user: that of the option, or the owner of the socket."""
    from lookup_server.main import check

    try:
        check(settings)
    except ConfigurationError as error:
        yield Finding(Level.FAIL, f"the server would not start: {error}")
    name = settings.string("user")
    user = named_user(name, settings.string("group")) if name else _socket_owner(settings)
    if user is None:
        if name:
            group = settings.string("group")
            what = f"user {name}" + (f" or group {group}" if group else "")
            file, line = settings.place("user")
            yield Finding(Level.FAIL, f"{file}:{line}: there is no {what} on this host")
        return
    if settings.file:
        barrier = find_barrier(settings.file, user, READ)
        if barrier is not None:
            yield refusal(barrier, user, "the server's configuration", private=True)
    yield from _check_spools(settings, user)


def _socket_owner(settings: Settings) -> User | None:
    for text in settings.items("lookup_listen"):
        try:
            return named_user(pwd.getpwuid(os.stat(text).st_uid).pw_name) if text.startswith("/") else None
        except (OSError, KeyError):
            continue
    return None


def _check_spools(settings: Settings, user: User) -> Iterator[Finding]:
    findings = [
        finding for spool in settings.items("lookup_spool_directories") for finding in _check_spool(spool, user)
    ]
    if not findings:
        spools = settings.string("lookup_spool_directories")
        yield Finding(
            Level.WARN,
            f"server: none of lookup_spool_directories is there ({spools})",
            "Set it to what exim -bP spool_directory prints, if this host runs Exim (and Exim has run).",
        )
    yield from findings


def _check_spool(spool: str, user: User) -> Iterator[Finding]:
    inputs = os.path.join(spool, "input")
    barrier = find_barrier(inputs, user, EXECUTE)
    if barrier is not None and barrier.status is None:
        return  # the other distribution's place, or Exim has not run yet
    if barrier is None:
        status = os.stat(inputs)
        # Message files have the directory's owner and group, and mode 0640.
        if user.uid in (0, status.st_uid) or status.st_gid in (user.gid, *user.groups):
            yield Finding(Level.OK, f"server: user {user.name} may read messages in {inputs}")
            return
        text = f"server: user {user.name} is not in the group of Exim's messages ({inputs}: {owner_of(status)})"
        yield Finding(Level.FAIL, text, _join_group(user, status.st_gid))
        return
    assert barrier.status is not None
    finding = refusal(barrier, user, "server: messages in Exim's spool", private=True)
    yield finding._replace(remedy=_join_group(user, barrier.status.st_gid))


def _join_group(user: User, gid: int) -> str:
    return f"usermod -a -G {group_name(gid)} {user.name}    and restart the server"
