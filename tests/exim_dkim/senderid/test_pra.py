"""The purported responsible address (RFC 4407 §2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.message import parse_header
from exim_dkim.outcome import SenderIdReason, SpfResult
from exim_dkim.senderid.pra import NoPra, Pra, find_pra

REASON = SenderIdReason


def pra(header: str | bytes) -> str:
    """`field local@domain`, or the name of the reason why there is none and the field."""
    data = header if isinstance(header, bytes) else header.encode()
    found = find_pra(parse_header(data.replace(b"\n", b"\r\n")))
    if isinstance(found, NoPra):
        return f"{found.reason.name} {found.field.decode()}".strip()
    return f"{found.field.decode()} {found.local.decode()}@{found.domain}"


CASES = [
    # Step 4: From
    ("From: Alice <alice@example.org>", "from alice@example.org"),
    ("FROM : alice@Example.ORG\nSubject: x", "from alice@example.org"),
    ("From: a@example.org\nFrom: b@example.org", "PRA_SEVERAL_FIELDS from"),
    ("From: a@example.org\nFrom: a@example.org", "PRA_SEVERAL_FIELDS from"),
    ("From: a@example.org\nFrom:\nFrom: \t\n \n", "from a@example.org"),
    ("From: a@example.org\n" * 50, "PRA_SEVERAL_FIELDS from"),
    ("Subject: none", "PRA_MISSING"),
    ("From: \n \n\t", "PRA_MISSING"),
    ("", "PRA_MISSING"),
    # Step 3: Sender comes before any number of From
    ("From: a@example.org\nSender: s@example.net", "sender s@example.net"),
    ("From: a@example.org\nFrom: b@example.org\nSender: s@example.net", "sender s@example.net"),
    ("Sender: s@example.net", "sender s@example.net"),
    ("Sender: \nFrom: a@example.org", "from a@example.org"),
    ("Sender: s@example.net\nSender: t@example.net\nFrom: a@example.org", "PRA_SEVERAL_FIELDS sender"),
    ("Sender: s@example.net\nSender:  \nFrom: a@example.org", "sender s@example.net"),
    # Step 2: the first Resent-From
    ("Resent-From: r@example.com\nSender: s@example.net\nFrom: a@example.org", "resent-from r@example.com"),
    ("Resent-From: r@example.com\nReceived: x\nResent-From: q@example.com\nFrom: a@example.org",
     "resent-from r@example.com"),
    ("Resent-From:\nReceived: x\nResent-From: q@example.com", "resent-from q@example.com"),
    ("Resent-From: r@example.com, q@example.com", "PRA_SEVERAL_MAILBOXES resent-from"),
    # Step 1: the first Resent-Sender, if it belongs to the first block
    ("Resent-Sender: rs@example.com\nResent-From: r@example.com\nSender: s@example.net",
    "resent-sender rs@example.com"),
    ("Resent-From: r@example.com\nResent-Sender: rs@example.com", "resent-sender rs@example.com"),
    ("Resent-From: r@example.com\nSubject: x\nTo: y\nResent-Sender: rs@example.com", "resent-sender rs@example.com"),
    ("Resent-From: r@example.com\nReceived: x\nResent-Sender: rs@example.com", "resent-from r@example.com"),
    ("Resent-From: r@example.com\nReturn-Path: <>\nResent-Sender: rs@example.com", "resent-from r@example.com"),
    ("Received: x\nResent-From: r@example.com\nResent-Sender: rs@example.com", "resent-sender rs@example.com"),
    ("Resent-From: r@example.com\nResent-Sender: rs@example.com\nReceived: x", "resent-sender rs@example.com"),
    ("Resent-From: r@example.com\nReceived:\nResent-Sender: rs@example.com", "resent-sender rs@example.com"),
    ("Resent-From: \nReceived: x\nResent-Sender: rs@example.com", "resent-sender rs@example.com"),
    ("Resent-From: \nReceived: x\nResent-From: r@example.com\nResent-Sender: rs@example.com",
     "resent-sender rs@example.com"),
    ("Resent-From: r@example.com\nReceived: x\nResent-From: q@example.com\nResent-Sender: rs@example.com",
     "resent-from r@example.com"),
    ("Received: x\nResent-Sender: rs@example.com\nReceived: y\nResent-Sender: older@example.com\nFrom: a@example.org",
     "resent-sender rs@example.com"),
    ("Resent-Sender:\nReceived: x\nResent-Sender: rs@example.com", "resent-sender rs@example.com"),
    # Step 5: the field that was selected decides, whatever the others hold
    ("Resent-Sender: nonsense\nResent-From: r@example.com\nFrom: a@example.org", "PRA_MALFORMED resent-sender"),
    ("Sender: a, b\nFrom: a@example.org", "PRA_MALFORMED sender"),
    ("From: a@example.org, b@example.org", "PRA_SEVERAL_MAILBOXES from"),
    ("From: a@example.org,", "from a@example.org"),
    ("From: alice", "PRA_MALFORMED from"),
    ("From: <>", "PRA_MALFORMED from"),
    ("From: (only a comment)", "PRA_MALFORMED from"),
    ("From: ,", "PRA_MALFORMED from"),
    ("From: friends: a@example.org;", "PRA_MALFORMED from"),
    ("From: a@[192.0.2.1]", "PRA_BAD_DOMAIN from"),
    ("From: a@-example-.org", "PRA_BAD_DOMAIN from"),
    ("From: a@" + "x" * 64 + ".example", "PRA_BAD_DOMAIN from"),
    ("From: a@" + ".".join(["x" * 60] * 5), "PRA_BAD_DOMAIN from"),
    ("From: a@münchen.example", "from a@xn--mnchen-3ya.example"),
    ("From: a@xn--mnchen-3ya.example", "from a@xn--mnchen-3ya.example"),
    ("From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>", "from joerg@example.org"),
    ('From: "a b"@example.org', 'from "a b"@example.org'),
    ("From: " + "(" * 10_000 + ")" * 10_000 + "a@example.org", "from a@example.org"),
    ("From: " + "(" * 10_000 + "a@example.org", "PRA_MALFORMED from"),
    (b"From: a@example.org\0", "PRA_MALFORMED from"),
    (b"From: a@exam\0ple.org", "PRA_MALFORMED from"),
    (b"From: \xe9lise@example.org", "PRA_MALFORMED from"),
    (b"From: \xe9lise <elise@example.org>", "from elise@example.org"),
    (b"From: a@\xff.example", "PRA_BAD_DOMAIN from"),
    # Faults that are forgiven
    ("From: joe@example.org <a@example.org>", "from a@example.org"),
    ("From: [Ticket 7] Bot. <a@example.org>", "from a@example.org"),
    ('From: .Joe "x, y" [z\n <a@example.org> ', "from a@example.org"),
    ("From: a..b.@example.org", "from a..b.@example.org"),
    ("From: Joe <.a@example.org>", "from .a@example.org"),
    # and those that are not, since an address could hide in them
    ("From: Public, Joe <a@example.org>", "PRA_MALFORMED from"),
    ("From: b@example.org, Public <a@example.org>", "PRA_SEVERAL_MAILBOXES from"),
    ("From: b@example.org (x <a@example.org>", "PRA_MALFORMED from"),
    ("From: x: <a@example.org>", "PRA_MALFORMED from"),
    ("From: <b@example.org> <a@example.org>", "PRA_MALFORMED from"),
    ("From: b@example.org a@example.org", "PRA_MALFORMED from"),
    ("From: joe a@example.org", "PRA_MALFORMED from"),
    ("From: a@b@example.org", "PRA_MALFORMED from"),
    ("From: a@b@c <a@example.org> joe", "PRA_MALFORMED from"),
    ('From: "joe <a@example.org>', "PRA_MALFORMED from"),
    ("From: x\\ <a@example.org>", "PRA_MALFORMED from"),
    ("From: " + "." * 986 + "@example.org", "PRA_MALFORMED from"),
    (b"From: .\xe9@example.org", "PRA_MALFORMED from"),
    (b"From: [x] \0 <a@example.org>", "PRA_MALFORMED from"),
    # A line that is no field names nobody
    (" From: a@example.org\nSubject: x", "PRA_MISSING"),
    ("X-From: a@example.org\nFrom-: b@example.org", "PRA_MISSING"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "found"), CASES)
def test_pra(header: str | bytes, found: str) -> None:
    assert pra(header) == found


def test_every_reason_why_there_is_none_is_shown_and_permanent() -> None:
    shown = {found.partition(" ")[0] for _, found in CASES}
    none = {reason for reason in REASON if reason.name.startswith("PRA_")} - {REASON.PRA_NXDOMAIN}
    assert {reason.name for reason in none} <= shown
    assert {reason.result for reason in none} == {SpfResult.PERMERROR}


NAMES = st.sampled_from(
    ["From", "Sender", "Resent-From", "Resent-Sender", "Received", "Return-Path", "Subject", "sender "]
)
VALUES = st.sampled_from(["a@example.org", "", " ", "<>", "b <b@example.net>", "a, b", "(", "x@[::1]", "é@é.example"])


def naive(fields: list[tuple[str, str]]) -> tuple[str, str] | None:
    """The field that the RFC's steps select, written down once more in another way."""
    present = [(name.strip().lower(), value) for name, value in fields if value.strip()]
    for index, (name, _) in enumerate(present):
        if name == "resent-sender":
            resent = [i for i, (other, _) in enumerate(present[:index]) if other == "resent-from"]
            trace = [i for i, (other, _) in enumerate(present[:index]) if other in ("received", "return-path")]
            if not any(i < j for i in resent for j in trace):
                return present[index]
            break
    for name, value in present:
        if name == "resent-from":
            return name, value
    for wanted in ("sender", "from"):
        found = [field for field in present if field[0] == wanted]
        if found:
            return found[0] if len(found) == 1 else None
    return None


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=10))
def test_the_field_that_is_selected(fields: list[tuple[str, str]]) -> None:
    found = find_pra(parse_header("\r\n".join(f"{name}: {value}" for name, value in fields).encode()))
    selected = naive(fields)
    if selected is None:
        assert isinstance(found, NoPra)
        assert found.reason in (REASON.PRA_MISSING, REASON.PRA_SEVERAL_FIELDS)
    else:
        assert found.field.decode() == selected[0]
        assert isinstance(found, Pra) == selected[1].endswith(("example.org", "example.net>", "é.example"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_hostile_headers(data: bytes) -> None:
    find_pra(parse_header(data))
    find_pra(parse_header(b"From: " + data))
