"""Nothing is judged twice: findings by what they depend on, shared by all who ask at the same time or soon after."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from exim_dkim.authentication import Authentication

KEPT: Final = 60.0
"""Seconds that findings are kept: the look-ups for one message come within one ACL run. Not longer, for keys change."""

KEPT_TEMPORARY: Final = 5.0
"""The same for findings that a later attempt may change, such as a time-out of DNS."""

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Memory of all findings that are kept, about. Those on an honest message take some kilobytes; but a signature field is
kept with them, and may be as long as a header."""

Identity = tuple[object, ...]


class Results:
    """Findings by their identity; at most `size`, in `room` bytes. The least recently used leave first."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic, room: int = KEPT_BYTES) -> None:
        self._size = size
        self._room = room
        self._clock = clock
        self._kept: OrderedDict[Identity, tuple[float, Authentication, int]] = OrderedDict()
        self._under_way: dict[Identity, asyncio.Task[Authentication]] = {}

    def find(self, identity: Identity) -> Authentication | asyncio.Task[Authentication] | None:
        """Findings that are there, or the work that somebody else waits for already."""
        kept = self._kept.get(identity)
        if kept is None:
            return self._under_way.get(identity)
        if kept[0] <= self._clock():
            self._drop(identity)
            return self._under_way.get(identity)
        self._kept.move_to_end(identity)
        return kept[1]

    def begin(
        self, identities: Sequence[Identity], work: Coroutine[Any, Any, Authentication]
    ) -> asyncio.Task[Authentication]:
        """Starts work that finds out all of these. Who awaits it shields it: it belongs to everybody who asks."""
        task = asyncio.create_task(self._run(identities, work))
        for identity in identities:
            self._under_way[identity] = task
        return task

    async def _run(self, identities: Sequence[Identity], work: Coroutine[Any, Any, Authentication]) -> Authentication:
        try:
            found = await work
        finally:
            for identity in identities:
                self._under_way.pop(identity, None)
        until = self._clock() + (KEPT_TEMPORARY if found.temporary else KEPT)
        weight = memory_of(found)
        for identity in identities:
            if identity in self._kept:
                self._drop(identity)
            self._kept[identity] = (until, found, weight)
            self._room -= weight
        while self._kept and (len(self._kept) > self._size or self._room < 0):
            self._drop(next(iter(self._kept)))
        return found

    def _drop(self, identity: Identity) -> None:
        self._room += self._kept.pop(identity)[2]


def memory_of(found: Authentication) -> int:
    """The bytes that findings take, about: rather too many than too few."""
    envelope = found.envelope
    total = 4096 + len(envelope.helo) + len(envelope.sender or b"")
    for verdict in found.dkim or ():
        total += _of_signature(verdict.signature.field.raw, verdict.signature.names)
    for other in found.domainkeys or ():
        total += _of_signature(other.signature.field.raw, other.signature.names or ())
    return total


def _of_signature(raw: bytes, names: Sequence[bytes]) -> int:
    return 2048 + 2 * len(raw) + 64 * len(names)
