"""What a filter says to an MTA: responses, modifications of a message, progress; written and read.

As in `command.py`, layouts are those of <libmilter/mfdef.h>. Reading is for clients.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple, assert_never

from milter_server.command import (
    Negotiation,
    format_strings,
    parse_field,
    parse_negotiation,
    parse_string,
    parse_strings,
)
from milter_server.packet import CHUNK, ProtocolError, format_packet
from milter_server.response import (
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
)

PROGRESS: Final = format_packet(b"p")

_NUMBER: Final = Struct("!I")
_RESPONSES: Final = frozenset((b"c", b"a", b"r", b"t", b"d", b"s", b"f", b"4"))


class Progress(NamedTuple):
    """The filter is still at it."""


Reply = Negotiation | Response | Modification | Progress


def format_modification(modification: Modification, leading_space: bool) -> bytes:
    """The packets that ask for a modification. `leading_space`: as negotiated; else the MTA writes one blank itself."""
    match modification:
        case AddField(name, value):
            return format_packet(b"h", format_strings(name, _value(value, leading_space)))
        case InsertField(position, name, value):
            return format_packet(b"i", _NUMBER.pack(position) + format_strings(name, _value(value, leading_space)))
        case ChangeField(position, name, value):
            return format_packet(b"m", _NUMBER.pack(position) + format_strings(name, _value(value, leading_space)))
        case AddRecipient(address, arguments):
            words = (address, arguments) if arguments else (address,)
            return format_packet(b"2" if arguments else b"+", format_strings(*words))
        case DeleteRecipient(address):
            return format_packet(b"-", address + b"\0")
        case ChangeSender(address, arguments):
            words = (address, arguments) if arguments else (address,)
            return format_packet(b"e", format_strings(*words))
        case Quarantine(reason):
            return format_packet(b"q", reason + b"\0")
        case ReplaceBody(chunk):
            pieces = range(0, len(chunk), CHUNK)
            return b"".join(format_packet(b"b", chunk[start : start + CHUNK]) for start in pieces)
    assert_never(modification)


def format_response(response: Response) -> bytes:
    """The packet of a response."""
    return format_packet(response.letter, response.data)


def parse_reply(letter: bytes, data: bytes) -> Reply:
    """What a filter has said; the values of fields as they came."""
    if letter in _RESPONSES:
        if data:
            raise ProtocolError(f"{letter!r} goes without data")
        return Response(letter)
    match letter:
        case b"O":
            return parse_negotiation(data)
        case b"p":
            return Progress()
        case b"y":
            parse_string(data)
            return Response(letter, data)
        case b"h":
            return AddField(*parse_field(data))
        case b"i" | b"m":
            if len(data) < _NUMBER.size:
                raise ProtocolError("a modification without a position")
            (position,) = _NUMBER.unpack_from(data)
            kind = InsertField if letter == b"i" else ChangeField
            return kind(position, *parse_field(data[_NUMBER.size :]))
        case b"+" | b"2":
            return AddRecipient(*_one_or_two(data))
        case b"-":
            return DeleteRecipient(parse_string(data))
        case b"e":
            return ChangeSender(*_one_or_two(data))
        case b"q":
            return Quarantine(parse_string(data))
        case b"b":
            return ReplaceBody(data)
    raise ProtocolError(f"{letter!r} is no reply")


def _one_or_two(data: bytes) -> tuple[bytes, bytes]:
    first, *rest = parse_strings(data)
    if len(rest) > 1:
        raise ProtocolError("more than an address and its arguments")
    return first, rest[0] if rest else b""


def _value(value: bytes, leading_space: bool) -> bytes:
    return value if leading_space else value.removeprefix(b" ")
