"""What a filter answers the MTA, and what it changes in a message.

Field values are everything after the colon, as in `HeaderField.value`: usually with a blank in front. Whether the MTA
adds that blank itself is settled between MTA and session (SMFIP_HDR_LEADSPC), and nothing that a filter looks after.
Line ends in values may be CRLF or LF; they leave as LF, which is what milters send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntFlag
from typing import Final, NamedTuple

MAX_REPLY_LINES: Final = 32
MAX_REPLY_LINE: Final = 980
"""What Sendmail's library permits for a reply text: lines, and bytes a line."""

MAX_REASON: Final = 512
"""Bytes of a quarantine's reason."""

_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_BAD_LINE_END = re.compile(rb"\n(?![ \t])|[\r\0]")
_BAD_NAME = re.compile(rb"[^!-9;-~]")


class Action(IntFlag):
    """What a filter may do with a message; a session does without what was not agreed on (SMFIF_)."""

    ADD_HEADERS = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENTS = 0x04
    DELETE_RECIPIENTS = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20
    CHANGE_SENDER = 0x40
    ADD_RECIPIENTS_WITH_ARGUMENTS = 0x80
    NAME_MACROS = 0x100


class Response(NamedTuple):
    """An answer: its letter in the protocol (SMFIR_), and what goes with it. Compare with the constants below."""

    letter: bytes
    data: bytes = b""

    @property
    def final(self) -> bool:
        """Whether nothing more is asked about this message (about this recipient, as an answer to RCPT)."""
        return self.letter not in (b"c", b"s")


CONTINUE: Final = Response(b"c")
"""Go on."""
ACCEPT: Final = Response(b"a")
"""Take the message as it is, and ask no more about it (about the connection, at connect and HELO)."""
REJECT: Final = Response(b"r")
"""Refuse for good, with the MTA's own text."""
TEMPFAIL: Final = Response(b"t")
"""Refuse for now, with the MTA's own text."""
DISCARD: Final = Response(b"d")
"""Take the message and throw it away."""
SKIP: Final = Response(b"s")
"""Send no more of the body; for MTAs that cannot do that, the rest of the body is read and dropped."""


def reply(code: int, enhanced: str, text: str | Sequence[str]) -> Response:
    """Refuse with `code` (4yz or 5yz), an enhanced status code of the same class (RFC 3463), and a text of one or more
    lines. What cannot stand in a reply becomes `?`; what is too long is cut. `ValueError` for wrong codes.
    """
    if not 400 <= code <= 599 or not _ENHANCED.fullmatch(enhanced) or enhanced[0] != str(code)[0]:
        raise ValueError(f"{code} {enhanced} cannot be a reply: want 4yz 4.y.z or 5yz 5.y.z")
    lines = ([text] if isinstance(text, str) else list(text))[:MAX_REPLY_LINES] or [""]
    room = MAX_REPLY_LINE - len(enhanced) - 5
    written = [_UNPRINTABLE.sub(b"?", line.encode("utf-8", "replace"))[:room] for line in lines]
    # Sendmail takes the text for a format; Postfix halves what is doubled (libmilter's smfi_setreply).
    last = len(written) - 1
    data = b"\r\n".join(
        b"%d%s%s %s" % (code, b" " if number == last else b"-", enhanced.encode(), line.replace(b"%", b"%%"))
        for number, line in enumerate(written)
    )
    return Response(b"y", data + b"\0")


class AddField(NamedTuple):
    """A field at the end of the header."""

    name: bytes
    value: bytes


class InsertField(NamedTuple):
    """A field at `position`: 0 is the top, above the MTA's own Received field; 1 is below that. Insert after deleting:
    MTAs count what was inserted."""

    position: int
    name: bytes
    value: bytes


class ChangeField(NamedTuple):
    """Another value for the field of this name at `position`, counted from 1; an empty one deletes the field."""

    position: int
    name: bytes
    value: bytes


class AddRecipient(NamedTuple):
    """One more recipient, with ESMTP arguments."""

    address: bytes
    arguments: bytes = b""


class DeleteRecipient(NamedTuple):
    """One recipient less; the address as it came."""

    address: bytes


class ChangeSender(NamedTuple):
    """Another reverse-path, with ESMTP arguments."""

    address: bytes
    arguments: bytes = b""


class Quarantine(NamedTuple):
    """The message is held."""

    reason: bytes


