"""Exim's `-H` file: envelope, variables and header of a message in the queue (Exim specification, chapter 57).

The format of all Exim 4 versions. Pure. The manual does not call it an interface, so it is read defensively: unknown
option lines are skipped, anything else that is not understood raises SpoolError.

    ID-H / login uid gid / <sender> / time warnings / *option-line / non-recipients / count / *recipient / "" / *field
    option-line = "-" [ "-" [ "(" lookup ")" ] ] name [ " " value ]     ; two dashes: the value is tainted
    acl-line    = … ( "aclc" / "aclm" ) " " name " " length LF value LF ; the value may hold line ends
    field       = length type " " content                               ; length counts the content with its LF
"""

from __future__ import annotations

import re
from typing import Final

from exim_dkim.errors import EximDkimError
from exim_dkim.expansion.value import Value
from exim_dkim.lazypattern import lazy_pattern

MAX_RECIPIENTS: Final = 1_000_000  # a count that no message has; Exim reads as many as it says

_OPTION = lazy_pattern(rb"-(-(?:\([^)]*\))?)?([A-Za-z][A-Za-z0-9_]*|N)(?: (.*))?", re.DOTALL)
_LENGTH = lazy_pattern(rb"([0-9]{3,9})(.) ", re.DOTALL)
_OWNER = lazy_pattern(rb"(.*) (-?[0-9]{1,19}) (-?[0-9]{1,19})", re.DOTALL)
_TIMES = lazy_pattern(rb"([0-9]{1,19}) ([0-9]{1,19})")
_NEW_DATA = lazy_pattern(rb"(.*)#([0-9]{1,9})", re.DOTALL)
_PAIR = lazy_pattern(rb"(.*?)([0-9]{1,9}),(-?[0-9]{1,9})", re.DOTALL)
_OLD_DATA = lazy_pattern(rb"(.*) [0-9,\-]+", re.DOTALL)


class SpoolError(EximDkimError):
    """A spool file that is not what Exim writes, or that cannot be read."""


class SpoolField:
    """A header field: `type` is Exim's letter, `*` for one that is not sent; `text` ends in LF, as all its lines."""

    __slots__ = ("text", "type")

    def __init__(self, kind: bytes, text: bytes) -> None:
        self.type = kind
        self.text = text


class SpoolHeader:
    """A parsed `-H` file. `options` has the option lines by name, `acl` the ACL variables (`acl_c_x`, `acl_m0`)."""

    __slots__ = (
        *("acl", "fields", "gid", "login", "message_id", "options"),
        *("received_time", "recipients", "sender", "uid", "warnings"),
    )

    message_id: bytes
    login: bytes
    uid: int
    gid: int
    sender: bytes
    received_time: int
    warnings: int
    options: dict[bytes, Value]
    acl: dict[bytes, Value]
    recipients: tuple[bytes, ...]
    fields: tuple[SpoolField, ...]


def parse_spool_header(data: bytes) -> SpoolHeader:
    """Parse a `-H` file. Raises SpoolError."""
    reader = _Reader(data)
    name = reader.line()
    if not name.endswith(b"-H"):
        raise SpoolError("the first line is not the name of a -H file")
    owner = _OWNER.fullmatch(reader.line())
    if owner is None:
        raise SpoolError("malformed line of login, uid and gid")
    sender = reader.line()
    if not (sender.startswith(b"<") and sender.endswith(b">")):
        raise SpoolError("malformed sender")
    times = _TIMES.fullmatch(reader.line())
    if times is None:
        raise SpoolError("malformed time of reception")
    header = SpoolHeader()
    header.message_id = name[:-2]
    header.login, header.uid, header.gid = owner[1], int(owner[2]), int(owner[3])
    header.sender = sender[1:-1]
    header.received_time, header.warnings = int(times[1]), int(times[2])
    header.options, header.acl = _options(reader)
    _skip_non_recipients(reader)
    header.recipients = _recipients(reader)
    if reader.line():
        raise SpoolError("no empty line before the header")
    header.fields = _fields(reader)
    return header


class _Reader:
    """Lines and counted bytes of a file."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def line(self) -> bytes:
        """The next line, without its LF."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise SpoolError("the file ends early")
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def take(self, length: int) -> bytes:
        """That many bytes."""
        taken = self.data[self.position : self.position + length]
        if len(taken) < length:
            raise SpoolError("the file ends early")
        self.position += length
        return taken


