"""exim_dkim.system.slots: no more at once than there is room for, fairly shared, and no place is ever lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from exim_dkim.system.slots import Asker, Slots, Turn


class Stage:
    """Workers that stay until they are let go, at times that the test decides."""

    def __init__(self, count: int) -> None:
        self.now = 0.0
        self.slots = Slots(count, lambda: self.now)
        self.begun: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def ask(self, name: str, asker: Asker) -> Turn:
        """Somebody asks for a turn, and gets as far as possible."""
        turn = self.slots.turn(asker)
        self._go[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._work(name, turn))
        await self.settle()
        return turn

    async def end(self, name: str, after: float = 0.0) -> None:
        """The turn of this one ends."""
        self.now += after
        self._go[name].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _work(self, name: str, turn: Turn) -> None:
        async with turn:
            self.begun.append(name)
            await self._go[name].wait()


def staged(count: int, play: Callable[[Stage], Coroutine[Any, Any, None]]) -> list[str]:
    """Who began, in order."""

    async def main() -> list[str]:
        stage = Stage(count)
        await play(stage)
        begun = [*stage.begun]
        for task in stage.tasks.values():
            task.cancel()
        await asyncio.gather(*stage.tasks.values(), return_exceptions=True)
        assert (stage.slots._free, stage.slots._levels) == (count, {})
        return begun

    return asyncio.run(main())


def test_among_equals_the_last_one_is_first() -> None:
    async def play(stage: Stage) -> None:
        for name in "abcde":
            await stage.ask(name, Asker())
        stage.tasks["d"].cancel()
        for name in "aec":
            await stage.end(name)

    assert staged(1, play) == ["a", "e", "c", "b"]


def test_who_has_had_much_waits_for_who_has_had_little() -> None:
    async def play(stage: Stage) -> None:
        greedy, modest, late = Asker(), Asker(), Asker()
        for number in range(4):
            await stage.ask(f"greedy{number}", greedy)
        await stage.ask("modest", modest)
        for number in range(3):
            await stage.ask(f"late{number}", late)
        await stage.end("greedy0", after=5)
        for name in ("late0", "late1", "late2", "modest", "greedy1"):
            await stage.end(name, after=0.01)

    assert staged(1, play) == ["greedy0", "late0", "late1", "late2", "modest", "greedy1", "greedy2"]


def test_nobody_gets_all_of_the_room() -> None:
    """Nor a crowd that has had much already."""

    async def play(stage: Stage) -> None:
        crowd = [Asker() for _ in range(8)]
        for number, one in enumerate(crowd):
            await stage.ask(f"first{number}", one)
        for number in range(8):
            await stage.end(f"first{number}", after=1)
        stage.begun.clear()
        for number in range(8):
            await stage.ask(f"again{number}", crowd[number])
        greedy = Asker()
        for number in range(8):
            await stage.ask(f"greedy{number}", greedy)
        await stage.ask("modest", Asker())

    begun = staged(8, play)
    assert begun == ["again0", "again1", "again2", "again3", "greedy0", "greedy1", "modest"]


def test_a_turn_that_several_want_begins_when_the_first_of_them_is_next() -> None:
    async def play(stage: Stage) -> None:
        greedy, other, modest = Asker(), Asker(), Asker()
        await stage.ask("greedy", greedy)
        await stage.ask("other", other)
        wanted = await stage.ask("wanted", greedy)
        await stage.end("greedy", after=3)
        await stage.ask("another", other)
        wanted.join(modest)
        wanted.join(modest)
        await stage.end("other", after=1)
        wanted.join(other)
        await stage.end("wanted", after=1)

    assert staged(1, play) == ["greedy", "other", "wanted", "another"]


def test_who_joins_can_have_room_that_others_have_not() -> None:
    async def play(stage: Stage) -> None:
        greedy = Asker()
        turns = [await stage.ask(f"greedy{number}", greedy) for number in range(8)]
        assert len(stage.begun) == 4
        turns[6].join(Asker())
        await stage.settle()

    assert staged(8, play)[4:] == ["greedy6"]


def test_a_place_is_free_again_after_every_end() -> None:
    """Cancelled while it waits, when its turn has come, and while it works; or ended by an error."""

    async def main() -> None:
        source, slots, running, most = random.Random(1), Slots(3), 0, 0

        async def work(turn: Turn) -> None:
            nonlocal running, most
            async with turn:
                running += 1
                most = max(most, running)
                try:
                    for _ in range(source.randrange(4)):
                        await asyncio.sleep(0)
                    if source.random() < 0.2:
                        raise ValueError
                finally:
                    running -= 1

        for _ in range(200):
            askers = [Asker() for _ in range(4)]
            turns = [slots.turn(source.choice(askers)) for _ in range(12)]
            tasks = [asyncio.create_task(work(turn)) for turn in turns]
            for _ in range(source.randrange(5)):
                await asyncio.sleep(0)
                source.choice(turns).join(source.choice(askers))
            for task in source.sample(tasks, 6):
                task.cancel()
            await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
            assert {(asker.turns, len(asker.waiting)) for asker in askers} == {(0, 0)}
        assert (running, most, slots._free, slots._levels) == (0, 3, 3, {})

    asyncio.run(main())
