"""What the MTA tells of a connection and of a message: the values that filters are given. Bytes throughout."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from exim_dkim.envelope import ClientAddress, Envelope, parse_client
from exim_dkim.errors import ParseError
from exim_dkim.message import HeaderField, parse_header

MAX_HELD: Final = 1024 * 1024
"""Bytes of header, and as many of recipients, that are kept of one message: what Exim permits for a header by default
(header_maxsize), ten times Postfix's limit for one field, and 32 times Sendmail's MaxHeadersLength. What is beyond is
dropped, and marked as cut."""

ENTRY: Final = 64
"""What the shortest field or recipient is counted as, for the memory that it takes."""


class Stage(IntEnum):
    """When macros come; the numbers are the protocol's (SMFIM_)."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    END_OF_MESSAGE = 5
    END_OF_HEADERS = 6


class Family(Enum):
    """Where a client came from (SMFIA_)."""

    UNKNOWN = b"U"
    UNIX = b"L"
    INET = b"4"
    INET6 = b"6"


IN_ORDER: Final = (
    Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_HEADERS, Stage.END_OF_MESSAGE,
)  # fmt: skip


class Macros:
    """The MTA's macros: `macros.get("i")`, `macros.get("auth_authen")`, with or without braces around the name.

    A name that came at several stages has the value of the latest. Those of a message are gone when it ends.
    """

    __slots__ = ("_packets", "_values")

    def __init__(self) -> None:
        self._packets: dict[Stage, bytes] = {}
        self._values: dict[bytes, bytes] | None = None

    def get(self, name: str) -> bytes | None:
        """The value of a macro; None when the MTA has not sent it."""
        if self._values is None:
            self._values = dict(self._pairs())
        return self._values.get(name.strip("{}").encode())

    def define(self, stage: Stage, pairs: bytes) -> None:
        """Takes the macros of a stage, `name NUL value NUL …`, in place of those that it had."""
        self._packets[stage] = pairs
        self._values = None

    def forget_after(self, stage: Stage) -> None:
        """Forgets what belongs to later stages."""
        place = IN_ORDER.index(stage)
        for later in IN_ORDER[place + 1 :]:
            if self._packets.pop(later, None) is not None:
                self._values = None

    def _pairs(self) -> Iterator[tuple[bytes, bytes]]:
        for stage in IN_ORDER:
            words = self._packets.get(stage, b"").split(b"\0")
            for name, value in zip(words[::2], words[1::2], strict=False):
                yield name.removeprefix(b"{").removesuffix(b"}"), value


class Connection:
    """An SMTP client of the MTA. `state` is the filter's own, for what it keeps between messages."""

    __slots__ = ("_client", "address", "family", "helo", "host", "macros", "port", "state")

    def __init__(self) -> None:
        self.host = b""
        """Its name as the MTA found it; `[192.0.2.1]` when there is none."""
        self.family = Family.UNKNOWN
        self.address = b""
        """Its IP address as text, or the path of a Unix socket; empty when unknown."""
        self.port = 0
        self.helo = b""
        self.macros = Macros()
        self.state: object = None
        self._client: tuple[bytes, ClientAddress | None] = (b"", None)  # what was read, and what it came to

    @property
    def client(self) -> ClientAddress | None:
        """The client's IP address; None when it has none, or none that can be read."""
        if self.family not in (Family.INET, Family.INET6):
            return None
        if self._client[0] != self.address:
            self._client = self.address, _read_client(self.address)
        return self._client[1]


def _read_client(address: bytes) -> ClientAddress | None:
    try:
        return parse_client(address)
    except ParseError:
        return None


class Recipient(NamedTuple):
    """`address` as it came, with its angle brackets; `arguments`: of ESMTP, one `NOTIFY=NEVER` each."""

    address: bytes
    arguments: tuple[bytes, ...] = ()


