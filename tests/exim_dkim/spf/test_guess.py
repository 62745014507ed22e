"""The best guess for domains without a record: never a result, never more questions than the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Alias, Key, MemoryResolver, Value
from exim_dkim.outcome import SpfReason, SpfResult
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.spf import SpfIdentity, SpfPolicy, SpfVerdict, check_host_or_guess
from tests.support.plain_pyspf import Dictionary, query_of
from tests.support.run import run

GUESS = "v=spf1 a/24 mx/24 ptr ?all"
ZONE: dict[Key, Value] = {
    ("www.example", RecordType.A): "192.0.2.80",
    ("mail.example", RecordType.MX): "10 mx.mail.example",
    ("mx.mail.example", RecordType.A): "192.0.2.25",
    "ptr.example": "some other text",
    ("7.2.0.192.in-addr.arpa", RecordType.PTR): "out.ptr.example",
    ("out.ptr.example", RecordType.A): "192.0.2.7",
    "says.example": "v=spf1 -all",
    ("says.example", RecordType.A): "192.0.2.80",
    "twice.example": ["v=spf1 -all", "v=spf1 ?all"],
    "alias.example": Alias("www.example"),
    ("slow.example", RecordType.A): Trouble.TIMEOUT,
    "slow.example": [],
    "silent.example": Trouble.TIMEOUT,
    ("many.example", RecordType.MX): [f"10 mx{number}.many.example" for number in range(20)],
    **{(f"mx{number}.many.example", RecordType.A): f"198.51.100.{number}" for number in range(20)},
    "in.example": "v=spf1 ip4:192.0.2.0/24 -all",
}


def judge(
    domain: str, client: str = "192.0.2.9", guess: str = GUESS, identity: SpfIdentity = SpfIdentity.MAILFROM
) -> SpfVerdict:
    envelope = Envelope(parse_client(client.encode()), domain.encode(), f"alice@{domain}".encode())
    return run(check_host_or_guess(envelope, MemoryResolver(ZONE), SpfPolicy(guess=guess), identity))


@pytest.mark.parametrize(
    ("domain", "client", "reason", "mechanism"),
    [
        ("www.example", "192.0.2.9", SpfReason.GUESSED_PASS, "a/24"),
        ("alias.example", "192.0.2.9", SpfReason.GUESSED_PASS, "a/24"),
        ("www.example", "192.0.3.9", SpfReason.NO_RECORD, ""),
        ("mail.example", "192.0.2.9", SpfReason.GUESSED_PASS, "mx/24"),
        ("mail.example", "2001:db8::9", SpfReason.NO_RECORD, ""),
        ("ptr.example", "192.0.2.7", SpfReason.GUESSED_PASS, "ptr"),
        ("ptr.example", "192.0.2.8", SpfReason.NO_RECORD, ""),
        ("many.example", "192.0.2.9", SpfReason.NO_RECORD, ""),  # the guess cannot be used: too many MX
        ("says.example", "192.0.2.80", SpfReason.MATCHED_FAIL, "-all"),
        ("twice.example", "192.0.2.9", SpfReason.SEVERAL_RECORDS, ""),
        ("nowhere.example", "192.0.2.9", SpfReason.NXDOMAIN, ""),
        ("silent.example", "192.0.2.9", SpfReason.TIMEOUT, ""),
        ("slow.example", "192.0.2.9", SpfReason.GUESS_UNDECIDED, ""),
        ("single", "192.0.2.9", SpfReason.SINGLE_LABEL, ""),
    ],
)
def test_what_is_guessed(domain: str, client: str, reason: SpfReason, mechanism: str) -> None:
    for identity in SpfIdentity:
        verdict = judge(domain, client, identity=identity)
        assert (verdict.reason, verdict.mechanism, verdict.identity) == (reason, mechanism, identity)
        assert verdict.domain == domain


@pytest.mark.parametrize("guess", ["v=spf1 -all", "v=spf1 ~all", "v=spf1 a:nowhere.example exists:x.example -all"])
def test_a_guess_makes_no_failure(guess: str) -> None:
    assert judge("www.example", guess=guess).reason is SpfReason.NO_RECORD


def test_other_guesses() -> None:
    assert judge("mail.example", guess="v=spf1 include:in.example").mechanism == "include:in.example"
    assert judge("mail.example", guess="v=spf1 include:mail.example").reason is SpfReason.NO_RECORD  # it ends
    assert judge("www.example", guess="").reason is SpfReason.NO_RECORD


def test_to_whoever_reads_results_a_guess_is_none() -> None:
    verdict = judge("www.example")
    assert verdict.result is SpfResult.NONE
    assert verdict.explanation == (
        "mailfrom www.example: the domain has no SPF record; this client would match the best guess (a/24)"
    )


def test_what_is_kept_of_guesses_and_of_domains_does_not_mix() -> None:
    """However often, in whatever order, and after the DNS has changed."""
    policies = SpfPolicy(guess=GUESS), SpfPolicy()
    envelope = Envelope(parse_client(b"192.0.2.9"), b"", b"alice@www.example")
    published: dict[Key, Value] = {**ZONE, "www.example": "v=spf1 -all"}
    moved: dict[Key, Value] = {**ZONE, ("www.example", RecordType.A): "203.0.113.1"}
    expected = {
        id(ZONE): (SpfReason.GUESSED_PASS, SpfReason.NO_RECORD),
        id(published): (SpfReason.MATCHED_FAIL, SpfReason.MATCHED_FAIL),
        id(moved): (SpfReason.NO_RECORD, SpfReason.NO_RECORD),
    }
    for zone in (ZONE, ZONE, ZONE, published, published, published, ZONE, moved, moved, moved, ZONE):
        resolver = MemoryResolver(zone)
        found = [run(check_host_or_guess(envelope, resolver, policy)).reason for policy in policies * 2]
        assert tuple(found) == expected[id(zone)] * 2


class Slow:
    """Answers, and lets time pass."""

    def __init__(self, seconds: float) -> None:
        self.now = 1000.0
        self._seconds = seconds
        self._answers = MemoryResolver(ZONE)

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        self.now += self._seconds
        return await self._answers.resolve(*questions)


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(1, SpfReason.GUESSED_PASS), (5, SpfReason.GUESS_UNDECIDED), (9.95, SpfReason.NO_RECORD)],
)
def test_a_guess_has_the_time_that_is_left(seconds: float, reason: SpfReason) -> None:
    resolver = Slow(seconds)
    envelope = Envelope(parse_client(b"192.0.2.7"), b"", b"alice@ptr.example")
    policy = SpfPolicy(timeout=10, guess=GUESS)
    verdict = run(check_host_or_guess(envelope, resolver, policy, clock=lambda: resolver.now))
    assert verdict.reason is reason


def domains() -> Iterator[str]:
    yield from {key if isinstance(key, str) else key[0] for key in ZONE}


@pytest.mark.parametrize("domain", sorted(domains()))
@pytest.mark.parametrize("client", ["192.0.2.7", "192.0.2.9", "198.51.100.3", "2001:db8::9"])
def test_against_the_guesses_of_pyspf(domain: str, client: str) -> None:
    """pyspf guesses too; what passes there passes here, where the domain exists and has published nothing."""
    resolver = MemoryResolver(ZONE)
    envelope = Envelope(parse_client(client.encode()), b"helo.example", f"alice@{domain}".encode())
    ours = run(check_host_or_guess(envelope, resolver, SpfPolicy(guess=GUESS)))
    with Dictionary(resolver):
        query = query_of(envelope)
        query.check()
        plain = query.best_guess(GUESS)[0]
    if ours.reason in (SpfReason.GUESSED_PASS, SpfReason.NO_RECORD):
        assert (plain == "pass") is (ours.reason is SpfReason.GUESSED_PASS)
    assert len(resolver.asked) < 60
