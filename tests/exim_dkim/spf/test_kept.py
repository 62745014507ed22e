"""Evaluations that were kept: whatever changes in between, what is told is what an evaluation would come to now."""

from __future__ import annotations

import gc
import itertools
import random
import re
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence

import pytest

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.spf import SpfIdentity, SpfPolicy, SpfVerdict, check_host, evaluate, select_spf1, walk
from exim_dkim.spf.compiled import RecordCache
from exim_dkim.spf.evaluate import KEPT
from exim_dkim.spf.kept import MAX_KEPT, MAX_SEEN, Evaluation, KeptEvaluations, Resumed, size_of
from exim_dkim.spf.questions import question_of
from exim_dkim.spf.walk import Walk
from tests.support.openspf import cases
from tests.support.run import run
from tests.support.spf_generated import pairs
from tests.support.threads import in_threads

POLICY = SpfPolicy()
ZONE: dict[Key, Value] = {
    "example.org": "v=spf1 include:in.example.net mx -all exp=why.example.org",
    "in.example.net": "v=spf1 a:%{l}.local.example.net exists:%{h}.helo.example.net ~all",
    "why.example.org": "%{i} is no client of %{o}",
    ("example.org", RecordType.MX): "10 mail.example.org",
    ("mail.example.org", RecordType.A): "192.0.2.25",
    ("alice.local.example.net", RecordType.A): "192.0.2.7",
    ("mail.example.com.helo.example.net", RecordType.A): "127.0.0.2",
}
PLAIN: dict[Key, Value] = {"example.org": "v=spf1 ip4:192.0.2.7 -all"}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    KEPT.clear()
    yield
    KEPT.clear()


def envelope(
    client: str = "192.0.2.7", sender: bytes = b"alice@example.org", helo: bytes = b"x.example.com"
) -> Envelope:
    return Envelope(parse_client(client.encode()), helo, sender)


def judge(about: Envelope, zone: Mapping[Key, Value], policy: SpfPolicy = POLICY) -> tuple[SpfVerdict, list[Question]]:
    """The verdict, and what was asked."""
    resolver = MemoryResolver(zone)
    return run(check_host(about, resolver, policy)), resolver.asked


def judge_anew(about: Envelope, zone: Mapping[Key, Value]) -> tuple[SpfVerdict, list[Question]]:
    """The same without anything kept; after it, this is."""
    KEPT.clear()
    first = judge(about, zone)
    assert judge(about, zone) == first
    return first


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[Walk]:
    """Every evaluation that is really done from here on."""
    walks = []
    original = Walk.run

    async def watched(self: Walk) -> SpfReason | None:
        walks.append(self)
        return await original(self)

    monkeypatch.setattr(Walk, "run", watched)
    return walks


def test_the_suite_again(evaluated: list[Walk]) -> None:
    for case in cases("rfc7208"):
        first = judge_anew(case.envelope, case.zone)
        evaluated.clear()
        assert judge(case.envelope, case.zone) == first, case.name
        assert not evaluated, case.name


@pytest.mark.parametrize("seed", [1, 2])
def test_generated_changes(seed: int) -> None:
    """Records change, go, come, or are in trouble: verdict and questions are those of an evaluation done now."""
    chance = random.Random(seed)
    changed = 0
    generated = list(pairs(600, seed, 0.1))
    for pair, other in itertools.pairwise(generated):
        before = dict(pair.zone)
        after = {key: value for key, value in before.items() if chance.random() > 0.1}
        for key in list(after):
            if chance.random() < 0.15:
                after[key] = chance.choice([Trouble.SERVFAIL, Trouble.NXDOMAIN, other.zone.get(key, Trouble.NO_DATA)])
        wanted = judge_anew(pair.envelope, after)
        first = judge_anew(pair.envelope, before)
        assert judge(pair.envelope, after) == wanted, (pair, after)
        assert judge(pair.envelope, before) == first, pair
        changed += wanted != first
    assert changed > 100


BOB = envelope(sender=b"bob@example.org")  # whom only the HELO name can make pass


