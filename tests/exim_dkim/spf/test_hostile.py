"""Records and identities that mean harm: a verdict within the limits, never an exception, never too many questions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.outcome import SpfReason, SpfResult
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.spf import SpfIdentity, SpfPolicy, SpfVerdict, check_host
from exim_dkim.spf.compiled import MAX_KEPT, RecordCache
from exim_dkim.spf.evaluate import _domain_to_ask, domain_to_ask
from exim_dkim.spf.record import MAX_RECORD, select_spf1
from exim_dkim.spf.verdict import MAX_LINE
from tests.support.run import run

MAX_QUESTIONS = 1 + 10 * (1 + 10) + 10 + 1 + 1 + 10
"""The record; ten terms with ten addresses each; ten in advance; the explanation; the client's names (`%{p}`)."""

FOUR, SIX = parse_client(b"192.0.2.1"), parse_client(b"2001:db8::1")


def judge(
    zone: Mapping[Key, Value] | MemoryResolver,
    sender: bytes = b"alice@example.org",
    helo: bytes = b"mail.example.net",
    six: bool = False,
) -> SpfVerdict:
    """The verdict, and that it kept to what holds for all."""
    resolver = zone if isinstance(zone, MemoryResolver) else MemoryResolver(zone)
    verdict = run(check_host(Envelope(SIX if six else FOUR, helo, sender), resolver, SpfPolicy()))
    assert verdict.reason is not SpfReason.INTERNAL_ERROR, verdict
    assert len(resolver.asked) <= MAX_QUESTIONS
    assert len(set(resolver.asked)) == len(resolver.asked), "asked twice"
    assert verdict.lookups <= 11
    assert verdict.void_lookups <= 3
    for text in (verdict.domain, verdict.sender, verdict.mechanism, verdict.text, verdict.detail):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= MAX_LINE
    assert verdict.explanation.isprintable()
    return verdict


def chain(kind: str, length: int = 1000) -> dict[Key, Value]:
    """Records that lead from one to the next."""
    names = ["example.org", *(f"n{number}.example.org" for number in range(length))]
    return {name: f"v=spf1 {kind}{following}" for name, following in pairwise(names)}


@pytest.mark.parametrize(
    "zone",
    [
        {"example.org": "v=spf1 include:example.org -all"},
        {"example.org": "v=spf1 redirect=example.org"},
        {"example.org": "v=spf1 include:a.example.org", "a.example.org": "v=spf1 redirect=example.org"},
        {"example.org": "v=spf1 include:%{d} redirect=%{d}"},
        chain("include:"),
        chain("redirect="),
        {"example.org": "v=spf1 " + "include:a.example.org " * 180, "a.example.org": "v=spf1"},
        {**chain("?all x=", 180), "example.org": "v=spf1 " + " ".join(f"include:n{n}.example.org" for n in range(180))},
        {"example.org": "v=spf1 " + "exists:%{d} " * 300, ("example.org", RecordType.A): []}
        | {("example.org", RecordType.A): "192.0.2.9", "example.org": "v=spf1 " + "a:%{d} " * 300},
        {"example.org": "v=spf1 " + "%{p}=x a:%{P} " * 70},
    ],
)
@pytest.mark.parametrize("six", [False, True])
def test_loops_and_crowds(zone: dict[Key, Value], six: bool) -> None:
    verdict = judge(zone, six=six)
    assert verdict.result is SpfResult.PERMERROR, verdict


def test_every_term_and_every_address_at_once() -> None:
    """The worst that a domain can make us ask."""
    zone: dict[Key, Value] = {("1.2.0.192.in-addr.arpa", RecordType.PTR): [f"p{n}.example.org" for n in range(500)]}
    names = [f"mx{number}.example.org" for number in range(30)]
    zone["example.org"] = "v=spf1 " + " ".join(f"mx:{name}" for name in names[:10]) + " -all exp=e.example.org"
    for name in names:
        zone[name, RecordType.MX] = [f"1 h{number}.{name}" for number in range(10)]
        for number in range(10):
            zone[f"h{number}.{name}", RecordType.A] = "198.51.100.1"
    zone["e.example.org"] = "%{p}"
    for number in range(500):
        zone[f"p{number}.example.org", RecordType.A] = "198.51.100.1"
    resolver = MemoryResolver(zone)
    assert judge(resolver).reason is SpfReason.MATCHED_FAIL
    assert len(resolver.asked) == 1 + 10 * 11 + 1 + 11
    zone["mx0.example.org", RecordType.MX] = [f"1 h{number}.mx0.example.org" for number in range(11)]
    assert judge(zone).reason is SpfReason.TOO_MANY_MX
    zone["example.org"] = "v=spf1 ptr -all"
    resolver = MemoryResolver(zone)
    assert judge(resolver).reason is SpfReason.MATCHED_FAIL
    assert len(resolver.asked) == 1 + 1 + 10


