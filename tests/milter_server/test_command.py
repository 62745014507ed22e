"""milter_server.command: each command of an MTA as bytes written by hand, and what is no command."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server.command import (
    Abort,
    Body,
    Command,
    Connect,
    Data,
    DefineMacros,
    EndOfHeaders,
    EndOfMessage,
    Field,
    Helo,
    Mail,
    Negotiation,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
    format_command,
    format_macros,
    macro_lists,
    parse_command,
)
from milter_server.message import Family, Stage
from milter_server.packet import ProtocolError

COMMANDS: list[tuple[bytes, Command]] = [
    (b"\x00\x00\x00\rO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff", Negotiation(6, 0x1FF, 0x1FFFFF)),
    (b"\x00\x00\x00\rO\x00\x00\x00\x02\x00\x00\x00?\x00\x00\x00\x7f", Negotiation(2, 0x3F, 0x7F)),
    (
        b"\x00\x00\x00\x1f"
        b"O\x00\x00\x00\x06\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x02i {a}\x00\x00\x00\x00\x06i j\x00",
        Negotiation(6, 0x101, 0, ((Stage.MAIL, b"i {a}"), (Stage.END_OF_HEADERS, b"i j"))),
    ),
    (b"\x00\x00\x00\x14DMi\x00A1\x00{mail_addr}\x00\x00", DefineMacros(b"M", b"i\0A1\0{mail_addr}\0\0")),
    (b"\x00\x00\x00\x02DH", DefineMacros(b"H", b"")),
    (
        b"\x00\x00\x00\x1bCmail.example\x004\x09\xdd192.0.2.1\x00",
        Connect(b"mail.example", Family.INET, 2525, b"192.0.2.1"),
    ),
    (
        b"\x00\x00\x00\x1eC[2001:db8::1]\x006\xff\xff2001:db8::1\x00",
        Connect(b"[2001:db8::1]", Family.INET6, 65535, b"2001:db8::1"),
    ),
    (b"\x00\x00\x00\x1aClocalhost\x00L\x00\x00/run/socket\x00", Connect(b"localhost", Family.UNIX, 0, b"/run/socket")),
    (b"\x00\x00\x00\x0cClocalhost\x00U", Connect(b"localhost", Family.UNKNOWN)),
    (b"\x00\x00\x00\x0eHmail.example\x00", Helo(b"mail.example")),
    (
        b"\x00\x00\x00$M<a@b.example>\x00SIZE=9\x00BODY=8BITMIME\x00",
        Mail(b"<a@b.example>", (b"SIZE=9", b"BODY=8BITMIME")),
    ),
    (b"\x00\x00\x00\x04M<>\x00", Mail(b"<>")),
    (b"\x00\x00\x00\x0fR<c@d.example>\x00", Rcpt(b"<c@d.example>")),
    (b"\x00\x00\x00\x1cR<c@d.example>\x00NOTIFY=NEVER\x00", Rcpt(b"<c@d.example>", (b"NOTIFY=NEVER",))),
    (b"\x00\x00\x00\x01T", Data()),
    (b"\x00\x00\x00\x13LSubject\x00 one\n\x09two\x00", Field(b"Subject", b" one\n\ttwo")),
    (b"\x00\x00\x00\x08L\x00value\x00", Field(b"", b"value")),
    (b"\x00\x00\x00\x08LX-\xc3\xa9\x00\xff\x00", Field(b"X-\xc3\xa9", b"\xff")),
    (b"\x00\x00\x00\x01N", EndOfHeaders()),
    (b"\x00\x00\x00\x09Btext\r\n\x00\xff", Body(b"text\r\n\0\xff")),
    (b"\x00\x00\x00\x01B", Body(b"")),
    (b"\x00\x00\x00\x01E", EndOfMessage()),
    (b"\x00\x00\x00\x07Elast\r\n", EndOfMessage(b"last\r\n")),
    (b"\x00\x00\x00\x01A", Abort()),
    (b"\x00\x00\x00\x08UBDAT 5\x00", Unknown(b"BDAT 5")),
    (b"\x00\x00\x00\x01Q", Quit()),
    (b"\x00\x00\x00\x01K", QuitNewConnection()),
]


@pytest.mark.parametrize(("wire", "command"), COMMANDS, ids=lambda value: type(value).__name__)
def test_bytes(wire: bytes, command: Command) -> None:
    assert int.from_bytes(wire[:4], "big") == len(wire) - 4
    assert format_command(command) == wire
    assert parse_command(wire[4:5], wire[5:]) == command


def test_there_is_a_row_for_every_command() -> None:
    assert {type(command) for _, command in COMMANDS} == set(Command.__args__)


def test_sendmail_marks_ipv6_addresses() -> None:
    assert parse_command(b"C", b"h\x006\0\x19IPv6:::1\0") == Connect(b"h", Family.INET6, 25, b"::1")


def test_macro_lists_of_unknown_stages_are_passed_over() -> None:
    data = b"\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\x63x\0\0\0\0\0j\0"
    assert parse_command(b"O", data) == Negotiation(6, 0, 0, ((Stage.CONNECT, b"j"),))


def test_macros_are_written_as_the_mta_has_them() -> None:
    assert format_macros(b"C", {"j": "mx", "{a}": ""}) == b"\x00\x00\x00\x0cDCj\0mx\0{a}\0\0"
    assert format_macros(b"H", {}) == b"\0\0\0\2DH"
    assert macro_lists({Stage.MAIL: ["i", "{a}"], Stage.CONNECT: ["j"]}) == (
        (Stage.CONNECT, b"j"),
        (Stage.MAIL, b"i {a}"),
    )


@pytest.mark.parametrize(
    ("letter", "data"),
    [
        (b"O", b""),
        (b"O", b"\0" * 11),
        (b"O", b"\0" * 12 + b"\0\0\0\1i j"),
        (b"O", b"\0" * 12 + b"\0\0\0"),
        (b"C", b""),
        (b"C", b"host"),
        (b"C", b"host\0"),
        (b"C", b"host\0X\0\x19192.0.2.1\0"),
        (b"C", b"host\x004"),
        (b"C", b"host\x004\0"),
        (b"C", b"host\x004\0\x19"),
        (b"C", b"host\x004\0\x19192.0.2.1"),
        (b"H", b""),
        (b"H", b"name"),
        (b"H", b"name\0more\0"),
        (b"M", b""),
        (b"M", b"<a@b>"),
        (b"R", b""),
        (b"R", b"<a@b>\0ARG"),
        (b"L", b""),
        (b"L", b"name\0"),
        (b"L", b"name\0value"),
        (b"L", b"name\0value\0more\0"),
        (b"L", b"\0na\0me"),
        (b"U", b"NOOP"),
        (b"X", b""),
        (b"\0", b""),
        (b"c", b""),
        (b"", b""),
    ],
)
def test_what_does_not_have_its_layout(letter: bytes, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_command(letter, data)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from("OCDHMRTLNBEAUQKX"), st.binary(max_size=40))
def test_garbage(letter: str, data: bytes) -> None:
    try:
        command = parse_command(letter.encode(), data)
    except ProtocolError:
        return
    written = format_command(command)
    assert parse_command(written[4:5], written[5:]) == command
