"""Look-up in a file of lines `key: value` (Exim specification §9.3, lsearch). The case of keys does not count.

A key ends at a colon or white space, or is in double quotes. Lines that begin with white space continue the value;
empty lines and those that begin with # are ignored, but end the continuation of what they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable, unescape
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazypattern import lazy_pattern

_BLANKS = b" \t\n\r\v\f"
_KEY = lazy_pattern(rb"[^:\s]*")
_QUOTED_KEY = lazy_pattern(rb'"((?:[^"\\]|\\.)*)"?', re.DOTALL)


def find(request: Request) -> Value | None:
    """The value of the first line with this key."""
    wanted = request.key.lower()
    return search_lines(request, lambda key: key.lower() == wanted)


def search_lines(request: Request, matches: Callable[[bytes], bool]) -> Value | None:
    """The value of the first line whose key matches; with `ret=full` the whole line."""
    for option in request.options:
        if option != b"ret=full":
            raise LookupDeferred(f"unknown option for lsearch lookup: {printable(option)}")
    lines = iter(_lines(request))
    for line in lines if request.key else ():
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
        shown = printable(request.file)
        if str(error) == "not a regular file":
            raise LookupFailed(f"{shown} is not a regular file (lsearch lookup)") from None
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
        return unescape(match[1]), match.end()
    match = _KEY.match(line)
    assert match is not None
    return match[0], match.end()


LOOKUP: Final = Lookup(find)
