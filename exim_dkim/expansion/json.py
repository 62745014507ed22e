"""JSON as Exim reads it (Exim specification §11.7, extract): elements are texts as they stand, never decoded.

Unlike Exim before 4.97, commas and brackets in strings are just text.
"""

from __future__ import annotations

import re
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.lazypattern import lazy_pattern

_BLANKS: Final = b" \t\n\r\v\f"
_TOKEN = lazy_pattern(rb'"(?:[^"\\]|\\.)*"?|[\[\]{},]|\\.', re.DOTALL)
_STRING = lazy_pattern(rb'[ \t\n\r\v\f]*"((?:[^"\\]|\\.)*)"', re.DOTALL)


def find_json(key: bytes, number: int | None, text: bytes, *, strings: bool) -> bytes | None:
    """The element of an array by number, or the value of an object by key; `strings`: it is one, without its quotes.

    None if there is none. Raises ExpansionError for what is not JSON, as far as that is looked at.
    """
    if number is None:
        found = _value_of(key, text)
    else:
        items = json_items(text, b"[]", "array for extract json")
        if number <= 0:
            raise ExpansionError('first argument of "extract" must be greater than zero')
        found = items[number - 1].rstrip(_BLANKS) if number <= len(items) else None
    return unquoted(found, "result for extract jsons") if strings and found is not None else found


def _value_of(key: bytes, text: bytes) -> bytes | None:
    for item in json_items(text, b"{}", "object for extract json"):
        name = _STRING.match(item)
        if name is None:
            raise ExpansionError("missing '\"' wrapping string key for extract json")
        if name[1] == key:
            rest = item[name.end() :].lstrip(_BLANKS)
            if not rest.startswith(b":"):
                raise ExpansionError("missing object value-separator for extract json")
            return rest[1:].lstrip(_BLANKS)
    return None


def unquoted(text: bytes, what: str) -> bytes:
    """A string without its quotes, escapes as they are."""
    match = _STRING.match(text)
    if match is None:
        raise ExpansionError(f"missing '\"' wrapping string {what}")
    return match[1]


def json_items(text: bytes, brackets: bytes, what: str) -> list[bytes]:
    """The elements between the brackets that a text begins with, each without the blanks before it."""
    left, right = brackets[:1], brackets[1:]
    text = text.lstrip(_BLANKS)
    if not text.startswith(left):
        raise ExpansionError(f"missing '{left.decode()}' wrapping {what}")
    items: list[bytes] = []
    depth, start = 0, 1
    for match in _TOKEN.finditer(text, 1):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
        elif depth and token in (b"]", b"}"):
            depth -= 1
        elif token == right or (token == b"," and not depth):
            item = text[start : match.start()].lstrip(_BLANKS)
            start = match.end()
            if not item:
                return items  # as in Exim, nothing is behind an empty one
            items.append(item)
            if token == right:
                return items
    raise ExpansionError(f"missing '{right.decode()}' wrapping {what}")
