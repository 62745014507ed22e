"""Canonicalisation for header fields and for the body: `simple` and `relaxed` of DKIM (RFC 6376 §3.4), `simple` and
`nofws` of DomainKeys (RFC 4870 §3.4.2), and `nowsp` of the first DKIM drafts (draft-allman-dkim-base-00 §3.4).

Works on wire form (CRLF). A body canonicaliser is fed chunks cut anywhere and hands canonical bytes to a sink; it keeps
only white space whose fate is not decided yet, and that as counts, so its memory does not grow with the message. All
work is done by `replace`, `strip` and `in` on whole chunks: measured 10 to 30 times faster than regular expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from exim_dkim.message import HeaderField

if TYPE_CHECKING:
    Sink = Callable[[bytes], object]

CRLF: Final = b"\r\n"
_EMPTY_LINES_AT_ONCE: Final = 32768
# Stands for something else in texts that have no such byte of their own.
_MARK: Final = b"\0"
_MARKS: Final = (_MARK, b"\1", b"\x7f", b"\x02")
_WHITE_SPACE: Final = b" \t\r\n"


class BodyCanonicalizer(Protocol):
    """What every body canonicalisation offers."""

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body, in wire form, cut anywhere."""

    def finish(self) -> None:
        """The body is complete: hand on what was held back and the final CRLF."""


class _Body:
    """Empty lines at the end of the body are not part of it; until more text comes they are only counted."""

    __slots__ = ("_empty_lines", "_held", "_sink", "_written")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._empty_lines = 0
        self._held = b""  # white space at the end of the last chunk, after the empty lines
        self._written = False

    def _write(self, text: bytes) -> None:
        """Hand on `text`, before it the empty lines that turn out to be inside the body."""
        if self._empty_lines:
            lines, self._empty_lines = self._empty_lines, 0
            while lines > _EMPTY_LINES_AT_ONCE:
                self._sink(CRLF * _EMPTY_LINES_AT_ONCE)
                lines -= _EMPTY_LINES_AT_ONCE
            text = CRLF * lines + text
        self._written = True
        self._sink(text)

    def _take_ends(self, text: bytes, ends: bytes) -> None:
        """Hand on `text`; of the CR, LF and blanks in `ends` only what is not a run of CRLF at the end."""
        pairs = len(ends) >> 1
        if ends != CRLF * pairs:  # rare: a lone CR or LF, or a blank line's remains
            marked = ends.replace(CRLF, _MARK)
            inner = marked.rstrip(_MARK)
            pairs = len(marked) - len(inner)
            text += inner.replace(_MARK, CRLF)
        if text:
            self._write(text)
        self._empty_lines += pairs


class SimpleBody(_Body):
    """RFC 6376 §3.4.3: empty lines at the end become one CRLF; an empty body is one CRLF."""

    __slots__ = ()

    def update(self, chunk: bytes) -> None:
        """See `BodyCanonicalizer`."""
        data = self._held + chunk
        text = data.rstrip(CRLF)
        ends = data[len(text) :]
        if ends.endswith(b"\r"):
            self._held, ends = b"\r", ends[:-1]
        else:
            self._held = b""
        self._take_ends(text, ends)

    def finish(self) -> None:
        """See `BodyCanonicalizer`."""
        if self._held:
            self._write(self._held)
        self._sink(CRLF)


class RelaxedBody(_Body):
    """RFC 6376 §3.4.4: blanks at line ends go, runs of blanks become one space; an empty body stays empty.

    Where the last line has no CRLF the RFC does not say whether blanks at its end come before or after the CRLF that is
    added. Here they go; the others disagree among themselves (tests/peers). Exim always sends the CRLF.
    """

    __slots__ = ()

    def update(self, chunk: bytes) -> None:
        """See `BodyCanonicalizer`."""
        data = self._held + chunk
        text = data.rstrip(b" \t\r\n")
        ends = data[len(text) :]
        self._held = b""
        if ends and ends != CRLF:
            ends = _reduce_blanks(ends)
            kept = ends.removesuffix(b"\r").removesuffix(b" ")
            self._held, ends = ends[len(kept) :], kept
        self._take_ends(_reduce_blanks(text), ends)

    def finish(self) -> None:
        """See `BodyCanonicalizer`."""
        if self._held.endswith(b"\r"):
            self._write(self._held)
        if self._written:
            self._sink(CRLF)


