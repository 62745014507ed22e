"""Messages as header fields and body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.message import HeaderField, Message, is_well_formed, parse_field, parse_header, parse_message, to_wire

CASES = [
    (b"A: 1\r\nB: 2\r\n\r\nbody\r\n", [(b"a", b"A: 1"), (b"b", b"B: 2")], b"body\r\n", True),
    (b"A: 1\r\n\t folded\r\n more\r\n\r\n", [(b"a", b"A: 1\r\n\t folded\r\n more")], b"", True),
    (b"A \t: 1\r\n\r\nx", [(b"a", b"A \t: 1")], b"x", True),
    (b"A: 1", [(b"a", b"A: 1")], b"", False),
    (b"\r\nbody", [], b"body", True),
    (b"", [], b"", False),
    (b" leading\r\nA: 1\r\n\r\n", [(b"", b" leading"), (b"a", b"A: 1")], b"", True),
    (b"no colon\r\nA: 1\r\n\r\n", [(b"", b"no colon"), (b"a", b"A: 1")], b"", True),
    (b"A: \xff\n\rx\r\n\r\n", [(b"a", b"A: \xff\n\rx")], b"", True),
    (b"A: 1\r\n\r\n\r\n\r\nx", [(b"a", b"A: 1")], b"\r\n\r\nx", True),
]


@pytest.mark.parametrize(("data", "fields", "body", "has_body"), CASES)
def test_parse(data: bytes, fields: list[tuple[bytes, bytes]], body: bytes, has_body: bool) -> None:
    message = parse_message(data)
    start = len(data) - len(body)
    assert message == Message(tuple(HeaderField(*field) for field in fields), data, start, has_body)
    assert message.body == body
    assert list(message.body_chunks(1)) == [body[index : index + 1] for index in range(len(body))]


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"A: 1\nB: 2\n\nx\n", b"A: 1\r\nB: 2\r\n\r\nx\r\n"),
        (b"A: 1\r\nB: lone\nlf\r\n", b"A: 1\r\nB: lone\nlf\r\n"),
        (b"A: 1\nB: \r\n", b"A: 1\r\nB: \r\r\n"),
        (b"no end", b"no end"),
        (b"\nbody\n", b"\r\nbody\r\n"),
    ],
)
def test_to_wire(data: bytes, wire: bytes) -> None:
    assert to_wire(data) == wire


@pytest.mark.parametrize(
    ("header", "well_formed"),
    [
        (b"A: 1\r\nB!#$;~ \t: 2\r\n\t:\r\n \r\nC:\r\n", True),
        (b"A: \xff\0\x0b\x7f", True),
        (b"", True),
        (b"A: 1\r\nnothing\r\nB: 2\r\n", False),
        (b"A: 1\r\nsee here: 2\r\n", False),
        (b"A: 1\r\n: 2\r\n", False),
        (b" B: 1\r\nA: 2\r\n", False),
        (b"From\r\n : 1\r\nA: 2\r\n", False),
        (b"Fr\xc3\xb6m: 1\r\nA: 2\r\n", False),
        (b"From\0: 1\r\nA: 2\r\n", False),
        (b"From\x0b: 1\r\nA: 2\r\n", False),
        (b"X: 1\nFrom: 2\r\nA: 3\r\n", False),
        (b"X: 1\rFrom: 2\r\nA: 3\r\n", False),
        (b"X: 1\r\r\nA: 3\r\n", False),
        (b"X: 1\r\n\nA: 3\r\n", False),
        (b"A: 1\r", False),
    ],
)
def test_well_formed(header: bytes, well_formed: bool) -> None:
    assert is_well_formed(parse_header(header)) is well_formed


def test_value() -> None:
    assert parse_field(b"Subject: a: b").value == b" a: b"


@given(st.binary(max_size=200) | st.text("a:\r\n \t", max_size=60).map(str.encode))
def test_nothing_is_lost(data: bytes) -> None:
    """Any bytes are a message, and can be put together again."""
    message = parse_message(data)
    header = b"\r\n".join(field.raw for field in message.fields)
    if message.has_body:
        again = header + (b"\r\n\r\n" if message.fields else b"\r\n") + message.body
        assert again == data
    else:
        assert header == data.removesuffix(b"\r\n") or not message.fields
    assert parse_header(header) == message.fields
