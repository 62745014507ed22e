"""Look-up in a file of lines `key: value` (Exim specification §9.3, lsearch). The case of keys does not count.

A key ends at a colon or white space, or is in double quotes. Lines that begin with white space continue the value;
empty lines and those that begin with # are ignored, but end the continuation of what they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.lookups import LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain

_BLANKS = b" \t\n\r\v\f"
_KEY = re.compile(rb"[^:\s]*")
_QUOTED_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"?', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{0,2})|(.))", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def find(request: Request) -> Value | None:
    """The value of the first line with this key."""
    wanted = request.key.lower()
    return search_lines(request, lambda key: key.lower() == wanted)


def search_lines(request: Request, matches: Callable[[bytes], bool]) -> Value | None:
    """The value of the first line whose key matches; with `ret=full` the whole line."""
    for option in request.options:
        if option != b"ret=full":
            raise LookupDeferred(f"unknown option for lsearch lookup: {option.decode('utf-8', 'backslashreplace')}")
    lines = iter(_lines(request))
    for line in lines:
        if line[:1] in (b"", b"#") or line[0] in _BLANKS:
            continue
        key, end = _key(line)
        if not matches(key):
            continue
        if request.options:
            start = 0
        else:
            start = _skip(line, end)
            if line[start : start + 1] == b":":
                start = _skip(line, start + 1)
        return plain(line[start:] + b"".join(_continuations(lines)))
    return None


def _lines(request: Request) -> list[bytes]:
    """The lines of the file, without blanks at their ends."""
    try:
        content = request.files.read(request.file)
    except FileTrouble as error:
        shown = request.file.decode("utf-8", "backslashreplace")
        raise LookupFailed(f"failed to open {shown} for linear search: {error}") from None
    return [line.partition(b"\0")[0].rstrip(_BLANKS) for line in content.split(b"\n")]


def _continuations(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if not line or line[0] not in _BLANKS:
            return
        yield b" " + line.lstrip(_BLANKS)


def _skip(line: bytes, position: int) -> int:
    while position < len(line) and line[position] in _BLANKS:
        position += 1
    return position


def _key(line: bytes) -> tuple[bytes, int]:
    """The key of a line and where it ends."""
    match = _QUOTED_KEY.match(line)
    if match is not None:
        return _ESCAPE.sub(_unescape, match[1]), match.end()
    match = _KEY.match(line)
    assert match is not None
    return match[0], match.end()


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, other = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal or b"0", 16)])
    return _CONTROL.get(other, other)