def _options(reader: _Reader) -> tuple[dict[bytes, Value], dict[bytes, Value]]:
    """The option lines and the ACL variables."""
    options: dict[bytes, Value] = {}
    acl: dict[bytes, Value] = {}
    while reader.data.startswith(b"-", reader.position):
        match = _OPTION.fullmatch(reader.line())
        if match is None:
            continue
        tainted, name, value = match[1] is not None, match[2], match[3] or b""
        if name in (b"acl", b"aclc", b"aclm"):
            variable, length = _acl_name(name, value)
            acl[variable] = Value(reader.take(length), tainted)
            if reader.take(1) != b"\n":
                raise SpoolError("malformed ACL variable")
        else:
            options[name] = Value(value, tainted)
    # Before Exim 4.95 the marks are missing or cannot be relied on; without them nothing is known to be clean.
    if b"received_time_complete" not in options:
        options = {name: Value(value.text, True) for name, value in options.items()}
        acl = {name: Value(value.text, True) for name, value in acl.items()}
    return options, acl


def _acl_name(kind: bytes, text: bytes) -> tuple[bytes, int]:
    """The name of an ACL variable and the length of its value."""
    name, _, digits = text.rpartition(b" ")
    if not name or not digits.isdigit() or len(digits) > 9:
        raise SpoolError("malformed ACL variable")
    if kind != b"acl":
        return b"acl_" + kind[3:] + name, int(digits)
    if not name.isdigit() or len(name) > 2:  # Exim before 4.61: 0-9 of the connection, 10-19 of the message
        raise SpoolError("malformed ACL variable")
    number = int(name)
    return (b"acl_c%d" % number if number < 10 else b"acl_m%d" % (number - 10)), int(digits)


def _skip_non_recipients(reader: _Reader) -> None:
    """The tree of addresses that are done with: `XX`, or one line a node that says which children follow."""
    line = reader.line()
    if line == b"XX":
        return
    pending = 1
    while True:
        if len(line) < 3 or line[0] not in b"YN" or line[1] not in b"YN" or line[2:3] != b" ":
            raise SpoolError("malformed tree of non-recipients")
        pending += line[:2].count(b"Y") - 1
        if not pending:
            return
        line = reader.line()


def _recipients(reader: _Reader) -> tuple[bytes, ...]:
    digits = reader.line()
    if not digits.isdigit() or len(digits) > 9 or int(digits) > MAX_RECIPIENTS:
        raise SpoolError("malformed number of recipients")
    return tuple(_recipient(reader.line()) for _ in range(int(digits)))


def _recipient(line: bytes) -> bytes:
    """The address of a recipient line; what else there is stands behind it, and is read from the right."""
    match = _NEW_DATA.fullmatch(line)
    if match is None:
        old = _OLD_DATA.fullmatch(line)
        return old[1] if old is not None else line
    rest, flags = match[1], int(match[2])
    for flag in (1, 2):  # errors_to and parent; then the original recipient and its DSN flags
        if flags & flag:
            pair = _last_pair(rest)
            if pair is None:
                return line
            rest, length = pair
            if length:
                rest = rest[:-length]
            rest = rest.removesuffix(b" ")
    return rest


def _last_pair(text: bytes) -> tuple[bytes, int] | None:
    """A text without the `length,number` at its end and the blank before it, and the length."""
    start = len(text)
    while start and text[start - 1] in b"0123456789,-":
        start -= 1
    match = _PAIR.fullmatch(text[start:])
    if match is None or match[1] or int(match[2]) > start or text[start - 1 : start] != b" ":
        return None
    return text[: start - 1], int(match[2])


def _fields(reader: _Reader) -> tuple[SpoolField, ...]:
    fields: list[SpoolField] = []
    while reader.position < len(reader.data):
        match = _LENGTH.match(reader.data, reader.position)
        if match is None:
            raise SpoolError("malformed length of a header field")
        reader.position = match.end()
        text = reader.take(int(match[1]))
        if not text.endswith(b"\n") or b"\0" in text:
            raise SpoolError("malformed header field")
        fields.append(SpoolField(match[2], text))
    return tuple(fields)