def test_what_is_fetched_in_advance_is_bounded() -> None:
    """A match that comes first must not have cost more than ten answers that nothing needed."""
    zone: dict[Key, Value] = {
        "example.org": "v=spf1 a " + " ".join(f"include:n{number}.example.org" for number in range(100)),
        ("example.org", RecordType.A): "192.0.2.1",
    }
    resolver = MemoryResolver(zone)
    assert judge(resolver).reason is SpfReason.MATCHED_PASS
    assert len(resolver.asked) == 1 + 1 + 10


def test_void_lookups() -> None:
    zone: dict[Key, Value] = {"example.org": "v=spf1 a:x.example.org a:y.example.org a:z.example.org +all"}
    assert judge(zone).reason is SpfReason.TOO_MANY_VOID_LOOKUPS
    envelope = Envelope(FOUR, b"", b"a@example.org")
    verdict = run(check_host(envelope, MemoryResolver(zone), SpfPolicy(max_void_lookups=3)))
    assert (verdict.reason, verdict.void_lookups) == (SpfReason.MATCHED_PASS, 3)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"v=spf1 +all " + b"a=" + b"x" * MAX_RECORD, SpfReason.RECORD_TOO_LONG),
        (b"v=spf1 " + b"ip4:192.0.2.1 " * 4700, SpfReason.RECORD_TOO_LONG),
        (b"v=spf1 +all \xe9", SpfReason.NOT_ASCII),
        (b"v=spf1 +all \x00", SpfReason.BAD_SYNTAX),
        (b"v=spf1 +all\x00", SpfReason.BAD_SYNTAX),
        (b"v=spf1\x00+all", SpfReason.NO_RECORD),
        (b"v=spf1 \t", SpfReason.BAD_SYNTAX),
        (b"v=spf1 ip4:192.0.2.1\n", SpfReason.BAD_SYNTAX),
        (b"v=spf1 ip4:192.0.2.1/33 +all", SpfReason.BAD_SYNTAX),
        (b"v=spf1 ip4:192.0.2.1/-1 +all", SpfReason.BAD_SYNTAX),
        (b"v=spf1 ip4:192.0.2.1/" + b"9" * 3000, SpfReason.BAD_SYNTAX),
        (b"v=spf1 a/" + b"9" * 200, SpfReason.BAD_SYNTAX),
        (b"v=spf1 exists:%{l" + b"9" * 200 + b"}.example.org", SpfReason.NO_MATCH),
        (b"v=spf1 exists:%{l0}.example.org", SpfReason.BAD_SYNTAX),
        (b"v=spf1 exists:" + b"%{s}" * 1000 + b".example.org ?all", SpfReason.MATCHED_NEUTRAL),
        (b"v=spf1 a:." + b"a" * 4000 + b"!", SpfReason.BAD_SYNTAX),
        (b"v=spf1 " + b"a:%{d-} " * 500, SpfReason.RECORD_TOO_LONG),
        (b"v=spf1 " + b"moo " * 1000, SpfReason.BAD_SYNTAX),
        (b"v=spf1 a:%{h}", SpfReason.NO_MATCH),
    ],
)
def test_records(record: bytes, reason: SpfReason) -> None:
    assert judge({"example.org": record}).reason is reason


