"""Fuzzing of what reads addresses in a header."""

from __future__ import annotations

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.mailboxes import Mailbox, parse_address_list
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.message import parse_header
from exim_dkim.outcome import SenderIdReason
from exim_dkim.resolver import RecordType
from exim_dkim.senderid.evaluate import evaluate
from exim_dkim.senderid.pra import Pra, find_pra
from exim_dkim.senderid.record import Scope
from exim_dkim.spf import SpfPolicy
from tests.support.run import run

MAX_QUESTIONS = 1 + 10 * (1 + 10) + 1
"""The record, ten terms of which each may ask for ten hosts besides (RFC 7208 §4.6.4), and the explanation."""

MAILBOXES = (
    b"Alice <alice@example.org>",
    b'"a \\" b" (c (d)) <@x.test,@y.test:"e f" . g@example.org>, , h@[192.0.2.1]',
    b"friends: a@example.org, b@example.net;, Joe Q. Public <j@example.org>",
)
MAILBOX_TOKENS = (
    b"(",
    b")",
    b"<",
    b">",
    b"@",
    b",",
    b";",
    b":",
    b".",
    b'"',
    b"\\",
    b"[",
    b"]",
    b"\r\n ",
    b"\0",
    b"\xff",
)
HEADERS = (
    b"Resent-From: r@example.com\r\nReceived: x\r\nResent-Sender: s@example.com\r\nFrom: a@example.org",
    b"Sender: s@example.net\r\nFrom: a@example.org, b@example.org",
)
SENDER_ID = (
    b"spf2.0/mfrom,pra +mx +ip4:192.168.0.100 -all\nFrom: Alice <alice@d.example>\n",
    b"v=spf1 include:d.example exists:%{l1r-}.%{d2}.e.example ~all exp=e.example\nSender: a.b-c@d.example\n",
    b'spf2.1/pra,x redirect=e.example\nResent-From: "a b"@D.Example\n',
)
SENDER_ID_TOKENS = (
    *(
        b"spf2.0/",
        b"v=spf1",
        b"pra",
        b"mfrom",
        b",",
        b" ",
        b"\n",
        b"From: ",
        b"@d.example",
        b"%{",
        b"}",
        b"l",
        b"r",
        b"-",
    ),
    *(b" a", b" mx", b" ptr", b" ip4:192.0.2.1/24", b" ip6:2001:db8::/32", b" include:", b" exists:", b" redirect="),
    *(b" exp=", b"e.example", b"/33", b"//129", b"?all", b"~", b":", b"\xc3\xa9", b"\0"),
)
HEADER_TOKENS = (b"\r\n", b"From: ", b"Sender: ", b"Resent-", b"Received: ", b"Return-Path: <>", b" ", *MAILBOX_TOKENS)


def mailboxes(data: bytes) -> None:
    """What a mailbox says is read again as itself."""
    for address in parse_address_list(data):
        for mailbox in (address,) if isinstance(address, Mailbox) else address.mailboxes:
            assert parse_address_list(mailbox.address) == (mailbox,)


def sender_id(data: bytes) -> None:
    """The record of d.example in the first line, a header in the others: a verdict, by a bounded number of queries."""
    record, _, header = data.partition(b"\n")
    zone: dict[Key, Value] = {
        "d.example": [record],
        "e.example": [record, b"spf2.0/pra ?all"],
        ("d.example", RecordType.MX): "10 d.example",
        ("e.example", RecordType.A): "192.0.2.1",
    }
    resolver = MemoryResolver(zone)
    envelope = Envelope(parse_client(b"192.0.2.1"), b"mx.e.example", b"a@d.example")
    fields = parse_header(header.replace(b"\n", b"\r\n"))
    for scope in Scope:
        verdict = run(evaluate(fields, envelope, resolver, SpfPolicy(), scope))
        assert verdict.explanation.isprintable()
        assert verdict.text.isprintable()
        assert verdict.reason is not SenderIdReason.INTERNAL_ERROR
    assert len(resolver.asked) <= 2 * MAX_QUESTIONS


def responsible_address(data: bytes) -> None:
    """The address, alone in a From field, is the same."""
    found = find_pra(parse_header(data))
    if isinstance(found, Pra):
        again = find_pra(parse_header(b"From: " + found.local + b"@" + found.domain.encode()))
        assert again == found._replace(field=b"from")
