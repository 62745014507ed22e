"""exim_dkim.system.slots: no more at once than there is room for, the last one first, and no place is ever lost."""

from __future__ import annotations

import asyncio
import random

from exim_dkim.system.slots import Slots


def test_the_last_one_is_first() -> None:
    async def main() -> list[int]:
        slots, order, go = Slots(1), list[int](), asyncio.Event()

        async def work(number: int) -> None:
            async with slots:
                order.append(number)
                await go.wait()

        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[3].cancel()
        go.set()
        await asyncio.wait(tasks)
        return order

    assert asyncio.run(main()) == [0, 4, 2, 1]


def test_a_place_is_free_again_after_every_end() -> None:
    """Cancelled while it waits, when its turn has come, and while it works; or ended by an error."""

    async def main() -> None:
        source, slots, running, most = random.Random(1), Slots(3), 0, 0

        async def work() -> None:
            nonlocal running, most
            async with slots:
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
            tasks = [asyncio.create_task(work()) for _ in range(12)]
            for _ in range(source.randrange(5)):
                await asyncio.sleep(0)
            for task in source.sample(tasks, 6):
                task.cancel()
            await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert (running, most, slots._free, len(slots._waiting)) == (0, 3, 3, 0)

    asyncio.run(main())
