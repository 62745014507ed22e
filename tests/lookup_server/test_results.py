"""What is remembered of messages, and for how long."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from exim_dkim.authentication import Authentication, Method
from exim_dkim.dkim import signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys import signature as domainkeys_signature
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.envelope import Envelope
from exim_dkim.message import HeaderField
from exim_dkim.outcome import DkimReason, DomainKeysReason
from lookup_server.results import KEPT, KEPT_TEMPORARY, Results, memory_of


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


def test_how_much_memory() -> None:
    async def run() -> None:
        results = Results(100, room=10 * memory_of(Authentication()))
        for number in range(20):
            await results.begin([(number,)], found(Authentication()))
        assert [number for number in range(20) if results.find((number,))] == [*range(10, 20)]
        await results.begin([(19,)], found(Authentication()))  # once more: what it took before is free
        assert results.find((10,))  # and so the last one to leave
        large = Authentication(Envelope(helo=b"x" * 5 * memory_of(Authentication())))
        await results.begin([("large",)], found(large))
        assert [number for number in range(20) if results.find((number,))] == [10, 17, 18, 19]
        await results.begin([("too large",)], found(large._replace(envelope=Envelope(helo=b"x" * 1_000_000))))
        assert results.find(("too large",)) is None
        await results.begin([("id",)], found(Authentication()))
        assert results.find(("id",))

    asyncio.run(run())


HOSTILE = [
    b"v=1; a=rsa-sha256; d=example.org; s=s; bh=AAAA; b=AAAA; h=from" + b":abcde" * 100_000,
    b"v=1; a=rsa-sha256; d=example.org; s=s; bh=AAAA; h=from; b=" + b"AAAA" * 100_000,
    b"v=1; a=rsa-sha256; d=example.org; s=s; h=from; b=AAAA; x=" + b"a" * 500_000,
]


@pytest.mark.parametrize("tags", HOSTILE, ids=["names", "data", "fault"])
@pytest.mark.parametrize("protocol", ["dkim", "domainkeys"])
def test_memory_is_not_underestimated(tags: bytes, protocol: str) -> None:
    header = b"X-Signature: " + tags
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        field = HeaderField(b"x-signature", bytes(bytearray(header)))
        if protocol == "dkim":
            findings = Authentication(dkim=(Verdict(DkimReason.GOOD, signature.parse_signature(field)),))
        else:
            parsed = domainkeys_signature.parse_signature(field)
            findings = Authentication(domainkeys=(DomainKeysVerdict(DomainKeysReason.GOOD, parsed),))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken <= memory_of(findings) <= 4 * taken + 20_000


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