class DomainKeysSimpleBody(SimpleBody):
    """RFC 4870 §3.4.2.1, with the empty line before the body: empty lines at the end go, that one too."""

    __slots__ = ()

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._empty_lines = 1

    def finish(self) -> None:
        """See `BodyCanonicalizer`. The last line gets its CRLF."""
        if self._held:
            self._write(self._held)
        if self._written:
            self._sink(CRLF)


class NofwsBody(DomainKeysSimpleBody):
    """RFC 4870 §3.4.2.2: as above, and every blank, lone CR and lone LF goes before a line is looked at.

    A line ends at a CRLF of the message. Where blanks stand between CR and LF, Mail::DKIM sees a line end, too.
    """

    __slots__ = ()

    def update(self, chunk: bytes) -> None:
        """See `BodyCanonicalizer`."""
        data = self._held + chunk
        if data.endswith(b"\r"):
            self._held, data = b"\r", data[:-1]
        else:
            self._held = b""
        lines = _remove_blanks(data)
        text = lines.rstrip(CRLF)
        if text:
            self._write(text)
        self._empty_lines += (len(lines) - len(text)) >> 1

    def finish(self) -> None:
        """See `BodyCanonicalizer`. A CR that nothing followed is a blank."""
        if self._written:
            self._sink(CRLF)


class NowspBody:
    """draft-allman-dkim-base-00 §3.4: without any white space, line ends included."""

    __slots__ = ("_sink",)

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def update(self, chunk: bytes) -> None:
        """See `BodyCanonicalizer`."""
        self._sink(chunk.translate(None, _WHITE_SPACE))

    def finish(self) -> None:
        """See `BodyCanonicalizer`."""


def simple_body(body: bytes) -> bytes:
    """A whole body, of moderate size, as `SimpleBody` makes it."""
    if body.endswith(CRLF) and body[-3:-2] not in (b"\r", b"\n"):
        return body
    return _stream(SimpleBody, body)


def relaxed_body(body: bytes) -> bytes:
    """A whole body, of moderate size, as `RelaxedBody` makes it."""
    text = _reduce_blanks(body)
    if text.endswith(CRLF) and text[-3:-2] not in (b"\r", b"\n", b""):
        return text
    return _stream(RelaxedBody, body)


def domainkeys_simple_body(body: bytes) -> bytes:
    """A whole body, of moderate size, as `DomainKeysSimpleBody` makes it."""
    if body.endswith(CRLF) and body[-3:-2] not in (b"\r", b"\n", b""):
        return CRLF + body
    return _stream(DomainKeysSimpleBody, body)


def nofws_body(body: bytes) -> bytes:
    """A whole body, of moderate size, as `NofwsBody` makes it."""
    text = _remove_blanks(body).rstrip(CRLF)
    return CRLF + text + CRLF if text else b""


def nowsp_body(body: bytes) -> bytes:
    """A whole body as `NowspBody` makes it."""
    return body.translate(None, _WHITE_SPACE)


def _stream(canonicalize: Callable[[Sink], BodyCanonicalizer], body: bytes) -> bytes:
    """For what is unusual at the end of a body."""
    pieces: list[bytes] = []
    canonicalizer = canonicalize(pieces.append)
    canonicalizer.update(body)
    canonicalizer.finish()
    return b"".join(pieces)


