"""The sending address."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.domainkeys.sender import NoSender, Sender, find_sender
from exim_dkim.message import parse_field, parse_header
from exim_dkim.names import Domain
from exim_dkim.outcome import DomainKeysReason


@pytest.mark.parametrize(
    ("header", "want"),
    [
        (b"From: a@b.example", "a@b.example from"),
        (b"From: A <a@b.example>\r\nSender: s@c.example", "s@c.example sender"),
        (b"Sender: s@c.example\r\nFrom: A <a@b.example>", "s@c.example sender"),
        (b"From: a@b.example, c@d.example", "a@b.example from"),
        (b'From: "x, y" (a comment)\r\n <"a b"@B.Example>', '"a b"@b.example from'),
        (b"Resent-Sender: r@e.example\r\nFrom: a@b.example", "a@b.example from"),
    ],
)
def test_who_sends(header: bytes, want: str) -> None:
    sender = find_sender(parse_header(header))
    assert isinstance(sender, Sender)
    assert f"{sender.address} {sender.field}" == want
    assert isinstance(sender.domain, Domain)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"To: a@b.example", DomainKeysReason.SENDER_NOT_SIGNED),
        (b"From: a@b.example\r\nfrom: c@d.example", DomainKeysReason.SENDER_REPEATED),
        (b"Sender: a@b.example\r\nSender: c@d.example\r\nFrom: e@f.example", DomainKeysReason.SENDER_REPEATED),
        (b"From: nobody", DomainKeysReason.SENDER_MALFORMED),
        (b"From:", DomainKeysReason.SENDER_MALFORMED),
        (b"From: a@[192.0.2.1]", DomainKeysReason.SENDER_MALFORMED),
        (b"From: Friends: a@b.example;", DomainKeysReason.SENDER_MALFORMED),
        (b"Sender: \r\nFrom: a@b.example", DomainKeysReason.SENDER_MALFORMED),
        (b"From: a@b.example\0", DomainKeysReason.SENDER_MALFORMED),
    ],
)
def test_nobody_is_named(header: bytes, reason: DomainKeysReason) -> None:
    found = find_sender(parse_header(header))
    assert isinstance(found, NoSender)
    assert found.reason is reason


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"From", b"Sender"]), st.binary(max_size=60)), max_size=3))
def test_any_header(fields: list[tuple[bytes, bytes]]) -> None:
    found = find_sender([parse_field(name + b":" + value) for name, value in fields])
    assert isinstance(found, Sender | NoSender)
