"""What a report tells of a header (RFC 6590)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.authres import MethodResult
from exim_dkim.message import parse_header
from exim_dkim.names import Domain
from exim_dkim.reports.failure import AuthFailure, Failure
from exim_dkim.reports.redact import MAX_HEADER, redact, told_fields

EXAMPLE = Domain("example.org")
KEY = b"secret"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"Alice <alice@example.org>", b"Alice <alice@example.org>"),
        (b"alice@Sub.EXAMPLE.org.", b"alice@Sub.EXAMPLE.org."),
        (b'"Bob" <bob@rx.example>, c@example.org', b'"Bob" <#@rx.example>, c@example.org'),
        (b"bob@notexample.org", b"#@notexample.org"),
        (b"bob@example.org.evil.example", b"#@example.org.evil.example"),
        (b'"b o b"@rx.example', b"#@rx.example"),
        (b'"b\\"o@b"@rx.example', b"#@rx.example"),
        (b"bob @ rx.example", b"# @ rx.example"),
        (b"bob\r\n @rx.example", b"#\r\n @rx.example"),
        (b"bob@[192.0.2.1]", b"#@[192.0.2.1]"),
        ("björn@bücher.example".encode(), "#@bücher.example".encode()),
        (b"bounce+bob=rx.example@list.example", b"#@list.example"),
        (b"z=From:a@example.org|To:bob@rx.example;", b"z=From:a@example.org|To:#@rx.example;"),
        (b"mailto:bob@rx.example?subject=x", b"mailto:#@rx.example?subject=x"),
        (b"no address", b"no address"),
        (b"@ @@ \"@", b"@ @@ \"@"),
        (b"", b""),
    ],
)  # fmt: skip
def test_redaction(text: bytes, told: bytes) -> None:
    assert re.sub(rb"redacted-[0-9a-f]{16}", b"#", redact(text, EXAMPLE, KEY)) == told


def test_the_same_address_is_the_same_hash() -> None:
    first, second, third = redact(b"bob@rx.example BOB@RX.example rob@rx.example", EXAMPLE, KEY).lower().split()
    assert first == second != third
    assert redact(b"bob@rx.example", EXAMPLE, b"another") != first
    assert redact(b"bob@rx.example", EXAMPLE, KEY) == first


WORDS = st.sampled_from(
    [b"bob", b"@", b"rx.example", b'"', b"\\", b" ", b"<", b">", b",", b"a.b", b"\r\n ", b"=", b"|"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS), st.lists(WORDS))
def test_nothing_is_lost_around_addresses(before: list[bytes], after: list[bytes]) -> None:
    """Whatever stands around it, an address in angle brackets is redacted, and what has no @ stays."""
    text = b"".join(before) + b" <secret@rx.example> " + b"".join(after)
    told = redact(text, EXAMPLE, KEY)
    assert b"<secret@" not in told or b'"' in text
    assert redact(text.replace(b"@", b""), EXAMPLE, KEY) == text.replace(b"@", b"")


HEADER = b"""DKIM-Signature: v=1; d=other.example; b=YQ==
DKIM-Signature: v=1; d=example.org; h=From:To:Subject; b=YQ==
Received: from inside by outside for <bob@rx.example>
From: Alice <alice@example.org>
To: Bob <bob@rx.example>
X-Secret: bob@rx.example
subject: Hello
 bob
""".replace(b"\n", b"\r\n")


def told(header: bytes, number: int = 1, names: tuple[bytes, ...] = (b"from", b"to", b"Subject")) -> list[bytes]:
    fields = parse_header(header)
    failure = Failure(EXAMPLE, AuthFailure.SIGNATURE, MethodResult("dkim", "fail"), fields[number], names)
    return told_fields(fields, failure, KEY)


def test_what_is_signed_is_told() -> None:
    signature, author, recipient, subject = told(HEADER)
    assert b"d=example.org" in signature
    assert author == b"From: Alice <alice@example.org>"
    assert re.fullmatch(rb"To: Bob <redacted-[0-9a-f]{16}@rx\.example>", recipient)
    assert subject == b"subject: Hello\r\n bob"


def test_another_signature_is_not_told() -> None:
    assert told(HEADER, names=(b"dkim-signature",)) == told(HEADER, names=())


def test_only_so_much_is_told() -> None:
    long = HEADER + (b"Subject: " + b"a@b.example " * 200 + b"\r\n") * 50
    assert sum(map(len, told(long))) <= MAX_HEADER
    assert len(told(long)) > 5
    assert told(HEADER + b"Subject: " + b"x" * 100_000 + b"\r\n") == told(HEADER)
