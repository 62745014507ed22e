"""What an MTA says to a filter, as values: each is written by `format_…` and read by `parse_…`.

The letters and layouts are those of Sendmail's <libmilter/mfdef.h>, protocol versions 2 to 6. `ProtocolError` for data
that does not have its layout. What filters say is in `reply.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple

from milter_server.message import Family, Stage
from milter_server.packet import ProtocolError, format_packet

_OPTIONS: Final = Struct("!III")
_NUMBER: Final = Struct("!I")
_PORT: Final = Struct("!H")

MACRO_STAGES: Final[Mapping[bytes, Stage]] = {
    b"C": Stage.CONNECT,
    b"H": Stage.HELO,
    b"M": Stage.MAIL,
    b"R": Stage.RCPT,
    b"T": Stage.DATA,
    b"N": Stage.END_OF_HEADERS,
    b"E": Stage.END_OF_MESSAGE,
}
"""The stages of `DefineMacros.letter`, which is that of the command that comes next."""


class Negotiation(NamedTuple):
    """What one side can do, or what both will: SMFIC_OPTNEG.

    `actions`: SMFIF_ bits (`Action`); `protocol`: SMFIP_ bits; `macros`: names a filter asks for, by stage.
    """

    version: int
    actions: int
    protocol: int
    macros: tuple[tuple[Stage, bytes], ...] = ()


class DefineMacros(NamedTuple):
    """Macros for the command with this letter; `pairs`: `name NUL value NUL …`."""

    letter: bytes
    pairs: bytes


class Connect(NamedTuple):
    """An SMTP client has connected. `port` and `address` only where the family has them."""

    host: bytes
    family: Family
    port: int = 0
    address: bytes = b""


class Helo(NamedTuple):
    """HELO or EHLO."""

    name: bytes


class Mail(NamedTuple):
    """MAIL: the address as it came, and ESMTP arguments."""

    address: bytes
    arguments: tuple[bytes, ...] = ()


class Rcpt(NamedTuple):
    """RCPT: the address as it came, and ESMTP arguments."""

    address: bytes
    arguments: tuple[bytes, ...] = ()


class Data(NamedTuple):
    """DATA."""


class Field(NamedTuple):
    """A header field; whether the value begins with what followed the colon is negotiated."""

    name: bytes
    value: bytes


class EndOfHeaders(NamedTuple):
    """The header is complete."""


class Body(NamedTuple):
    """A chunk of the body."""

    chunk: bytes


class EndOfMessage(NamedTuple):
    """The message is complete; the last chunk of its body may come along."""

    chunk: bytes = b""


class Abort(NamedTuple):
    """The message is given up."""


class Unknown(NamedTuple):
    """An SMTP command that the MTA does not know."""

    line: bytes


class Quit(NamedTuple):
    """The client has gone, and the connection ends."""


class QuitNewConnection(NamedTuple):
    """The client has gone; the next one comes over the same connection."""


Command = (
    Negotiation | DefineMacros | Connect | Helo | Mail | Rcpt | Data | Field | EndOfHeaders | Body | EndOfMessage
    | Abort | Unknown | Quit | QuitNewConnection
)  # fmt: skip


Event = (
    Connect | Helo | Mail | Rcpt | Data | EndOfHeaders | Body | EndOfMessage
    | Abort | Unknown | Quit | QuitNewConnection
)  # fmt: skip

ANSWERED: Final = frozenset((Connect, Helo, Mail, Rcpt, Data, EndOfHeaders, Body, EndOfMessage, Unknown))
"""The events that `answer` is for."""

_PLAIN: Final[Mapping[bytes, Command]] = {
    b"T": Data(),
    b"N": EndOfHeaders(),
    b"A": Abort(),
    b"Q": Quit(),
    b"K": QuitNewConnection(),
}
_LETTERS: Final = {type(command): letter for letter, command in _PLAIN.items()}
_FAMILIES: Final = {family.value: family for family in Family}
_STAGES: Final = {stage.value: stage for stage in Stage}


def parse_strings(data: bytes) -> list[bytes]:
    """One or more strings, each with a NUL behind it."""
    if not data or data[-1]:
        raise ProtocolError("a string without its final NUL")
    return data[:-1].split(b"\0")


def format_strings(*words: bytes) -> bytes:
    """Each string with a NUL behind it."""
    return b"\0".join(words) + b"\0"


def parse_negotiation(data: bytes) -> Negotiation:
    """SMFIC_OPTNEG, from either side."""
    if len(data) < _OPTIONS.size:
        raise ProtocolError(f"{len(data)} bytes of options; want at least {_OPTIONS.size}")
    version, actions, protocol = _OPTIONS.unpack_from(data)
    return Negotiation(version, actions, protocol, tuple(_macro_lists(data[_OPTIONS.size :])))


def _macro_lists(data: bytes) -> Iterator[tuple[Stage, bytes]]:
    while data:
        names, nul, rest = data[_NUMBER.size :].partition(b"\0")
        if not nul:
            raise ProtocolError("a list of macros without its final NUL")
        (stage,) = _NUMBER.unpack_from(data)
        if stage in _STAGES:
            yield _STAGES[stage], names
        data = rest


def format_negotiation(negotiation: Negotiation) -> bytes:
    """The packet of `negotiation`."""
    data = _OPTIONS.pack(*negotiation[:3])
    for stage, names in negotiation.macros:
        data += _NUMBER.pack(stage) + names + b"\0"
    return format_packet(b"O", data)


def parse_connect(data: bytes) -> Connect:
    """SMFIC_CONNECT; the port is in network order."""
    host, nul, rest = data.partition(b"\0")
    family = _FAMILIES.get(rest[:1])
    if not nul or family is None:
        raise ProtocolError("a connection of a family that is not known")
    if family is Family.UNKNOWN:
        return Connect(host, family)
    if len(rest) < 1 + _PORT.size:
        raise ProtocolError("a connection without a port")
    (port,) = _PORT.unpack_from(rest, 1)
    (address, *_) = parse_strings(rest[1 + _PORT.size :])
    if family is Family.INET6 and address[:5].lower() == b"ipv6:":
        address = address[5:]  # as Sendmail writes it
    return Connect(host, family, port, address)


def parse_field(data: bytes) -> Field:
    """SMFIC_HEADER."""
    if data.count(b"\0") != 2 or data[-1]:
        raise ProtocolError("a header field is not two strings")
    return Field(*data[:-1].split(b"\0"))


def parse_string(data: bytes) -> bytes:
    """A single string with its NUL."""
    (text, *more) = parse_strings(data)
    if more:
        raise ProtocolError("more than one string")
    return text


def parse_command(letter: bytes, data: bytes) -> Command:
    """What an MTA has said."""
    plain = _PLAIN.get(letter)
    if plain is not None:
        return plain
    match letter:
        case b"O":
            return parse_negotiation(data)
        case b"D":
            return DefineMacros(data[:1], data[1:])
        case b"C":
            return parse_connect(data)
        case b"H":
            return Helo(parse_string(data))
        case b"M":
            address, *arguments = parse_strings(data)
            return Mail(address, tuple(arguments))
        case b"R":
            address, *arguments = parse_strings(data)
            return Rcpt(address, tuple(arguments))
        case b"L":
            return parse_field(data)
        case b"B":
            return Body(data)
        case b"E":
            return EndOfMessage(data)
        case b"U":
            return Unknown(parse_string(data))
    raise ProtocolError(f"{letter!r} is no command")


def format_command(command: Command) -> bytes:
    """The packet by which an MTA says `command`."""
    letter = _LETTERS.get(type(command))
    if letter is not None:
        return format_packet(letter)
    match command:
        case Negotiation():
            return format_negotiation(command)
        case DefineMacros():
            return format_packet(b"D", command.letter + command.pairs)
        case Connect(host, family, port, address):
            place = b"" if family is Family.UNKNOWN else _PORT.pack(port) + address + b"\0"
            return format_packet(b"C", host + b"\0" + family.value + place)
        case Helo(name):
            return format_packet(b"H", name + b"\0")
        case Mail(address, arguments):
            return format_packet(b"M", format_strings(address, *arguments))
        case Rcpt(address, arguments):
            return format_packet(b"R", format_strings(address, *arguments))
        case Field(name, value):
            return format_packet(b"L", format_strings(name, value))
        case Body(chunk):
            return format_packet(b"B", chunk)
        case EndOfMessage(chunk):
            return format_packet(b"E", chunk)
        case Unknown(line):
            return format_packet(b"U", line + b"\0")
    raise AssertionError(command)


def format_macros(letter: bytes, macros: Mapping[str, str]) -> bytes:
    """The packet that defines macros for the command with this letter; names as the MTA writes them."""
    words = [word.encode() for pair in macros.items() for word in pair]
    return format_command(DefineMacros(letter, format_strings(*words) if words else b""))


def macro_lists(macros: Mapping[Stage, Sequence[str]]) -> tuple[tuple[Stage, bytes], ...]:
    """Names of macros, as `Negotiation.macros` has them."""
    return tuple((stage, " ".join(names).encode()) for stage, names in sorted(macros.items()))
