"""Bounds how many do something at once, and shares what there is among those who ask for it.

Whoever has taken the least so far is let in first, measured in the time for which it had its turns; and who has taken a
lot is not given the last half of the room. So somebody who asks for a hundred things, or for slow ones, does not keep
others from the few quick ones that they need. Among equals whoever came last is first: when there is more to do than
can be done, who has waited longest will soon give up, and in the order of arrival everybody would come too late. What
one asker wants comes in the order in which it was asked for.

For one event loop. How many wait, and for how long, others bound.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

STEP: Final = 0.1
"""Seconds of turns that make a difference between two askers; a turn that has not ended counts as so much."""
EIGHTHS: Final = 4
"""Most of the room that is not given to those who have taken a lot; one eighth for each `STEP`."""


class Asker:
    """Somebody who asks for turns."""

    __slots__ = ("__weakref__", "seconds", "turns", "waiting")

    def __init__(self) -> None:
        self.turns = 0  # at this moment
        self.seconds = 0.0  # of those that have ended
        self.waiting: dict[Turn, None] = {}

    @property
    def level(self) -> int:
        """How much this one has had."""
        return self.turns + int(self.seconds / STEP)


class Slots:
    """`async with slots.turn(asker):` waits until there is room. `clock`: seconds, never going back."""

    __slots__ = ("_count", "_free", "_levels", "clock")

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = self._free = count
        self._levels: dict[int, dict[Asker, None]] = {}  # who waits, by how much they have had
        self.clock = clock

    def turn(self, asker: Asker) -> Turn:
        """A turn, which begins when it is entered and there is room."""
        return Turn(self, asker)

    def take(self, asker: Asker) -> bool:
        """Takes room, if there is any now for this one; then nobody waits who goes first."""
        if self._free <= self._kept(asker.level):
            return False
        self._free -= 1
        asker.turns += 1
        return True

    def _kept(self, level: int) -> int:
        """How much room is not for those who have had so much."""
        return self._count * min(level, EIGHTHS) // 8

    def leave(self, asker: Asker, seconds: float) -> None:
        """`asker` had its turn for so long; lets in who is next."""
        self._out(asker)
        asker.turns -= 1
        asker.seconds += seconds
        self._in(asker)
        self._free += 1
        self._let_in()

    def _let_in(self) -> None:
        """Begins the turns that there is room for."""
        while self._levels and self._free > self._kept(lowest := min(self._levels)):
            following = next(reversed(self._levels[lowest]))
            turn = next(iter(following.waiting))
            self.withdraw(turn)
            if turn.begin(following):
                self._out(following)
                self._free -= 1
                following.turns += 1
                self._in(following)

    def wait(self, turn: Turn, asker: Asker) -> None:
        """`asker` waits for `turn` from now on."""
        self._out(asker)
        asker.waiting[turn] = None
        self._in(asker)
        self._let_in()  # another asker may have waited for it, whom there was no room for

    def withdraw(self, turn: Turn) -> None:
        """Nobody waits for `turn` any more."""
        for asker in turn.askers:
            if turn in asker.waiting:
                self._out(asker)
                del asker.waiting[turn]
                self._in(asker)

    def _in(self, asker: Asker) -> None:
        if asker.waiting:
            self._levels.setdefault(asker.level, {})[asker] = None

    def _out(self, asker: Asker) -> None:
        if asker.waiting:
            level = self._levels[asker.level]
            del level[asker]
            if not level:
                del self._levels[asker.level]


class Turn:
    """One turn; it may be wanted by several. `begun`: it has come, and may have ended."""

    __slots__ = ("_begins", "_slots", "_start", "askers", "begun")

    def __init__(self, slots: Slots, asker: Asker) -> None:
        self.askers = [asker]  # of one that has begun: the one whose turn it is first
        self.begun = False
        self._slots = slots
        self._begins: asyncio.Future[None] | None = None
        self._start = 0.0

    def join(self, asker: Asker) -> None:
        """This one wants it, too: it begins when the first of them is next."""
        if not self.begun and asker not in self.askers:
            self.askers.append(asker)
            if self._begins is not None:
                self._slots.wait(self, asker)

    def begin(self, asker: Asker) -> bool:
        """Whether somebody still waits for it, who goes on now; it is `asker`'s."""
        assert self._begins is not None
        if self._begins.done():
            return False
        self._begins.set_result(None)
        self._start_for(asker)
        return True

    def _start_for(self, asker: Asker) -> None:
        self.askers = [asker]
        self.begun = True
        self._start = self._slots.clock()

    def _end(self) -> None:
        self._slots.leave(self.askers[0], self._slots.clock() - self._start)

    async def __aenter__(self) -> None:
        if self._slots.take(self.askers[0]):
            self._start_for(self.askers[0])
            return
        self._begins = asyncio.get_running_loop().create_future()
        for asker in self.askers:
            if not self.begun:
                self._slots.wait(self, asker)
        try:
            await self._begins
        except asyncio.CancelledError:
            if self._begins.cancelled():
                self._slots.withdraw(self)
            else:  # it has come at the same moment
                self._end()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
