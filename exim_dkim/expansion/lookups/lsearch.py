"""Look-up in a file of lines `key: value` (Exim specification §9.3, lsearch). The case of keys does not count.

A key ends at a colon or white space, or is in double quotes. Lines that begin with white space continue the value;
empty lines and those that begin with # are ignored, but end the continuation of what they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable, unescape
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazypattern import lazy_pattern

_TABLES: Final = 8  # files that are kept taken apart
_BLANKS: Final = b" \t\n\r\v\f"
_NO_KEY: Final = b"# \t\n\r\v\f"
_KEY = lazy_pattern(rb"[^:\s]*")
_QUOTED_KEY = lazy_pattern(rb'"((?:[^"\\]|\\.)*)"?', re.DOTALL)


def find(request: Request) -> Value | None:
    """The value of the first line with this key."""
    content = _content(request)
    place = _index(content).get(request.key.lower()) if request.key else None
    return None if place is None else _value(request, _table(content)[0], place)


def search_lines(request: Request, matches: Callable[[bytes], bool]) -> Value | None:
    """The value of the first line whose key matches; with `ret=full` the whole line."""
    lines, places = _table(_content(request))
    if request.key:
        for place in places:
            if matches(_key(lines[place])[0]):
                return _value(request, lines, place)
    return None


def _value(request: Request, lines: list[bytes], place: int) -> Value:
    """What stands in the line behind its key, or with `ret=full` the line, with the lines that continue it."""
    line = lines[place]
    start = 0
    if not request.options:
        start = _skip(line, _key(line)[1])
        if line[start : start + 1] == b":":
            start = _skip(line, start + 1)
    return plain(line[start:] + b"".join(_continuations(islice(lines, place + 1, None))))


def _content(request: Request) -> bytes:
    for option in request.options:
        if option != b"ret=full":
            raise LookupDeferred(f"unknown option for lsearch lookup: {printable(option)}")
    try:
        return request.files.read(request.file)
    except FileTrouble as error:
        shown = printable(request.file)
        if str(error) == "not a regular file":
            raise LookupFailed(f"{shown} is not a regular file (lsearch lookup)") from None
        raise LookupFailed(f"failed to open {shown} for linear search: {error}") from None


@lru_cache(_TABLES)
def _table(content: bytes) -> tuple[list[bytes], list[int]]:
    """The lines of a file, without blanks at their ends, and the places of those that begin with a key."""
    lines = [line.partition(b"\0")[0].rstrip(_BLANKS) for line in content.split(b"\n")]
    return lines, [place for place, line in enumerate(lines) if line and line[0] not in _NO_KEY]


@lru_cache(_TABLES)
def _index(content: bytes) -> dict[bytes, int]:
    """The place of the first line of each key, in lower case."""
    lines, places = _table(content)
    return {_key(lines[place])[0].lower(): place for place in reversed(places)}


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