class ReplaceBody(NamedTuple):
    """The body becomes the chunks of all of these; Postfix wants them in a row."""

    chunk: bytes


Modification = (
    AddField | InsertField | ChangeField | AddRecipient | DeleteRecipient | ChangeSender | Quarantine | ReplaceBody
)

_NEEDED: Final[dict[type, Action]] = {
    AddField: Action.ADD_HEADERS,
    InsertField: Action.ADD_HEADERS,
    ChangeField: Action.CHANGE_HEADERS,
    AddRecipient: Action.ADD_RECIPIENTS,
    DeleteRecipient: Action.DELETE_RECIPIENTS,
    ChangeSender: Action.CHANGE_SENDER,
    Quarantine: Action.QUARANTINE,
    ReplaceBody: Action.CHANGE_BODY,
}


class Changes:
    """Collects what is to be done with a message at its end, in this order.

    `ValueError` for what was not declared in `Filter.actions` (ADD_RECIPIENTS_WITH_ARGUMENTS also where an MTA does not
    know it), or could not leave without becoming something else.
    """

    __slots__ = ("_allowed", "modifications")

    def __init__(self, allowed: Action) -> None:
        self._allowed = allowed
        self.modifications: list[Modification] = []

    def insert_field(self, raw: bytes, position: int = 0) -> None:
        """Inserts a whole field, as signers make it, with or without its final CRLF; on top by default."""
        self._add(InsertField(position, *_split(raw)))

    def add_field(self, raw: bytes) -> None:
        """Adds a whole field at the end of the header."""
        self._add(AddField(*_split(raw)))

    def change_field(self, position: int, raw: bytes) -> None:
        """Replaces a field: `position` is that among fields of the same name (`Header.occurrences`)."""
        self._add(ChangeField(position, *_split(raw)))

    def delete_field(self, position: int, name: bytes) -> None:
        """Deletes a field (`Header.occurrences`). Several of one name: the last one first."""
        self._add(ChangeField(position, name, b""))

    def add_recipient(self, address: bytes, arguments: bytes = b"") -> None:
        """Adds a recipient; with arguments where the MTA can (ADD_RECIPIENTS_WITH_ARGUMENTS)."""
        if arguments and Action.ADD_RECIPIENTS_WITH_ARGUMENTS not in self._allowed:
            raise ValueError("recipients with arguments: not declared, or not known to the MTA")
        self._add(AddRecipient(_text(address), _text(arguments)))

    def delete_recipient(self, address: bytes) -> None:
        """Removes a recipient, written as `Recipient.address` has it."""
        self._add(DeleteRecipient(_text(address)))

    def change_sender(self, address: bytes, arguments: bytes = b"") -> None:
        """Replaces the reverse-path."""
        self._add(ChangeSender(_text(address), _text(arguments)))

    def quarantine(self, reason: str) -> None:
        """Has the message held; the reason is for who looks after the queue."""
        self._add(Quarantine(_UNPRINTABLE.sub(b"?", reason.encode("utf-8", "replace"))[:MAX_REASON]))

    def replace_body(self, chunks: Iterable[bytes]) -> None:
        """Replaces the body, in wire form (CRLF)."""
        for chunk in chunks:
            self._add(ReplaceBody(chunk))

    def _add(self, modification: Modification) -> None:
        needed = _NEEDED[type(modification)]
        if needed not in self._allowed:
            raise ValueError(f"the filter has not declared {needed.name} (Filter.actions)")
        if isinstance(modification, InsertField | ChangeField) and not 0 <= modification.position < 2**31:
            raise ValueError(f"{modification.position} is not a position")
        self.modifications.append(modification)


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """Name and value of a whole field; `ValueError` for one that would not arrive as one field."""
    raw = raw.removesuffix(b"\n").removesuffix(b"\r").replace(b"\r\n", b"\n")
    name, colon, value = raw.partition(b":")
    name = name.rstrip(b" \t")
    if not colon or not name or _BAD_NAME.search(name):
        raise ValueError("not a header field: there is no field name")
    if _BAD_LINE_END.search(value) or not value.strip():
        raise ValueError("not a header field: the value is empty, or has line ends or NULs where they cannot be")
    return name, value


def _text(text: bytes) -> bytes:
    if b"\0" in text or b"\r" in text or b"\n" in text:
        raise ValueError("an address or argument is one line")
    return text
