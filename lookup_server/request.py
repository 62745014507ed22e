"""The look-up protocol: requests. Sans-IO: bytes in, a `Request` or a `RequestError` out.

A request is a first line `QUERY [KEY]`, lines `name = value`, an empty line, then optionally a message: header fields,
and optionally an empty line and the body. Line ends are LF or CRLF. It is complete at end of file, or when `length = N`
was given and N bytes have followed the empty line.

    dkim example.org
    control = dkim_verify
    message_exim_id = 1xUw9H-00013Q-2i
    spool_directory = /var/spool/exim4

    Received: ...

A value that begins with `"` is an Exim-quoted string, as `${quote:...}` makes them: whatever mail puts into it stays
one value. Unknown names are ignored; a known name that stands twice (`control` may) and a line that is not `name =
value` are errors. What the names mean: `service.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from exim_dkim.errors import EximDkimError

MAX_HEAD: Final = 64 * 1024
"""Bytes before the empty line. The longest honest head has a dozen lines."""

MAX_LINES: Final = 100
"""Lines before the empty line."""

NAMES: Final = frozenset(
    b"control length message_body_size message_exim_id primary_hostname queue_name sender_address sender_helo_name"
    b" sender_host_address spool_directory".split()
)
"""The names that mean something here."""

_PREFIXES: Final = (b"why", b"smtp")
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_CONTROL_CHARACTERS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LETTERS: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class RequestError(EximDkimError):
    """A request that is wrong. The text is for the administrator, in one line."""


class Request(NamedTuple):
    """A request. `query` is one word, or `why` or `smtp` and one word; `key` is what follows it, decoded.

    `values` are those of known names, decoded, without `control`; `controls` are all words of the `control` lines.
    `message` is everything after the empty line, as it came.
    """

    query: str
    key: bytes = b""
    values: Mapping[bytes, bytes] = {}
    controls: frozenset[bytes] = frozenset()
    message: bytes = b""

    def split(self) -> tuple[bytes, int | None, bool]:
        """The header, with its last line end; where the body begins in `message` (None: it did not come along); and
        whether lines end in CRLF, which the first one decides, as in `exim_dkim.message.to_wire`."""
        end = self.message.find(b"\n")
        wire = self.message[max(0, end - 1) : end + 1] == b"\r\n"
        newline = b"\r\n" if wire else b"\n"
        if self.message.startswith(newline):
            return b"", len(newline), wire
        end = self.message.find(newline + newline)
        if end < 0:
            return self.message, None, wire
        return self.message[: end + len(newline)], end + 2 * len(newline), wire

    def number(self, name: bytes) -> int | None:
        """A value that is a number; None when it was not given. Only for names in `_NUMBERS`."""
        text = self.values.get(name)
        return int(text) if text else None


_NUMBERS: Final = frozenset((b"length", b"message_body_size"))


class RequestReader:
    """Takes the bytes of one connection. After an error it holds nothing any more."""

    __slots__ = ("_chunks", "_dropped", "_error", "_head", "_length", "_max_size", "_request", "_size", "complete")

    def __init__(self, max_size: int) -> None:
        """`max_size`: bytes of the whole request."""
        self.complete = False
        self._max_size = max_size
        self._head = b""
        self._request: Request | None = None
        self._chunks: list[bytes] = []
        self._dropped = False
        self._size = 0  # of the message, so far
        self._length: int | None = None
        self._error: RequestError | None = None

    @property
    def error(self) -> RequestError | None:
        """What is wrong with the request, as soon as that is known."""
        return self._error

    @property
    def held(self) -> int:
        """Bytes held in memory."""
        return 0 if self._error or self._dropped else len(self._head) + self._size

    def feed(self, data: bytes) -> None:
        """The next bytes; sets `complete` when `length` says so."""
        if self._error or self.complete:
            return
        if self._request is None:
            data = self._feed_head(data)
        if data:
            if not self._dropped:
                self._chunks.append(data)
            self._size += len(data)
        if len(self._head) + self._size > self._max_size:
            self.refuse(f"the request is longer than {self._max_size} bytes (lookup_max_request)")
        elif self._length is not None and self._size >= self._length:
            self.complete = True

    def end(self) -> None:
        """End of file."""
        if not self.complete and self._request is None and self._error is None:
            self._parse(self._head)
        if self._length is not None and self._size < self._length:
            self.refuse(f"the request ends after {self._size} of {self._length} bytes (length)")
        self.complete = True

    def drop(self) -> None:
        """From now on the message is counted, but not kept: the request will be one without a message."""
        self._dropped = True
        self._chunks.clear()

    def refuse(self, text: str) -> None:
        """Makes the request an error, and forgets what has come."""
        self._error = self._error or RequestError(text)
        self._chunks.clear()
        self._head = b""

    def request(self) -> Request:
        """The complete request, or `RequestError`."""
        if self._error:
            raise self._error
        assert self._request is not None
        message = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return self._request._replace(message=message if self._length is None else message[: self._length])

    def _feed_head(self, data: bytes) -> bytes:
        """Takes what belongs to the head; the rest is returned."""
        start = max(0, len(self._head) - 2)
        head = self._head + data if self._head else data
        end = head.find(b"\n\n", start)
        other = head.find(b"\n\r\n", start, end + 1 if end >= 0 else len(head))
        if other >= 0:
            end, after = other, other + 3
        elif end >= 0:
            after = end + 2
        else:
            self._head = head
            if len(head) > MAX_HEAD:
                self.refuse(f"no empty line in the first {MAX_HEAD} bytes")
            return b""
        self._head = head[:end]
        if end > MAX_HEAD:
            self.refuse(f"no empty line in the first {MAX_HEAD} bytes")
        else:
            self._parse(self._head)
        return b"" if self._error else head[after:]

    def _parse(self, head: bytes) -> None:
        try:
            self._request = parse_head(head)
        except RequestError as error:
            self.refuse(str(error))
        else:
            self._length = self._request.number(b"length")


def parse_request(data: bytes) -> Request:
    """A whole request; `RequestError` when it is wrong. What is behind `length` bytes of message is dropped."""
    reader = RequestReader(len(data))
    reader.feed(data)
    reader.end()
    return reader.request()


def parse_head(head: bytes) -> Request:
    """The request without its message, from everything before the empty line."""
    first, *lines = head.removesuffix(b"\n").split(b"\n")
    if len(lines) >= MAX_LINES:
        raise RequestError(f"more than {MAX_LINES} lines before the empty line")
    query, key = _parse_first_line(first)
    values: dict[bytes, bytes] = {}
    controls: list[bytes] = []
    for number, line in enumerate(lines, 2):
        name, equals, value = line.partition(b"=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            missing = "; is the empty line before the message missing?" if b":" in name else ""
            raise RequestError(f"line {number} is not `name = value`{missing}")
        if name not in NAMES:
            continue
        text = _parse_value(value, f"line {number}")
        if name == b"control":
            controls += text.replace(b":", b" ").split()
        elif name in values:
            raise RequestError(f"line {number}: {name.decode()} is given twice")
        elif name in _NUMBERS and text and not _NUMBER.fullmatch(text):
            raise RequestError(f"line {number}: {name.decode()} is not a number")
        else:
            values[name] = text
    return Request(query, key, values, frozenset(controls))


def _parse_first_line(line: bytes) -> tuple[str, bytes]:
    word, _, rest = line.strip().partition(b" ")
    if word in _PREFIXES:
        second, _, rest = rest.lstrip().partition(b" ")
        word = word + b" " + second
    if not word:
        raise RequestError("the request is empty; want QUERY [KEY]")
    if len(word) > 40 or not word.isascii() or _CONTROL_CHARACTERS.search(word):
        raise RequestError("the first line is not `QUERY [KEY]`")
    return word.decode("ascii"), _parse_value(rest, "line 1")


def _parse_value(value: bytes, place: str) -> bytes:
    """A value, decoded if it is quoted."""
    value = value.strip(b" \t\r")
    if not value.startswith(b'"'):
        if _CONTROL_CHARACTERS.search(value):
            raise RequestError(f"{place}: a control character stands outside quotes")
        return value
    quoted = _QUOTED.fullmatch(value)
    if not quoted:
        raise RequestError(f"{place}: the quoted string does not end where the line ends")
    return _ESCAPE.sub(_unescape, quoted[1]) if b"\\" in value else quoted[1]


def _unescape(escape: re.Match[bytes]) -> bytes:
    """What follows a backslash, by the rules of Exim's string_interpret_escape."""
    text = escape[1]
    if text[:1] == b"x" and len(text) > 1:
        return bytes([int(text[1:], 16)])
    if text.isdigit() and text < b"8":
        return bytes([int(text, 8) & 255])
    return _LETTERS.get(text, text)