def _reduce_blanks(text: bytes) -> bytes:
    """Runs of blanks become one space, and none is left before a CRLF."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    end = text.rfind(b" ")
    if end < 0:
        return text
    # What comes after the last blank, such as an attachment in base64, need not be searched.
    end += len(b" \r\n")
    text, rest = text[:end], text[end:]
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    if b" \r\n" in text:
        text = text.replace(b" \r\n", CRLF)
    return text + rest


def _remove_blanks(text: bytes) -> bytes:
    """`text` with its CRLFs and without any other white space."""
    mark = next((mark for mark in _MARKS if mark not in text), None)
    if mark is None:  # hostile or binary
        return CRLF.join([line.translate(None, _WHITE_SPACE) for line in text.split(CRLF)])
    marked = text.replace(CRLF, mark)
    if b" " in marked or b"\t" in marked or b"\r" in marked or b"\n" in marked:
        return marked.translate(None, _WHITE_SPACE).replace(mark, CRLF)
    return text  # such as an attachment in base64


def simple_field(field: HeaderField) -> bytes:
    """RFC 6376 §3.4.1: the field as it is; without the final CRLF."""
    return field.raw


def relaxed_field(field: HeaderField) -> bytes:
    """RFC 6376 §3.4.2: lower-case name, unfolded, runs of blanks reduced; without the final CRLF."""
    return field.name + b":" + relaxed_value(field.raw.partition(b":")[2])


def relaxed_value(value: bytes) -> bytes:
    """The value of a field under relaxed canonicalisation."""
    words = value.replace(CRLF, b"").replace(b"\t", b" ").split(b" ")
    return b" ".join(filter(None, words))


def simple_fields(fields: Sequence[HeaderField]) -> bytes:
    """`simple_field` of each, joined by CRLF."""
    return CRLF.join([raw for _, raw in fields])


def relaxed_fields(fields: Sequence[HeaderField]) -> bytes:
    """`relaxed_field` of each, joined by CRLF; all values are worked on at once, with marks between them."""
    text = _MARK.join([raw.partition(b":")[2] for _, raw in fields])
    if text.count(_MARK) != len(fields) - 1:  # rare: the mark stands in a field
        return CRLF.join(map(relaxed_field, fields))
    text = text.replace(CRLF, b"").replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    values = text.replace(b" " + _MARK, _MARK).replace(_MARK + b" ", _MARK).strip(b" ").split(_MARK)
    return CRLF.join([name + b":" + value for (name, _), value in zip(fields, values, strict=True)])


def nofws_fields(fields: Sequence[HeaderField]) -> bytes:
    """RFC 4870 §3.4.2.2: each field unfolded and without blanks, its name as written; joined by CRLF."""
    text = _MARK.join([raw for _, raw in fields])
    if text.count(_MARK) != len(fields) - 1:  # rare: the mark stands in a field
        return CRLF.join([raw.translate(None, _WHITE_SPACE) for _, raw in fields])
    return text.translate(None, _WHITE_SPACE).replace(_MARK, CRLF)


def nowsp_fields(fields: Sequence[HeaderField]) -> bytes:
    """draft-allman-dkim-base-00 §3.4: lower-case names, no white space at all; joined by CRLF."""
    return CRLF.join([name + b":" + raw.partition(b":")[2].translate(None, _WHITE_SPACE) for name, raw in fields])


HEADER_CANONICALIZATIONS: Final[dict[str, Callable[[Sequence[HeaderField]], bytes]]] = {
    "simple": simple_fields,
    "relaxed": relaxed_fields,
}
WHOLE_BODY_CANONICALIZATIONS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "simple": simple_body,
    "relaxed": relaxed_body,
}
BODY_CANONICALIZATIONS: Final[dict[str, Callable[[Sink], BodyCanonicalizer]]] = {
    "simple": SimpleBody,
    "relaxed": RelaxedBody,
}

# Beyond RFC 6376: by the names that the signatures have (headers), and by names of our own (bodies).
DOMAINKEYS_HEADERS: Final[dict[str, Callable[[Sequence[HeaderField]], bytes]]] = {
    "simple": simple_fields,
    "nofws": nofws_fields,
}
LEGACY_HEADERS: Final[dict[str, Callable[[Sequence[HeaderField]], bytes]]] = {
    "simple": simple_fields,
    "nowsp": nowsp_fields,
}
ALL_WHOLE_BODIES: Final[dict[str, Callable[[bytes], bytes]]] = {
    **WHOLE_BODY_CANONICALIZATIONS,
    "domainkeys-simple": domainkeys_simple_body,
    "domainkeys-nofws": nofws_body,
    "nowsp": nowsp_body,
}
ALL_BODIES: Final[dict[str, Callable[[Sink], BodyCanonicalizer]]] = {
    **BODY_CANONICALIZATIONS,
    "domainkeys-simple": DomainKeysSimpleBody,
    "domainkeys-nofws": NofwsBody,
    "nowsp": NowspBody,
}