class Header:
    """The header of a message, as the MTA passed it on.

    `cut`: it was longer than a session keeps (`MAX_HELD`); the rest is missing, so no verdict can rest on it.
    """

    __slots__ = ("_fields", "_raw", "cut")

    def __init__(self, raw: Sequence[bytes] = (), cut: bool = False) -> None:
        """`raw`: `name:value` each, with the MTA's line ends, which are LF."""
        self._raw = [*raw]
        self._fields: tuple[HeaderField, ...] | None = None
        self.cut = cut

    def add(self, raw: bytes) -> None:
        """Adds a field while the header comes in."""
        self._raw.append(raw)

    @property
    def text(self) -> bytes:
        """The header in wire form (CRLF), with a final CRLF."""
        text = b"\n".join(self._raw)
        if b"\r\n" in text:
            text = text.replace(b"\r\n", b"\n")
        return text.replace(b"\n", b"\r\n") + b"\r\n" if self._raw else b""

    @property
    def fields(self) -> tuple[HeaderField, ...]:
        """The fields as the engine wants them: read from `text`, so that an odd one is what every reader sees."""
        if self._fields is None:
            self._fields = parse_header(self.text)
        return self._fields

    def occurrences(self, name: bytes) -> list[tuple[int, bytes]]:
        """Number and value of each field of this name, counted from 1 as the MTA counts (`Changes.delete_field`)."""
        wanted = name.lower()
        found: list[tuple[int, bytes]] = []
        for raw in self._raw:
            written, _, value = raw.partition(b":")
            if written.rstrip(b" \t").lower() == wanted:
                found.append((len(found) + 1, value))
        return found

    def without(self, name: bytes, numbers: Collection[int]) -> Header:
        """The header when the fields of this name with these numbers (`occurrences`) are deleted."""
        wanted, kept, count = name.lower(), [], 0
        for raw in self._raw:
            if raw.partition(b":")[0].rstrip(b" \t").lower() == wanted:
                count += 1
                if count in numbers:
                    continue
            kept.append(raw)
        return Header(kept, self.cut)


class Transaction:
    """One message on its way: envelope, macros, and later its header."""

    __slots__ = (
        "_held_fields", "_held_recipients", "arguments", "connection", "header", "recipients", "recipients_cut",
        "sender",
    )  # fmt: skip

    def __init__(self, connection: Connection, sender: bytes, arguments: tuple[bytes, ...]) -> None:
        self.connection = connection
        self.sender = sender
        """The reverse-path without angle brackets; empty for the null one."""
        self.arguments = arguments
        self.recipients: list[Recipient] = []
        """Those that the MTA has asked about so far; it may have refused some later on."""
        self.recipients_cut = False
        """True when there were too many to remember."""
        self.header = Header()
        """Complete at `end_of_headers`."""
        self._held_fields = self._held_recipients = 0

    def add_recipient(self, recipient: Recipient) -> None:
        """Remembers a recipient, within `MAX_HELD`."""
        self._held_recipients += ENTRY + len(recipient.address) + sum(map(len, recipient.arguments))
        if self._held_recipients <= MAX_HELD:
            self.recipients.append(recipient)
        else:
            self.recipients_cut = True

    def add_field(self, raw: bytes) -> None:
        """Remembers a header field, `name:value`, within `MAX_HELD`."""
        # A line end that folds nothing begins another field (`Header.fields`), though no MTA sends one.
        fields = 1 + raw.count(b"\n") - raw.count(b"\n ") - raw.count(b"\n\t") if b"\n" in raw else 1
        self._held_fields += ENTRY * fields + len(raw)
        if self._held_fields <= MAX_HELD:
            self.header.add(raw)
        else:
            self.header.cut = True

    @property
    def macros(self) -> Macros:
        """The macros that are known by now, those of the connection included."""
        return self.connection.macros

    @property
    def envelope(self) -> Envelope:
        """Client, HELO and reverse-path as the engine wants them."""
        return Envelope(self.connection.client, self.connection.helo, self.sender)

    @property
    def queue_id(self) -> bytes:
        """The MTA's name for the message, for logs; empty while it has none (Postfix: before the first recipient)."""
        return self.macros.get("i") or b""


def without_brackets(address: bytes) -> bytes:
    """An address without the angle brackets that MAIL has around it."""
    address = address.strip()
    return address[1:-1] if address.startswith(b"<") and address.endswith(b">") else address
