"""Fuzzing of the milter protocol: the codec, and a session that gets whole conversations."""

from __future__ import annotations

from milter_server.command import ANSWERED, Connect, format_command, parse_command
from milter_server.handler import Filter, Step
from milter_server.packet import PacketReader, ProtocolError
from milter_server.reply import parse_reply
from milter_server.response import CONTINUE, Action
from milter_server.session import Session

PACKETS = (
    b"\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff",
    b"\0\0\0\x0fDCj\0mx.example\0",
    b"\0\0\0\x14Cclient\x004\x09\xdd192.0.2.1\0",
    b"\0\0\0\x08Hclient\0",
    b"\0\0\0\x10M<a@b.c>\0SIZE=9\0",
    b"\0\0\0\x09R<d@e.f>\0",
    b"\0\0\0\1T",
    b"\0\0\0\x0dLSubject\0 hi\0",
    b"\0\0\0\1N",
    b"\0\0\0\x07Btext\r\n",
    b"\0\0\0\1E",
)
COMMANDS = (*[packet[4:] for packet in PACKETS], b"Cclient\x006\x09\xddIPv6:ipv6:::1\0")
CONVERSATIONS = (b"".join(PACKETS), b"".join((*PACKETS, *PACKETS[4:], b"\0\0\0\1A", b"\0\0\0\1K", b"\0\0\0\1Q")))
REPLIES = (
    b"c",
    b"y550 5.7.1 no\0",
    b"i\0\0\0\0X-A\0 1\0",
    b"m\0\0\0\1X-A\0\0",
    b"2<a@b.c>\0NOTIFY=NEVER\0",
    b"qreason\0",
    b"O\0\0\0\6\0\0\1\x11\0\x10\7\2\0\0\0\2i\0",
)
TOKENS = (*PACKETS, b"\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\0\0\0\x10", b"A", b"Q", b"K", b"U", b"L", b"\n\t")


def command(data: bytes) -> None:
    """A command that can be read is written as it is read."""
    value = parse_command(data[:1], data[1:])
    if isinstance(value, Connect) and value.address[:5].lower() == b"ipv6:":
        return  # Sendmail's mark of an IPv6 address came twice; it is read off once
    written = format_command(value)
    assert parse_command(written[4:5], written[5:]) == value


def reply(data: bytes) -> None:
    """A reply."""
    parse_reply(data[:1], data[1:])


def conversation(data: bytes) -> None:
    """However it is cut, a conversation goes the same way, or wrong."""
    assert _answers(data, len(data) or 1) == _answers(data, 7)


def _answers(data: bytes, size: int) -> bytes | None:
    """All that a filter says; None when the protocol is violated."""
    filter = Filter()
    filter.actions, filter.silent = Action.ADD_HEADERS, Step.HEADER
    session = Session(filter)
    answers = b""
    try:
        for start in range(0, len(data), size):
            session.receive(data[start : start + size])
            while (event := session.next_event()) is not None:
                if type(event) in ANSWERED:
                    session.answer(CONTINUE)
                if session.transaction:
                    _ = session.transaction.header.fields, session.transaction.envelope, session.transaction.queue_id
            answers += session.take()
    except ProtocolError:
        return None
    return answers


def packets(data: bytes) -> None:
    """Packets."""
    PacketReader(64).receive(data)
