"""The request parser: tables, and the promise that any bytes give a request or a RequestError."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookup_server.request import MAX_HEAD, MAX_LINES, Request, RequestError, RequestReader, parse_request

WHOLE = (
    b"dkim example.org\n"
    b"control = dkim_verify\n"
    b"message_exim_id = 1xUw9H-00013Q-2i\n"
    b"spool_directory=/var/spool/exim4\n"
    b'queue_name = ""\n'
    b'sender_address = "\\"odd name\\"@example.org"\n'
    b"some_day = we may know this = name\n"
    b"\n"
    b"From: a@example.org\n\nbody\n"
)


def parts(request: Request) -> tuple[bytes, bytes | None, bool]:
    """Header, body and line ends of the message."""
    header, start, wire = request.split()
    return header, None if start is None else request.message[start:], wire


def test_a_whole_request() -> None:
    request = parse_request(WHOLE)
    assert request.query == "dkim"
    assert request.key == b"example.org"
    assert request.controls == {b"dkim_verify"}
    assert request.values == {
        b"message_exim_id": b"1xUw9H-00013Q-2i",
        b"spool_directory": b"/var/spool/exim4",
        b"queue_name": b"",
        b"sender_address": b'"odd name"@example.org',
    }
    assert parts(request) == (b"From: a@example.org\n", b"body\n", False)


def test_crlf_means_the_same() -> None:
    request = parse_request(WHOLE.replace(b"\n", b"\r\n"))
    assert request._replace(message=b"") == parse_request(WHOLE)._replace(message=b"")
    assert parts(request) == (b"From: a@example.org\r\n", b"body\r\n", True)


@pytest.mark.parametrize(
    ("data", "query", "key"),
    [
        (b"ping", "ping", b""),
        (b"ping\n", "ping", b""),
        (b"ping\r\n\r\n", "ping", b""),
        (b"  dkim   a@b.example  \n", "dkim", b"a@b.example"),
        (b"why dkim example.org\n", "why dkim", b"example.org"),
        (b"why\n", "why ", b""),
        (b'dkim "a b"@c\n'.replace(b'"a b"@c', b'"\\"a b\\"@c.example"'), "dkim", b'"a b"@c.example'),
        (b"dkim \xc3\xbc.example\n", "dkim", "\u00fc.example".encode()),
        (b"dkim\n", "dkim", b""),
    ],
)
def test_first_lines(data: bytes, query: str, key: bytes) -> None:
    request = parse_request(data)
    assert (request.query, request.key) == (query, key)


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        (b"plain", b"plain"),
        (b"", b""),
        (b'""', b""),
        (b'"a\\nb"', b"a\nb"),
        (b'"\\r\\t\\b\\f\\v"', b"\r\t\b\f\v"),
        (b'"\\x41\\x4\\101\\0"', b"A\x04A\x00"),
        (b'"\\\\\\"\\q\\9"', b'\\"q9'),
        (b'"caf\xc3\xa9"', b"caf\xc3\xa9"),
        (b'"tab\there"', b"tab\there"),
        (b'a "quote" inside', b'a "quote" inside'),
    ],
)
def test_values(value: bytes, decoded: bytes) -> None:
    request = parse_request(b"dkim x\nsender_address = " + value + b"\n\n")
    assert request.values[b"sender_address"] == decoded


@pytest.mark.parametrize(
    ("value", "controls"),
    [(b"dkim_verify", {b"dkim_verify"}), (b"", set()), (b'"a : dkim_verify"', {b"a", b"dkim_verify"})],
)
def test_controls(value: bytes, controls: set[bytes]) -> None:
    assert parse_request(b"dkim x\ncontrol = " + value + b"\n\n").controls == controls
    assert parse_request(b"dkim x\ncontrol = one\ncontrol = " + value).controls == controls | {b"one"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"\n\nFrom: x\n", "empty"),
        (b"dkim x\nno equals sign\n\n", "line 2 is not"),
        (b"dkim x\n= value\n\n", "line 2 is not"),
        (b"dkim x\ncontrol = y\nReceived: from a (b=c)\n", "line 3 is not .* empty line"),
        (b'dkim x\nsender_address = "open\n\n', "does not end"),
        (b'dkim x\nsender_address = "a" b\n\n', "does not end"),
        (b'dkim x\nsender_address = "a\\"\n\n', "does not end"),
        (b'dkim "x\n', "does not end"),
        (b"dkim x\0y\n", "control character"),
        (b"dk\0im x\n", "first line"),
        (b"\xff\xfe\n", "first line"),
        (b"q" * 41, "first line"),
        (b"dkim x\nsender_address = a\rb\n\n", "control character"),
        (b"dkim x\nqueue_name = a\nqueue_name = b\n\n", "twice"),
        (b"dkim x\nlength = ten\n\n", "not a number"),
        (b"dkim x\nlength = -1\n\n", "not a number"),
        (b"dkim x\nlength = 99999999999999999999\n\n", "not a number"),
        (b"dkim x\nlength = 5\n\nabcd", "after 4 of 5"),
        (b"dkim x\n" + b"a = b\n" * MAX_LINES + b"\n", "more than"),
        (b"dkim " + b"x" * MAX_HEAD, "no empty line"),
        (b"dkim " + b"x" * MAX_HEAD + b"\n\n", "no empty line"),
    ],
)
def test_wrong_requests(data: bytes, text: str) -> None:
    with pytest.raises(RequestError, match=text) as caught:
        parse_request(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"", (b"", None)),
        (b"From: a\n", (b"From: a\n", None)),
        (b"From: a", (b"From: a", None)),
        (b"From: a\n\n", (b"From: a\n", b"")),
        (b"From: a\n\n\n\nx\n\n", (b"From: a\n", b"\n\nx\n\n")),
        (b"\nbody\n", (b"", b"body\n")),
        (b"\r\nbody\r\n", (b"", b"body\r\n")),
        (b"A: b\r\nC: d\n\nstill header\r\n\r\nbody", (b"A: b\r\nC: d\n\nstill header\r\n", b"body")),
        (b"A: b\nC: d\r\n\r\nstill header\n\nbody", (b"A: b\nC: d\r\n\r\nstill header\n", b"body")),
    ],
)
def test_header_and_body(message: bytes, expected: tuple[bytes, bytes | None]) -> None:
    header, body, wire = parts(Request("dkim", message=message))
    assert (header, body) == expected
    assert wire == (message.partition(b"\n")[0][-1:] == b"\r")


def test_length_completes_a_request_without_end_of_file() -> None:
    reader = RequestReader(1000)
    completed = []
    for data in (b"dkim x\nlength = 7\n\nFrom", b": a and more"):
        reader.feed(data)
        completed.append(reader.complete)
    assert completed == [False, True]
    assert reader.request().message == b"From: a"
    reader = RequestReader(1000)
    reader.feed(b"ping\nlength = 0\n\n")
    assert reader.complete


def test_what_is_too_long_is_refused_and_let_go() -> None:
    reader = RequestReader(100)
    reader.feed(b"dkim x\n\n" + b"y" * 92)
    assert reader.error is None
    assert reader.held == 98
    reader.feed(b"zzz")
    assert "lookup_max_request" in str(reader.error)
    assert reader.held == 0
    reader.feed(b"z" * 1000)
    assert reader.held == 0
    reader.end()
    assert reader.complete
    with pytest.raises(RequestError):
        reader.request()


def outcome(chunks: list[bytes], end: bool) -> Request | str:
    reader = RequestReader(10_000)
    for chunk in chunks:
        reader.feed(chunk)
    if end or not reader.complete:
        reader.end()
    try:
        return reader.request()
    except RequestError as error:
        return str(error)


TEXT = st.lists(
    st.sampled_from(
        [
            b"dkim",
            b"why",
            b" ",
            b"\n",
            b"\r\n",
            b"=",
            b'"',
            b"\\",
            b"x41",
            b"control",
            b"length",
            b"7",
            b"\0",
            b"From: a",
        ]
    )
).map(b"".join) | st.binary(max_size=60)


@settings(max_examples=400, deadline=None)
@given(TEXT, st.data())
def test_chunks_do_not_matter_and_nothing_else_is_raised(data: bytes, draw: st.DataObject) -> None:
    whole = outcome([data], end=True)
    assert outcome([data[i : i + 1] for i in range(len(data))], end=True) == whole
    cut = draw.draw(st.integers(0, len(data)))
    assert outcome([data[:cut], data[cut:]], end=True) == whole
