"""What is remembered of messages, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from exim_dkim.words import Word
from lookup_server.findings import Findings
from lookup_server.results import KEPT, KEPT_TEMPORARY, Results


async def found(findings: Findings) -> Findings:
    await asyncio.sleep(0)
    return findings


@pytest.mark.parametrize(
    ("findings", "kept"), [(Findings(), KEPT), (Findings(word=Word.DEFER, why="no answer"), KEPT_TEMPORARY)]
)
def test_how_long(findings: Findings, kept: float) -> None:
    now = 100.0
    results = Results(10, lambda: now)

    async def run() -> None:
        nonlocal now
        task = results.begin(("id",), found(findings))
        assert results.under_way(("id",)) is task
        assert results.get(("id",)) is None
        assert await task is findings
        assert results.under_way(("id",)) is None
        now += kept - 0.1
        assert results.get(("id",)) is findings
        now += 0.2
        assert results.get(("id",)) is None

    asyncio.run(run())


def test_how_many() -> None:
    async def run() -> None:
        results = Results(2)
        for number in range(3):
            await results.begin((number,), found(Findings()))
            assert results.get((0,)) if number < 2 else True
        assert [number for number in range(3) if results.get((number,))] == [0, 2]

    asyncio.run(run())


def test_size_zero_remembers_nothing() -> None:
    async def run() -> None:
        results = Results(0)
        await results.begin(("id",), found(Findings()))
        assert results.get(("id",)) is None

    asyncio.run(run())
