"""milter_server.reply: whatever a filter says as bytes written by hand, and what is no reply."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server.command import Negotiation, format_negotiation
from milter_server.packet import PacketReader, ProtocolError
from milter_server.reply import PROGRESS, Progress, Reply, format_modification, format_response, parse_reply
from milter_server.response import (
    ACCEPT,
    CONTINUE,
    DISCARD,
    REJECT,
    SKIP,
    TEMPFAIL,
    AddField,
    AddRecipient,
    ChangeField,
    ChangeSender,
    DeleteRecipient,
    InsertField,
    Modification,
    Quarantine,
    ReplaceBody,
    Response,
    reply,
)

REPLIES: list[tuple[bytes, Reply]] = [
    (b"\x00\x00\x00\x01c", CONTINUE),
    (b"\x00\x00\x00\x01a", ACCEPT),
    (b"\x00\x00\x00\x01r", REJECT),
    (b"\x00\x00\x00\x01t", TEMPFAIL),
    (b"\x00\x00\x00\x01d", DISCARD),
    (b"\x00\x00\x00\x01s", SKIP),
    (b"\x00\x00\x00\x01f", Response(b"f")),
    (b"\x00\x00\x00\x014", Response(b"4")),
    (b"\x00\x00\x00\x0ey550 5.7.1 no\x00", reply(550, "5.7.1", "no")),
    (b"\x00\x00\x00$y451-4.7.0 one\r\n451 4.7.0 100%% two\x00", reply(451, "4.7.0", ["one", "100% two"])),
    (b"\x00\x00\x00\x01p", Progress()),
    (b"\x00\x00\x00\rO\x00\x00\x00\x06\x00\x00\x01\x11\x00\x10\x07\x02", Negotiation(6, 0x111, 0x100702)),
    (b"\x00\x00\x00\x0bhX-A\x00 1\n\x092\x00", AddField(b"X-A", b" 1\n\t2")),
    (b"\x00\x00\x00\x0ci\x00\x00\x00\x00X-A\x00 1\x00", InsertField(0, b"X-A", b" 1")),
    (b"\x00\x00\x00\x0ci\x00\x00\x01\x00X-A\x00 1\x00", InsertField(256, b"X-A", b" 1")),
    (b"\x00\x00\x00\x12m\x00\x00\x00\x02Subject\x00 new\x00", ChangeField(2, b"Subject", b" new")),
    (b"\x00\x00\x00\x0em\x00\x00\x00\x01Subject\x00\x00", ChangeField(1, b"Subject", b"")),
    (b"\x00\x00\x00\x07+<a@b>\x00", AddRecipient(b"<a@b>")),
    (b"\x00\x00\x00\x142<a@b>\x00NOTIFY=NEVER\x00", AddRecipient(b"<a@b>", b"NOTIFY=NEVER")),
    (b"\x00\x00\x00\x07-<a@b>\x00", DeleteRecipient(b"<a@b>")),
    (b"\x00\x00\x00\x07e<a@b>\x00", ChangeSender(b"<a@b>")),
    (b"\x00\x00\x00\x15e<a@b>\x00BODY=8BITMIME\x00", ChangeSender(b"<a@b>", b"BODY=8BITMIME")),
    (b"\x00\x00\x00\x0bqlooks odd\x00", Quarantine(b"looks odd")),
    (b"\x00\x00\x00\x07bnew\r\n\x00", ReplaceBody(b"new\r\n\0")),
]


def written(value: Reply) -> bytes:
    if isinstance(value, Negotiation):
        return format_negotiation(value)
    if isinstance(value, Response):
        return format_response(value)
    return PROGRESS if isinstance(value, Progress) else format_modification(value, leading_space=True)


@pytest.mark.parametrize(("wire", "value"), REPLIES, ids=lambda value: type(value).__name__)
def test_bytes(wire: bytes, value: Reply) -> None:
    assert int.from_bytes(wire[:4], "big") == len(wire) - 4
    assert written(value) == wire
    assert parse_reply(wire[4:5], wire[5:]) == value


def test_there_is_a_row_for_every_reply() -> None:
    assert {type(value) for _, value in REPLIES} == set(Reply.__args__)


@pytest.mark.parametrize(
    ("modification", "wire"),
    [
        (AddField(b"X", b" 1"), b"\0\0\0\5hX\x001\0"),
        (AddField(b"X", b"1"), b"\0\0\0\5hX\x001\0"),
        (AddField(b"X", b"\t1"), b"\0\0\0\6hX\0\t1\0"),
        (InsertField(0, b"X", b"  1"), b"\0\0\0\x0ai\0\0\0\0X\0 1\0"),
        (ChangeField(1, b"X", b" 1"), b"\0\0\0\x09m\0\0\0\1X\x001\0"),
    ],
)
def test_without_leading_space_the_mta_writes_one_blank(modification: Modification, wire: bytes) -> None:
    assert format_modification(modification, leading_space=False) == wire


def test_a_long_body_leaves_in_pieces() -> None:
    packets = PacketReader().receive(format_modification(ReplaceBody(b"x" * 200_000), leading_space=True))
    assert [letter for letter, _ in packets] == [b"b"] * 4
    assert b"".join(data for _, data in packets) == b"x" * 200_000
    assert max(len(data) for _, data in packets) == 65535


@pytest.mark.parametrize(
    ("letter", "data"),
    [
        (b"c", b"x"),
        (b"y", b""),
        (b"y", b"550 5.7.1 no"),
        (b"h", b"name\0"),
        (b"i", b"\0\0\0"),
        (b"i", b"\0\0\0\0name\0"),
        (b"m", b""),
        (b"+", b"<a@b>"),
        (b"2", b"a\0b\0c\0"),
        (b"-", b""),
        (b"e", b""),
        (b"q", b"reason"),
        (b"O", b"\0"),
        (b"B", b""),
        (b"", b""),
    ],
)
def test_what_does_not_have_its_layout(letter: bytes, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_reply(letter, data)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from("cartdsf4ypOhim+2-eqbX"), st.binary(max_size=40))
def test_garbage(letter: str, data: bytes) -> None:
    try:
        value = parse_reply(letter.encode(), data)
    except ProtocolError:
        return
    again = written(value)
    if again:
        assert parse_reply(again[4:5], again[5:]) == value