@pytest.mark.parametrize(
    ("sender", "helo", "reason"),
    [
        (b"a@" + b"x." * 300 + b"org", b"", SpfReason.DOMAIN_TOO_LONG),
        (b"a@" + b"x" * 64 + b".org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@example..org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@.example.org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@exam ple.org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@exam\x00ple.org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@exam\nple.org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@\xff.org", b"", SpfReason.MALFORMED_DOMAIN),
        (b"a@[192.0.2.1]", b"", SpfReason.DOMAIN_LITERAL),
        (b"a@localhost", b"", SpfReason.SINGLE_LABEL),
        (b"a@localhost.", b"", SpfReason.SINGLE_LABEL),
        (b"a@", b"", SpfReason.NO_DOMAIN),
        (b"", b"", SpfReason.NO_DOMAIN),
        (b"", b"[192.0.2.1]", SpfReason.DOMAIN_LITERAL),
        (b"", b"x" * 100_000, SpfReason.DOMAIN_TOO_LONG),
        (b"a@gone.example.org", b"", SpfReason.NXDOMAIN),
        (b"a@nothing.example.org", b"", SpfReason.NO_RECORD),
        (b"a@b@c@Example.ORG.", b"", SpfReason.MATCHED_PASS),
        (b"\xff" * 100_000 + b"@example.org", b"", SpfReason.MATCHED_PASS),
        ("a@bücher.example".encode(), b"", SpfReason.MATCHED_NEUTRAL),
    ],
)
def test_identities(sender: bytes, helo: bytes, reason: SpfReason) -> None:
    zone: dict[Key, Value] = {
        "example.org": "v=spf1 +all",
        "nothing.example.org": [],
        "xn--bcher-kva.example": "v=spf1 ?all",
    }
    assert judge(zone, sender, helo).reason is reason


def test_no_client() -> None:
    envelope = Envelope(None, b"mail.example.org", b"a@example.org")
    for identity in SpfIdentity:
        assert run(check_host(envelope, MemoryResolver({}), SpfPolicy(), identity)).reason is SpfReason.NO_CLIENT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"not here\r\nX-Injected: yes", "not here??X-Injected: yes"),
        (b"\x1b[31mred\x00", "?[31mred?"),
        (b"caf\xc3\xa9", ""),
        (b"x" * 2000, ""),
        (b"x" * 1000, "x" * MAX_LINE),
        (b"%{l} from %{c}", "a?b from 192.0.2.1"),
        (b"%{x}", ""),
        (b"50%", ""),
    ],
)
def test_explanations(text: bytes, shown: str) -> None:
    zone: dict[Key, Value] = {"example.org": "v=spf1 -all exp=e.example.org", "e.example.org": text}
    verdict = judge(zone, b"a\nb@example.org")
    assert (verdict.reason, verdict.text) == (SpfReason.MATCHED_FAIL, shown)


