"""Bounds how many do something at once, for work that is worth nothing when it comes too late.

Whoever came last is let in first. When there is more to do than can be done, who has waited longest will soon give up:
in the order of arrival everybody would come too late, as would be to the liking of somebody who asks for much.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Slots:
    """`async with slots:` waits until there is room. For one event loop; how many wait, others bound (time-outs)."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if not turn.cancelled():  # its turn has come at the same moment
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        """Lets in whoever came last."""
        while self._waiting:
            turn, _ = self._waiting.popitem()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
