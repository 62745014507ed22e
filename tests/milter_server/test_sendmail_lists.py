"""milter_server.sendmail_lists: lists of addresses in the form that Sendmail gives them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.message import HeaderField, field_name, parse_header
from milter_server.sendmail_lists import FIELDS, as_delivered


def delivered(raw: bytes) -> bytes:
    """One field, as delivered."""
    (field,) = as_delivered([HeaderField(field_name(raw.partition(b":")[0]), raw)])
    return field.raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"To: a@x,b@y", b"To: a@x, b@y"),
        (b"To:a@x ,  b@y", b"To:a@x, b@y"),
        (b"TO: a@x,\r\n\tb@y\r\n , c@z", b"TO: a@x, b@y, c@z"),
        (b"From: a@x,,b@y,", b"From: a@x, b@y"),
        (b"To: a@x,", b"To: a@x"),
        (b'Cc: "b, \\", c" <b@x>,c@x (c, (d, e)),<a,b>', b'Cc: "b, \\", c" <b@x>, c@x (c, (d, e)), <a,b>'),
        (b"To: friends:a@x,b@y;", b"To: friends:a@x, b@y;"),
        (b"To: a@x", b"To: a@x"),
        (b"To:", b"To:"),
        (b"To: ,", b"To: "),
        (b'To: "a,b', b'To: "a,b'),
        (b"To: (a,b", b"To: (a,b"),
        (b"To: a),b>,c", b"To: a), b>, c"),
        (b"To: a\\,b,c", b"To: a\\,b, c"),
        (b"To: a,b\\", b"To: a, b\\"),
        (b"Subject: a,b", b"Subject: a,b"),
        (b"References: <a>,<b>", b"References: <a>,<b>"),
    ],
)
def test_fields(raw: bytes, expected: bytes) -> None:
    assert delivered(raw) == expected


def test_all_fields_of_a_header() -> None:
    header = b"".join(name + b": a,b\r\n" for name in sorted(FIELDS)) + b"Subject: a,b\r\n"
    fields = as_delivered(parse_header(header))
    assert [field.raw.partition(b":")[2] for field in fields] == [b" a, b"] * len(FIELDS) + [b" a,b"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"a@x", b",", b" ", b"\r\n\t", b'"', b"(", b")", b"<", b">", b"\\", b";", b"\xff"])))
def test_nothing_but_blanks_and_commas_changes(pieces: list[bytes]) -> None:
    raw = b"To: " + b"".join(pieces)
    once = delivered(raw)
    assert once.translate(None, b" \t\r\n,") == raw.translate(None, b" \t\r\n,")
    assert delivered(once) == once


@pytest.mark.parametrize("piece", [b",", b'"', b"(", b"<", b"\\", b"a,", b"(,)", b'",'])
def test_long_fields(piece: bytes) -> None:
    """Takes no more than a pass over them."""
    assert delivered(b"To: " + piece * (400_000 // len(piece))).startswith(b"To:")