class Faulty:
    """A resolver with a fault of its own."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """Breaks."""
        raise RuntimeError("out of order")


def test_a_fault_of_ours_is_a_verdict() -> None:
    verdict = run(check_host(Envelope(FOUR, b"", b"a@example.org"), Faulty(), SpfPolicy()))
    assert (verdict.reason, verdict.detail) == (SpfReason.INTERNAL_ERROR, "RuntimeError: out of order")


@pytest.mark.parametrize("record", ["v=spf1 include:%{d} -all", "v=spf1 a:%{d0}.example.net -all"])
def test_the_time_limit(record: str) -> None:
    now = 1_790_000_000.0

    def clock() -> float:
        nonlocal now
        now += 7
        return now

    envelope = Envelope(FOUR, b"", b"a@example.org")
    zone: dict[Key, Value] = {"example.org": record}
    assert run(check_host(envelope, MemoryResolver(zone), SpfPolicy(timeout=5), clock=clock)).reason is (
        SpfReason.TIME_LIMIT
    )
    assert run(check_host(envelope, MemoryResolver(zone), SpfPolicy(timeout=5))).reason is not SpfReason.TIME_LIMIT


def test_the_time_in_an_explanation() -> None:
    zone: dict[Key, Value] = {"example.org": "v=spf1 -all exp=e.example.org", "e.example.org": "at %{t}"}
    envelope = Envelope(FOUR, b"", b"a@example.org")
    verdict = run(check_host(envelope, MemoryResolver(zone), SpfPolicy(), clock=lambda: 1_790_000_000.5))
    assert verdict.text == "at 1790000000"


TERMS = st.one_of(
    st.sampled_from(
        [
            "a",
            "mx",
            "ptr",
            "all",
            "include:",
            "exists:",
            "redirect=",
            "exp=",
            "ip4:",
            "ip6:",
            "192.0.2.1",
            "2001:db8::1",
        ]
    ),
    st.sampled_from(
        ["/", "//", "24", "33", "%{", "}", "%{l}", "%{p}", "%{d2r}", "%", "%%", ".", "-", "~", "?", "+", ":"]
    ),
    st.sampled_from([" ", "  ", "example.org", "a.example.org", "x=", "=", ",", "\0", "\t", "é", "\ud800", "V=SPF1 "]),
    st.text(max_size=5),
)
RECORDS = st.lists(TERMS, max_size=20).map("".join).map(lambda text: b"v=spf1 " + text.encode("utf-8", "surrogatepass"))
LOCALS = st.one_of(st.sampled_from([b"", b"a", b"a.b-c", b"%{l}", b"\0", b"." * 70]), st.binary(max_size=80))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    records=st.lists(RECORDS, min_size=1, max_size=3),
    local=LOCALS,
    helo=st.binary(max_size=30),
    six=st.booleans(),
    trouble=st.sampled_from([None, *Trouble]),
)
@example(records=[b"v=spf1 include:a.example.org a:%{p0}"], local=b"", helo=b"", six=True, trouble=Trouble.TIMEOUT)
def test_any_record(records: list[bytes], local: bytes, helo: bytes, six: bool, trouble: Trouble | None) -> None:
    zone: dict[Key, Value] = {
        "example.org": records[0],
        "a.example.org": records[-1],
        ("a.example.org", RecordType.A): ["192.0.2.1", b"\1", b""],
        ("example.org", RecordType.MX): ["10 a.example.org", b"junk", b"", b"0 ", b"5 \xff"],
        ("1.2.0.192.in-addr.arpa", RecordType.PTR): ["a.example.org", b"\xff", b"", b"." * 300],
    }
    if trouble is not None:
        zone["a.example.org", RecordType.AAAA] = trouble
    judge(zone, local + b"@example.org", helo, six)


def test_what_is_kept_of_records_is_bounded() -> None:
    cache = RecordCache(20_000)
    for number in range(500):
        cache.get((b"v=spf1 ip4:192.0.2.%d -all" % (number % 250), b"x" * 100), select_spf1)
        cache.get((b"v=spf1 " + b"a " * number,), select_spf1)
        assert len(cache) <= 20
    assert len(cache) == 0, "the last is too large to be kept"
    for number in range(500):
        cache.get((b"%d" % number, b""), select_spf1)
    assert len(cache) < 200, "short ones count, too"
    assert MAX_KEPT <= 16 << 20


class Rounds:
    """A resolver that answers nobody before `count` have asked: who waits for an earlier one waits for ever."""

    def __init__(self, zone: Mapping[Key, Value], count: int) -> None:
        self._inner = MemoryResolver(zone)
        self._count = count
        self._waiting: list[asyncio.Future[None]] = []
        self.rounds = 0

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The answers, when everybody has asked."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if len(self._waiting) == self._count:
            waiting, self._waiting = self._waiting, []
            self.rounds += 1
            for one in waiting:
                one.set_result(None)
        await turn
        return await self._inner.resolve(*questions)


@pytest.mark.parametrize(
    ("record", "rounds"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", 1),
        ("v=spf1 mx -all", 3),
        # All that the terms of a record ask is asked at once.
        ("v=spf1 ?a:x.example.org ?exists:gone.example.org ?include:y.example.org mx -all", 3),
        # pyspf has to judge this one, and does so over the answers that are there.
        ("v=spf1 ?a:%{d-}.example.org mx -all", 4),
    ],
)
def test_two_hundred_at_once(record: str, rounds: int) -> None:
    zone: dict[Key, Value] = {
        "example.org": record,
        "y.example.org": "v=spf1 -all",
        ("x.example.org", RecordType.A): "198.51.100.1",
        ("example.org", RecordType.MX): ["10 m0.example.org", "20 m1.example.org"],
        ("m0.example.org", RecordType.A): "198.51.100.2",
        ("m1.example.org", RecordType.A): "192.0.2.7",
    }
    resolver = Rounds(zone, 200)
    envelope = Envelope(parse_client(b"192.0.2.7"), b"mail.example.net", b"alice@example.org")

    async def all_of_them() -> list[SpfVerdict]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*[check_host(envelope, resolver, SpfPolicy()) for _ in range(200)])

    verdicts = asyncio.run(all_of_them())
    assert {verdict.reason for verdict in verdicts} == {SpfReason.MATCHED_PASS}
    assert resolver.rounds == rounds


def test_an_endless_domain_is_not_kept() -> None:
    before = _domain_to_ask.cache_info().currsize
    for end in (b"", b".example.org"):
        assert domain_to_ask(b"a." * 600 + end) is SpfReason.DOMAIN_TOO_LONG
        assert domain_to_ask(b"x" * 60_000 + end) is SpfReason.DOMAIN_TOO_LONG
    assert _domain_to_ask.cache_info().currsize == before
