"""Identities, the choice of records, and what a verdict tells."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Alias, Key, MemoryResolver, Value
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import RecordType, Trouble
from exim_dkim.spf import SpfIdentity, SpfPolicy, SpfVerdict, check_host, evaluate
from exim_dkim.spf.verdict import printable_line
from tests.support.run import run

ZONE: dict[Key, Value] = {
    "example.org": "v=spf1 include:in.example.net redirect=re.example.net",
    "in.example.net": "v=spf1 include:deep.example.net ip4:192.0.2.7 -all",
    "deep.example.net": "v=spf1 ip4:192.0.2.8 ?all",
    "re.example.net": "v=spf1 a -all exp=exp.example.net",
    ("re.example.net", RecordType.A): "192.0.2.9",
    "exp.example.net": "%{c} is not known to %{d}, which %{o} asks",
    "mail.example.org": "v=spf1 ip4:192.0.2.1 -all",
    "empty.example.org": [],
    "alias.example.org": Alias("example.org"),
    "slow.example.org": Trouble.TIMEOUT,
    "broken.example.org": Trouble.SERVFAIL,
}


def judge(
    client: str,
    sender: bytes | None = b"alice@example.org",
    helo: bytes = b"mail.example.org",
    identity: SpfIdentity = SpfIdentity.MAILFROM,
    zone: dict[Key, Value] = ZONE,
) -> SpfVerdict:
    envelope = Envelope(parse_client(client.encode()), helo, sender)
    return run(check_host(envelope, MemoryResolver(zone), SpfPolicy(), identity))


@pytest.mark.parametrize(
    ("sender", "helo", "identity", "address"),
    [
        (b"alice@example.org", b"mail.example.org", SpfIdentity.MAILFROM, "alice@example.org"),
        (b"@example.org", b"mail.example.org", SpfIdentity.MAILFROM, "postmaster@example.org"),
        (b"", b"mail.example.org", SpfIdentity.MAILFROM, "postmaster@mail.example.org"),
        (None, b"mail.example.org", SpfIdentity.MAILFROM, "postmaster@mail.example.org"),
        (b"alice@example.org", b"mail.example.org", SpfIdentity.HELO, "postmaster@mail.example.org"),
        (b'"a@b"@Example.ORG', b"x", SpfIdentity.MAILFROM, '"a@b"@Example.ORG'),
    ],
)
def test_identities(sender: bytes | None, helo: bytes, identity: SpfIdentity, address: str) -> None:
    verdict = judge("192.0.2.1", sender, helo, identity)
    assert (verdict.sender, verdict.identity) == (address, identity)
    assert verdict.domain == address.rpartition("@")[2]


def test_a_mapped_address_is_that_address() -> None:
    assert judge("::ffff:192.0.2.1", b"").reason is SpfReason.MATCHED_PASS
    assert judge("::192.0.2.1", b"").reason is SpfReason.MATCHED_FAIL


@pytest.mark.parametrize(
    ("client", "reason", "mechanism", "detail", "lookups"),
    [
        ("192.0.2.7", SpfReason.MATCHED_PASS, "include:in.example.net", "ip4:192.0.2.7 of in.example.net", 3),
        ("192.0.2.8", SpfReason.MATCHED_PASS, "include:in.example.net", "ip4:192.0.2.8 of deep.example.net", 3),
        ("192.0.2.9", SpfReason.MATCHED_PASS, "a", "", 4),
        ("192.0.2.1", SpfReason.MATCHED_FAIL, "-all", "", 4),
    ],
)
def test_what_matched(client: str, reason: SpfReason, mechanism: str, detail: str, lookups: int) -> None:
    verdict = judge(client)
    assert verdict[:1] + verdict[4:5] + verdict[6:8] == (reason, mechanism, detail, lookups)
    assert mechanism in verdict.explanation
    assert detail in verdict.explanation


def test_the_explanation_is_that_of_the_domain_redirected_to() -> None:
    assert judge("2001:db8::1").text == "2001:db8::1 is not known to re.example.net, which example.org asks"


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        (b"gone.example.org", SpfReason.NXDOMAIN),
        (b"empty.example.org", SpfReason.NO_RECORD),
        (b"exp.example.net", SpfReason.NO_RECORD),
        (b"alias.example.org", SpfReason.MATCHED_PASS),
        (b"slow.example.org", SpfReason.TIMEOUT),
        (b"broken.example.org", SpfReason.SERVFAIL),
    ],
)
def test_the_first_question(domain: bytes, reason: SpfReason) -> None:
    verdict = judge("192.0.2.7", b"alice@" + domain)
    assert verdict.reason is reason
    assert verdict.lookups == (3 if reason is SpfReason.MATCHED_PASS else 0)


def select_other(records: Sequence[bytes]) -> Sequence[bytes]:
    """A version of records that is not SPF's."""
    return [record.removeprefix(b"other ") for record in records if record.startswith(b"other ")]


@pytest.mark.parametrize(("client", "reason"), [("192.0.2.7", "MATCHED_PASS"), ("192.0.2.8", "MATCHED_SOFTFAIL")])
@pytest.mark.parametrize("odd", ["", " a:%{d-}.example.net"])
def test_the_choice_of_records_holds_for_all_domains(client: str, reason: str, odd: str) -> None:
    zone: dict[Key, Value] = {
        "example.org": ["v=spf1 +all", f"other include:in.example.org redirect=re.example.org{odd}"],
        "in.example.org": ["v=spf1 +all", "other ip4:192.0.2.7"],
        "re.example.org": ["v=spf1 +all", "other ~all"],
    }
    address = (b"alice", b"example.org")
    work = evaluate(parse_client(client.encode()), b"", address, MemoryResolver(zone), SpfPolicy(), select_other)
    assert run(work).reason is SpfReason[reason]


def test_unicode_local_parts_are_not_asked_for() -> None:
    """RFC 8616 §4: they do not match; and since nothing was asked, they are no void look-ups either."""
    zone: dict[Key, Value] = {"example.org": "v=spf1 " + "exists:%{l}.x.example.org " * 4 + "exists:%{L}.y.org ?all"}
    verdict = judge("192.0.2.1", "älice@example.org".encode(), zone=zone)
    assert (verdict.reason, verdict.void_lookups, verdict.lookups) == (SpfReason.MATCHED_NEUTRAL, 1, 5)


def test_limits_of_the_policy() -> None:
    envelope = Envelope(parse_client(b"192.0.2.9"), b"", b"alice@example.org")
    for limit, reason in ((4, SpfReason.MATCHED_PASS), (3, SpfReason.TOO_MANY_LOOKUPS)):
        verdict = run(check_host(envelope, MemoryResolver(ZONE), SpfPolicy(max_lookups=limit)))
        assert verdict.reason is reason


def test_a_line_that_can_be_printed() -> None:
    assert printable_line("a b") == "a b"
    assert printable_line("a\r\n\tb\x7fé") == "a???b??"
    assert printable_line("x" * 1000, 10) == "x" * 10


def test_pyspf_is_imported_when_it_is_needed() -> None:
    program = """
import sys
import exim_dkim.spf
assert "spf" not in sys.modules and "dns" not in sys.modules
exim_dkim.spf.preload()
assert "spf" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
