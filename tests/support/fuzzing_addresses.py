"""Fuzzing of what reads addresses in a header."""

from __future__ import annotations

from exim_dkim.mailboxes import Mailbox, parse_address_list
from exim_dkim.message import parse_header
from exim_dkim.senderid.pra import Pra, find_pra

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
HEADER_TOKENS = (b"\r\n", b"From: ", b"Sender: ", b"Resent-", b"Received: ", b"Return-Path: <>", b" ", *MAILBOX_TOKENS)


def mailboxes(data: bytes) -> None:
    """What a mailbox says is read again as itself."""
    for address in parse_address_list(data):
        for mailbox in (address,) if isinstance(address, Mailbox) else address.mailboxes:
            assert parse_address_list(mailbox.address) == (mailbox,)


def responsible_address(data: bytes) -> None:
    """The address, alone in a From field, is the same."""
    found = find_pra(parse_header(data))
    if isinstance(found, Pra):
        again = find_pra(parse_header(b"From: " + found.local + b"@" + found.domain.encode()))
        assert again == found._replace(field=b"from")
