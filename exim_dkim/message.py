"""A message as header fields and a body (RFC 5322 §2), from bytes; nothing is decoded and nothing is lost.

The engine works on the wire form: lines end in CRLF. Exim's files have LF; `to_wire` makes one into the other. A lone
CR or LF in wire form is data. A line without a field name (no colon, or a continuation before any field) is kept as a
field with an empty name, which nothing can refer to; `is_well_formed` says whether there is such a thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exim_dkim.lazypattern import lazy_pattern

_BLANKS = b" \t"
_NAME_CHARACTERS = bytes(range(33, 127))  # RFC 5322 §2.2, and the colon that ends a name
_FIELD_START = lazy_pattern(rb"\r\n(?![ \t])")


class HeaderField(NamedTuple):
    """One header field. `name` is lower case without blanks; `raw` is the whole field without its final CRLF."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """Everything after the colon, still folded."""
        return self.raw.partition(b":")[2]


class Message(NamedTuple):
    """A parsed message: its fields, and where in `data` the body begins. `has_body`: there was an empty line."""

    fields: tuple[HeaderField, ...]
    data: bytes
    body_start: int
    has_body: bool

    @property
    def body(self) -> bytes:
        """What follows the empty line; a copy."""
        return self.data[self.body_start :]

    def body_chunks(self, size: int = 65536) -> Iterator[bytes]:
        """The body in pieces of `size` bytes, without a copy of the whole."""
        for start in range(self.body_start, len(self.data), size):
            yield self.data[start : start + size]


_new = tuple.__new__  # a third of the time of HeaderField(name, raw), and a header has many


def field_name(written: bytes) -> bytes:
    """A field name as `HeaderField` has it, from the text before the colon."""
    return written.strip(b" \t\r\n").lower()


def to_wire(data: bytes) -> bytes:
    """`data` with CRLF line ends.

    A text whose first line ends in CRLF is taken to be in wire form and returned as it is; in any other every LF is a
    line end, as in Exim's spool and in files.
    """
    first = data.find(b"\n")
    if first < 0 or (first > 0 and data[first - 1] == 13):
        return data
    return data.replace(b"\n", b"\r\n")


def parse_field(raw: bytes) -> HeaderField:
    """A field from its text without the final CRLF."""
    name, colon, _ = raw.partition(b":")
    if not colon or raw[0] in _BLANKS:
        return HeaderField(b"", raw)
    return _new(HeaderField, (name.rstrip(_BLANKS).lower(), raw))


def parse_header(header: bytes) -> tuple[HeaderField, ...]:
    """The fields of a header in wire form, with or without the CRLF after the last one."""
    if header.endswith(b"\r\n"):
        header = header[:-2]
    if not header:
        return ()
    # `parse_field` in place: a call for each of some dozens of fields shows.
    return tuple(
        [
            _new(HeaderField, (name.rstrip(_BLANKS).lower() if colon and raw[0] not in _BLANKS else b"", raw))
            for raw in _FIELD_START.split(header)
            for name, colon, _ in (raw.partition(b":"),)
        ]
    )


def is_well_formed(fields: Sequence[HeaderField]) -> bool:
    """Whether every line belongs to a field that has a name (RFC 5322 §2.2), and no CR or LF stands alone.

    Of any other header readers disagree where it ends and what fields it has: to Exim and many others, a line that is
    no field begins the body.
    """
    if not fields:
        return True
    names, raws = zip(*fields)  # noqa: B905  every field has both
    joined = b":".join(names)  # no name has a colon
    if not names[0] or not names[-1] or b"::" in joined or joined.translate(None, _NAME_CHARACTERS):
        return False
    text = b"".join(raws)
    return len(text) - len(text.translate(None, b"\r\n")) == 2 * text.count(b"\r\n")


def parse_message(data: bytes) -> Message:
    """A message in wire form. Never fails: any bytes are a message."""
    if data.startswith(b"\r\n"):
        return Message((), data, 2, True)
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return Message(parse_header(data), data, len(data), False)
    return Message(parse_header(data[:end]), data, end + 4, True)
