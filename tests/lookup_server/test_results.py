"""What is remembered of messages, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from exim_dkim.authentication import Authentication, Method
from lookup_server.results import KEPT, KEPT_TEMPORARY, Results


async def found(findings: Authentication) -> Authentication:
    await asyncio.sleep(0)
    return findings


@pytest.mark.parametrize(
    ("findings", "kept"),
    [(Authentication(), KEPT), (Authentication(unfinished={Method.SPF: "no answer"}), KEPT_TEMPORARY)],
)
def test_how_long(findings: Authentication, kept: float) -> None:
    now = 100.0
    results = Results(10, lambda: now)

    async def run() -> None:
        nonlocal now
        task = results.begin([("id",), ("other",)], found(findings))
        assert results.find(("id",)) is task
        assert results.find(("other",)) is task
        assert results.find(("third",)) is None
        assert await task is findings
        now += kept - 0.1
        assert results.find(("id",)) is findings
        assert results.find(("other",)) is findings
        now += 0.2
        assert results.find(("id",)) is None

    asyncio.run(run())


def test_how_many() -> None:
    async def run() -> None:
        results = Results(2)
        for number in range(3):
            await results.begin([(number,)], found(Authentication()))
            assert results.find((0,)) if number < 2 else True
        assert [number for number in range(3) if results.find((number,))] == [0, 2]

    asyncio.run(run())


def test_size_zero_remembers_nothing() -> None:
    async def run() -> None:
        results = Results(0)
        await results.begin([("id",)], found(Authentication()))
        assert results.find(("id",)) is None

    asyncio.run(run())


def test_what_failed_is_not_remembered() -> None:
    async def broken() -> Authentication:
        raise ZeroDivisionError

    async def run() -> None:
        results = Results(10)
        with pytest.raises(ZeroDivisionError):
            await results.begin([("id",)], broken())
        assert results.find(("id",)) is None

    asyncio.run(run())