@pytest.mark.parametrize(
    ("first", "about", "again"),
    [
        (envelope(), envelope(), True),
        (envelope(), envelope(helo=b"mail.example.com"), True),
        (BOB, envelope(sender=b"bob@example.org", helo=b"mail.example.com"), False),
        (envelope(), BOB, False),
        (envelope(), envelope(sender=b"@example.org"), False),
        (envelope(), envelope(client="192.0.2.25"), False),
        (envelope(), envelope(client="::192.0.2.7"), False),
        (envelope(), envelope(sender=b"alice@EXAMPLE.org"), False),
    ],
)
def test_what_a_verdict_depends_on(first: Envelope, about: Envelope, again: bool, evaluated: list[Walk]) -> None:
    wanted = judge_anew(about, ZONE)
    judge_anew(first, ZONE)
    evaluated.clear()
    assert judge(about, ZONE) == wanted
    assert (not evaluated) is again


@pytest.mark.parametrize(
    "sender", [b"bob@example.org", b"@example.org", b'"a@b"@example.org', "é@example.org".encode()]
)
@pytest.mark.parametrize("helo", [b"x.example.com", b"other.example.com"])
@pytest.mark.parametrize("identity", SpfIdentity)
def test_what_it_does_not_depend_on(sender: bytes, helo: bytes, identity: SpfIdentity, evaluated: list[Walk]) -> None:
    about = envelope(sender=sender, helo=b"example.org" if identity is SpfIdentity.HELO else helo)
    wanted = run(check_host(about, MemoryResolver(PLAIN), POLICY, identity))
    judge_anew(envelope(sender=b"@example.org" if sender == b"@example.org" else b"alice@example.org"), PLAIN)
    evaluated.clear()
    assert run(check_host(about, MemoryResolver(PLAIN), POLICY, identity)) == wanted
    assert wanted.identity is identity
    assert not evaluated


def test_each_policy_and_each_choice_of_records_judges_for_itself() -> None:
    strict = SpfPolicy(max_void_lookups=0)
    zone: dict[Key, Value] = {"example.org": ["v=spf1 a:gone.example.org ~all", "other ip4:192.0.2.7"]}
    for _ in range(4):
        assert judge(envelope(), zone)[0].reason is SpfReason.MATCHED_SOFTFAIL
        assert judge(envelope(), zone, strict)[0].reason is SpfReason.TOO_MANY_VOID_LOOKUPS
        address = (b"alice", b"example.org")
        client = parse_client(b"192.0.2.7")
        work = evaluate(client, b"x.example.com", address, MemoryResolver(zone), POLICY, _select_other)
        assert run(work).reason is SpfReason.MATCHED_PASS


def _select_other(records: Sequence[bytes]) -> Sequence[bytes]:
    return [record.removeprefix(b"other ") for record in records if record.startswith(b"other ")]


def test_the_time_limit_holds_for_what_is_kept() -> None:
    judge_anew(envelope("192.0.2.99"), ZONE)
    resolver = MemoryResolver(ZONE)
    ticks = iter([0.0, 1.0, 99.0, 99.0, 99.0])
    verdict = run(check_host(envelope("192.0.2.99"), resolver, POLICY, clock=lambda: next(ticks)))
    assert verdict.reason is SpfReason.TIME_LIMIT
    assert len(set(resolver.asked)) == len(resolver.asked), "asked twice"
    assert judge(envelope("192.0.2.99"), ZONE)[0].reason is SpfReason.MATCHED_FAIL, "and is no verdict for later"


@pytest.mark.parametrize("odd", ["", " a:%{d-}.example.net"])
def test_the_time_in_an_explanation(odd: str) -> None:
    zone: dict[Key, Value] = {"example.org": f"v=spf1{odd} -all exp=why.example.org", "why.example.org": "at %{t}"}
    clock = itertools.count(1000).__next__
    for _ in range(3):
        verdict = run(check_host(envelope(), MemoryResolver(zone), POLICY, clock=clock))
        assert verdict.reason is SpfReason.MATCHED_FAIL
        assert re.fullmatch("at [0-9]+", verdict.text)
        assert not KEPT


