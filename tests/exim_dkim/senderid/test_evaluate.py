"""Sender ID (RFC 4406 §4)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.message import parse_header
from exim_dkim.outcome import SenderIdReason, SpfReason, SpfResult
from exim_dkim.resolver import RecordType, Trouble
from exim_dkim.senderid.evaluate import SenderIdVerdict, evaluate
from exim_dkim.senderid.record import Scope
from exim_dkim.spf import SpfPolicy
from tests.support.run import run

PRA, MFROM = Scope.PRA, Scope.MFROM
CLIENT = "192.0.2.1"
ZONE: dict[Key, Value] = {
    "example.org": ["v=spf1 ip4:192.0.2.1 -all", "spf2.0/pra ip4:192.0.2.2 exp=why.example.org -all"],
    "why.example.org": "%{i} may not send for %{s} (%{h})",
    "example.net": "v=spf1 a:mail.example.net -all",
    ("mail.example.net", RecordType.A): CLIENT,
    "only-mfrom.example": "spf2.0/mfrom +all",
    "only-pra.example": "spf2.0/pra +all",
    "two.example": ["spf2.0/pra +all", "spf2.0/pra,mfrom +all", "v=spf1 -all"],
    "no-record.example": "hello",
    "soft.example": "spf2.0/mfrom,pra ~all",
    "unsure.example": "spf2.0/mfrom,pra ?all",
    "no-match.example": "spf2.0/mfrom,pra ip4:198.51.100.1",
    "broken.example": "spf2.0/pra ip4:300.1.1.1",
    "slow.example": Trouble.TIMEOUT,
    "failing.example": Trouble.SERVFAIL,
    # The record that is meant also where one leads to another
    "includes.example": "spf2.0/pra,mfrom include:part.example -all",
    "redirects.example": "spf2.0/pra,mfrom redirect=part.example",
    "part.example": ["spf2.0/pra ip4:192.0.2.1 -all", "spf2.0/mfrom -all"],
    "includes-nothing.example": "spf2.0/pra include:nowhere.example -all",
    "redirects-nowhere.example": "spf2.0/pra redirect=nowhere.example",
    "local.example": "spf2.0/pra exists:%{l}.%{d1r}.list.example -all",
    ("alice.local.list.example", RecordType.A): "127.0.0.2",
}


def check(
    header: str, scope: Scope = PRA, sender: str | None = None, client: str = CLIENT, spf1: bool = True
) -> SenderIdVerdict:
    envelope = Envelope(
        parse_client(client.encode()) if client else None,
        b"mx.example.net",
        sender.encode() if sender is not None else None,
    )
    fields = parse_header(header.replace("\n", "\r\n").encode())
    return run(evaluate(fields, envelope, MemoryResolver(ZONE), SpfPolicy(), scope, spf1=spf1))


REASON = SenderIdReason
CASES = [
    ("From: a@example.org", "192.0.2.2", REASON.MATCHED_PASS),
    ("From: a@example.org", CLIENT, REASON.MATCHED_FAIL),
    ("From: a@example.net", CLIENT, REASON.MATCHED_PASS),
    ("From: a@example.net", "192.0.2.2", REASON.MATCHED_FAIL),
    ("From: a@example.org\nSender: b@only-pra.example", CLIENT, REASON.MATCHED_PASS),
    ("From: a@only-pra.example\nResent-From: b@example.org", CLIENT, REASON.MATCHED_FAIL),
    ("From: a@only-mfrom.example", CLIENT, REASON.NO_RECORD),
    ("From: a@two.example", CLIENT, REASON.SEVERAL_RECORDS),
    ("From: a@no-record.example", CLIENT, REASON.NO_RECORD),
    ("From: a@soft.example", CLIENT, REASON.MATCHED_SOFTFAIL),
    ("From: a@unsure.example", CLIENT, REASON.MATCHED_NEUTRAL),
    ("From: a@no-match.example", CLIENT, REASON.NO_MATCH),
    ("From: a@broken.example", CLIENT, REASON.BAD_SYNTAX),
    ("From: a@slow.example", CLIENT, REASON.TIMEOUT),
    ("From: a@failing.example", CLIENT, REASON.SERVFAIL),
    ("From: a@nowhere.example", CLIENT, REASON.PRA_NXDOMAIN),
    ("From: a@localhost", CLIENT, REASON.SINGLE_LABEL),
    ("From: a@[192.0.2.1]", CLIENT, REASON.PRA_BAD_DOMAIN),
    ("From: a@includes.example", CLIENT, REASON.MATCHED_PASS),
    ("From: a@includes.example", "192.0.2.2", REASON.MATCHED_FAIL),
    ("From: a@redirects.example", CLIENT, REASON.MATCHED_PASS),
    ("From: a@redirects.example", "192.0.2.2", REASON.MATCHED_FAIL),
    ("From: a@includes-nothing.example", CLIENT, REASON.INCLUDE_WITHOUT_RECORD),
    ("From: a@redirects-nowhere.example", CLIENT, REASON.REDIRECT_WITHOUT_RECORD),
    ("From: alice@local.example", CLIENT, REASON.MATCHED_PASS),
    ('From: "alice"@local.example', CLIENT, REASON.MATCHED_PASS),
    ("From: bob@local.example", CLIENT, REASON.MATCHED_FAIL),
    ("From: a@example.org", "::ffff:192.0.2.2", REASON.MATCHED_PASS),
    ("From: a@example.org", "2001:db8::1", REASON.MATCHED_FAIL),
    ("From: a@example.org", "", REASON.NO_CLIENT),
    ("Subject: x", "", REASON.NO_CLIENT),
    ("Subject: x", CLIENT, REASON.PRA_MISSING),
    ("From: a@example.org\nFrom: a@example.org", CLIENT, REASON.PRA_SEVERAL_FIELDS),
    ("From: a@example.org, b@example.org", CLIENT, REASON.PRA_SEVERAL_MAILBOXES),
    ("From: (", CLIENT, REASON.PRA_MALFORMED),
]


@pytest.mark.parametrize(("header", "client", "reason"), CASES)
def test_pra(header: str, client: str, reason: SenderIdReason) -> None:
    verdict = check(header, client=client)
    assert verdict.reason is reason
    assert verdict.result is reason.result
    assert verdict.scope is PRA


def test_without_spf1_records() -> None:
    assert check("From: a@example.net", spf1=False).reason is REASON.NO_RECORD
    assert check("From: a@example.org", client="192.0.2.2", spf1=False).reason is REASON.MATCHED_PASS
    assert check("", MFROM, "a@example.org", spf1=False).reason is REASON.NO_RECORD


@pytest.mark.parametrize(
    ("sender", "reason", "domain"),
    [
        ("a@example.org", REASON.MATCHED_PASS, "example.org"),
        ("a@only-mfrom.example", REASON.MATCHED_PASS, "only-mfrom.example"),
        ("a@only-pra.example", REASON.NO_RECORD, "only-pra.example"),
        ("a@nowhere.example", REASON.NXDOMAIN, "nowhere.example"),
        ("a@includes.example", REASON.MATCHED_FAIL, "includes.example"),
        ("", REASON.NXDOMAIN, "mx.example.net"),
        (None, REASON.NXDOMAIN, "mx.example.net"),
        ("a@[192.0.2.1]", REASON.DOMAIN_LITERAL, "[192.0.2.1]"),
        ('"a@b"@example.org', REASON.MATCHED_PASS, "example.org"),
    ],
)
def test_mfrom(sender: str | None, reason: SenderIdReason, domain: str) -> None:
    verdict = check("From: a@only-pra.example", MFROM, sender)
    assert (verdict.reason, verdict.domain, verdict.field) == (reason, domain, "")


def test_what_a_verdict_tells() -> None:
    verdict = check("Resent-From: Alice <a@example.org>")
    assert verdict == SenderIdVerdict(
        REASON.MATCHED_FAIL, PRA, "a@example.org", "example.org", "resent-from", "-all",
        "192.0.2.1 may not send for a@example.org (mx.example.net)", "", 0, 0,
    )  # fmt: skip
    assert verdict.explanation == (
        "pra example.org (Resent-From): the domain says that this client is not permitted (-all)"
    )
    assert check("From: a@x, b@y").explanation.startswith("pra (From): the header field that says")
    assert check("").explanation == "pra: no header field says who is responsible for the message"
    assert check("", MFROM, "a@example.org").explanation == (
        "mfrom example.org: the domain permits this client (ip4:192.0.2.1)"
    )


def test_a_message_that_no_host_brought() -> None:
    verdict = check("From: a@example.org", client="")
    assert (verdict.result, verdict.domain, verdict.field) == (SpfResult.NONE, "example.org", "from")


def test_the_time_is_limited() -> None:
    ticks = itertools.count(step=15)
    envelope = Envelope(parse_client(CLIENT.encode()))
    fields = parse_header(b"From: a@includes.example")
    work = evaluate(fields, envelope, MemoryResolver(ZONE), SpfPolicy(timeout=20), clock=lambda: float(next(ticks)))
    assert run(work).reason is REASON.TIME_LIMIT


def test_each_reason_of_spf_has_its_counterpart() -> None:
    for reason in SpfReason:
        assert SenderIdReason[reason.name].value == reason.value
    own = {reason.name for reason in SenderIdReason} - {reason.name for reason in SpfReason}
    assert own == {name for name in SenderIdReason.__members__ if name.startswith("PRA_")}
    assert REASON.PRA_NXDOMAIN.result is SpfResult.FAIL


def test_one_question_where_one_is_enough() -> None:
    resolver = MemoryResolver(ZONE)
    fields = parse_header(b"From: a@example.org")
    run(evaluate(fields, Envelope(parse_client(b"192.0.2.2")), resolver, SpfPolicy()))
    assert [question.name for question in resolver.asked] == ["example.org"]


TERMS = st.sampled_from([
    "spf2.0/pra", "spf2.0/mfrom,pra", "v=spf1", " ", " include:d.example", " redirect=d.example", " exp=d.example",
    " a", " mx", " ptr",
    " exists:%{l1r+-}.%{d2}.d.example", " ip4:1.2.3.4/33", " -all", " ?all", "%{", "é", "\0", " =", " x=y",
    " ip6:::/0", " a:" + "x" * 64,
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(TERMS, max_size=8).map("".join), max_size=3), st.binary(max_size=40), st.sampled_from(Scope))
def test_hostile_records_and_headers(records: list[str], local: bytes, scope: Scope) -> None:
    zone: dict[Key, Value] = {"d.example": records, ("d.example", RecordType.MX): "0 d.example"}
    resolver = MemoryResolver(zone)
    fields = parse_header(b"From: " + local + b"@d.example")
    envelope = Envelope(parse_client(b"2001:db8::1"), local, local + b"@d.example")
    verdict = run(evaluate(fields, envelope, resolver, SpfPolicy(), scope))
    assert verdict.reason is not REASON.INTERNAL_ERROR
    assert verdict.explanation.isprintable()
    assert len(resolver.asked) < 60
