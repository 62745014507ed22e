"""Does a look-up server answer Exim's user on every socket of the configuration?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from exim_dkim.commands.access_findings import refusal
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.system.access import READ, WRITE, Barrier, User, check_access, run_as
from exim_dkim.system.lookup_client import Address, LookupFailure, ask, parse_address, request_head
from exim_dkim.system.permissions import group_name

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

PING_SECONDS = 5.0
_START = "Start the server: exim-dkim serve (or systemctl start exim-dkim)"


def check_sockets(settings: Settings, user: User, may_try: bool) -> Iterator[Finding]:
    """Findings about every element of `lookup_listen`."""
    for text in settings.items("lookup_listen"):
        try:
            address = parse_address(text)
        except ValueError:
            continue  # check_server has said so
        yield _check_socket(address, user, may_try)


def _check_socket(address: Address, user: User, may_try: bool) -> Finding:
    barrier = check_access(address.path, user, READ | WRITE, may_try) if address.path else None
    if barrier is not None and barrier.status is None:
        return Finding(Level.FAIL, f"socket {address}: {barrier.place} does not exist: no server runs", _START)
    if barrier is not None:
        return _refusal(address, barrier, user)
    trouble = _ping(address, user, may_try)
    if trouble:
        return Finding(Level.FAIL, f"socket {address}: no answer to user {user.name}: {trouble}", _START)
    who = f"user {user.name}" if may_try else "this user"
    return Finding(Level.OK, f"socket {address}: the server answers {who}")


def _refusal(address: Address, barrier: Barrier, user: User) -> Finding:
    """A socket is made anew at every start, so its mode is a matter of the configuration, not of chmod."""
    finding = refusal(barrier, user, f"socket {address}", private=False)
    if barrier.is_directory:
        return finding
    options = f"  lookup_socket_group = {group_name(user.gid)}\n  lookup_socket_mode = 0660"
    return finding._replace(remedy=f"Set in the configuration, and restart the server:\n{options}")


def _ping(address: Address, user: User, may_try: bool) -> str:
    """What went wrong when `user` said ping; empty when nothing did."""

    def action() -> str:
        try:
            reply = ask(address, request_head("ping", {}), seconds=PING_SECONDS)
        except LookupFailure as failure:
            return failure.reason
        return "" if reply.strip() == b"pong" else f"it says {reply[:60]!r}, not pong: is it another program?"

    try:
        return str(run_as(user, action)) if may_try and os.geteuid() == 0 else action()
    except RuntimeError as error:
        return str(error)