class Broken:
    """A resolver with a fault."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """No answer."""
        raise RuntimeError("broken")


def test_a_fault_is_no_verdict_for_later() -> None:
    first, _ = judge_anew(envelope(), PLAIN)
    assert run(check_host(envelope(), Broken(), POLICY)).reason is SpfReason.INTERNAL_ERROR
    assert judge(envelope(), PLAIN)[0] == first
    KEPT.clear()
    for _ in range(3):
        assert run(check_host(envelope(), Broken(), POLICY)).reason is SpfReason.INTERNAL_ERROR
        assert not KEPT


def test_how_much_is_kept() -> None:
    kept = KeptEvaluations(100_000)
    verdict = SpfVerdict(SpfReason.NO_RECORD)
    for number in range(1000):
        answers = (Answer(Question("example.org", RecordType.TXT), (b"x" * 1000,)),)
        rounds = [(tuple(answer.question for answer in answers), answers)]
        evaluation = Evaluation(verdict, POLICY, rounds, b"", b"", False, False, size_of(rounds))
        kept.put((number % 500, int, b"example.org", select_spf1), evaluation)
        assert kept.size == sum(each.size for each in kept.values()) <= 100_000
    assert 30 < len(kept) < 60
    assert list(kept) == [(number, int, b"example.org", select_spf1) for number in range(500 - len(kept), 500)]
    huge = evaluation._replace(size=100_001)
    kept.put((1, int, b"example.org", select_spf1), huge)
    assert (len(kept), kept.size) == (0, 0), "larger than all that may be kept"
    assert MAX_KEPT <= 16 << 20


def test_only_what_comes_again_is_kept(evaluated: list[Walk]) -> None:
    for number in range(4):
        judge(envelope(), PLAIN)
        assert len(evaluated) == min(number + 1, 2)
        assert bool(KEPT) == (number > 0)
    kept = KeptEvaluations()
    keys = [(number, int, b"example.org", select_spf1) for number in range(MAX_SEEN)]
    assert not any(kept.wants(key) for key in keys)
    assert all(kept.wants(key) for key in keys)
    assert not kept.wants((MAX_SEEN, int, b"example.org", select_spf1))
    assert not kept.wants(keys[0]), "so many are remembered and no more"


def test_several_threads() -> None:
    kept, records = KeptEvaluations(20_000), RecordCache(20_000)
    verdict = SpfVerdict(SpfReason.NO_RECORD)
    evaluation = Evaluation(verdict, POLICY, [], b"", b"", False, False, size_of([]))

    def work(thread: int) -> None:
        for number in range(1000 * thread, 1000 * thread + 3000):
            kept.put((number % 50, int, b"example.org", select_spf1), evaluation)
            records.get((b"v=spf1 ip4:192.0.2.%d" % (number % 250),), select_spf1)

    in_threads(work)
    assert kept.size == len(kept) * evaluation.size
    assert 0 < kept.size <= 20_000
    assert 0 < len(records) < 50


def test_what_was_got_is_given_only_to_who_asks_the_same() -> None:
    first, second = Question("a.example", RecordType.TXT), Question("b.example", RecordType.TXT)
    inner = MemoryResolver({})
    resumed = Resumed([((first,), (Answer(first, (b"1",)),)), ((second,), (Answer(second, (b"2",)),))], inner)
    assert run(resumed.resolve(first))[0].records == (b"1",)
    assert run(resumed.resolve(first))[0].trouble is Trouble.NXDOMAIN
    assert run(resumed.resolve(second))[0].trouble is Trouble.NXDOMAIN, "the order is another one"
    assert inner.asked == [first, second]


@pytest.mark.parametrize("hosts", [0, 3, 10])
def test_the_size_is_not_below_what_memory_it_takes(hosts: int) -> None:
    count = 200
    judge(envelope(), {})
    KEPT.clear()
    envelopes = [envelope(sender=b"alice@d%d.example.org" % number) for number in range(count)]
    tracemalloc.start()
    try:
        for number, about in enumerate(envelopes):
            name = f"d{number}.example.org"
            mail = [f"m{host}.{name}" for host in range(hosts)]
            zone: dict[Key, Value] = {name: "v=spf1 mx -all", (name, RecordType.MX): [f"10 {host}" for host in mail]}
            zone.update({(host, RecordType.A): "192.0.2.99" for host in mail})
            judge(about, zone)
            judge(about, zone)
        del zone, mail
        walk.CACHE = RecordCache()
        question_of.cache_clear()
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(KEPT) == count
    assert count * 1000 < taken <= KEPT.size
