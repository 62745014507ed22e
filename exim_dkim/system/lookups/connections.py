"""Connections to database servers that are kept from one look-up to the next, as Exim keeps them while it handles a
message.

A connection that was idle for a while is tried before it is used again, so that a server that was restarted meanwhile
costs nothing but a new connection. One that breaks while it is asked is not asked again (the statement may have been
executed): the look-up fails, and the next one connects anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Final, NamedTuple

MAX_KEPT: Final = 8  # of a process; each takes one of the server's
_TRUSTED: Final = 1.0  # seconds after which a connection is tried before it is used
_LONGEST: Final = 60.0  # seconds after which it is not worth that


class Driver(NamedTuple):
    """What a kind of servers does with its connections. `check` raises if there is nobody at the other end."""

    check: Callable[[Any], object]
    close: Callable[[Any], object]


class _Kept(NamedTuple):
    driver: Driver
    connection: Any
    since: float


_kept: dict[Hashable, _Kept] = {}
_lock = Lock()


@contextmanager
def connected(place: Hashable, open_connection: Callable[[], Any], driver: Driver) -> Iterator[Any]:
    """A connection to `place`: a kept one, or a new one. It is kept again if nothing is raised, else closed."""
    key = (os.getpid(), place)  # a child must not use its parent's
    connection = _taken(key)
    if connection is None:
        connection = open_connection()
    try:
        yield connection
    except BaseException:
        _close(driver, connection)
        raise
    _keep(key, _Kept(driver, connection, time.monotonic()))


def _taken(key: Hashable) -> Any:
    """A kept connection that works; None if there is none. While it is in use, no other thread has it."""
    with _lock:
        kept = _kept.pop(key, None)
    if kept is None:
        return None
    idle = time.monotonic() - kept.since
    if idle < _TRUSTED:
        return kept.connection
    if idle < _LONGEST:
        with suppress(Exception):  # whatever it is, the connection is not to be used
            kept.driver.check(kept.connection)
            return kept.connection
    _close(kept.driver, kept.connection)
    return None


def _keep(key: Hashable, kept: _Kept) -> None:
    with _lock:
        before = _kept.pop(key, None)  # another thread's
        _kept[key] = kept
        superfluous = [before] if before is not None else []
        while len(_kept) > MAX_KEPT:
            superfluous.append(_kept.pop(next(iter(_kept))))
    for one in superfluous:
        _close(one.driver, one.connection)


def _close(driver: Driver, connection: Any) -> None:
    with suppress(Exception):
        driver.close(connection)


def close_all() -> None:
    """Close what is kept."""
    with _lock:
        all_of_them = list(_kept.values())
        _kept.clear()
    for kept in all_of_them:
        _close(kept.driver, kept.connection)
