"""Each message is verified once: findings by content, shared by all who ask for them at the same time or soon after."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from lookup_server.findings import Findings

KEPT: Final = 60.0
"""Seconds that findings are kept: the look-ups for one message come within one ACL run. Not longer, for keys change."""

KEPT_TEMPORARY: Final = 5.0
"""The same for findings that a later attempt may change, such as a time-out of DNS."""

Identity = tuple[object, ...]


class Results:
    """Findings by the identity of a message; at most `size`, the least recently used leave first."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[Identity, tuple[float, Findings]] = OrderedDict()
        self._under_way: dict[Identity, asyncio.Task[Findings]] = {}

    def get(self, identity: Identity) -> Findings | None:
        """Findings that are there."""
        kept = self._kept.get(identity)
        if kept is None:
            return None
        if kept[0] <= self._clock():
            del self._kept[identity]
            return None
        self._kept.move_to_end(identity)
        return kept[1]

    def under_way(self, identity: Identity) -> asyncio.Task[Findings] | None:
        """The verification that somebody else waits for already."""
        return self._under_way.get(identity)

    def begin(self, identity: Identity, verification: Coroutine[Any, Any, Findings]) -> asyncio.Task[Findings]:
        """Starts a verification. Who awaits it shields it: it belongs to everybody who asks for this message."""
        task = asyncio.create_task(self._run(identity, verification))
        self._under_way[identity] = task
        return task

    async def _run(self, identity: Identity, verification: Coroutine[Any, Any, Findings]) -> Findings:
        try:
            findings = await verification
        finally:
            self._under_way.pop(identity, None)
        self._kept[identity] = (self._clock() + (KEPT_TEMPORARY if findings.temporary else KEPT), findings)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return findings
