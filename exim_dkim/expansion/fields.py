"""Parts of a text by number or by key, as `${extract` takes them (Exim specification §11.7)."""

from __future__ import annotations

import re

from exim_dkim.expansion.escapes import unescape
from exim_dkim.lazypattern import lazy_pattern

_NUMBER = lazy_pattern(rb"-?[0-9]*")
_BLANKS = b" \t\n\r\v\f"


def field_number(key: bytes) -> int | None:
    """The number that a trimmed key is; None if it is a name."""
    return int(key[:10].replace(b"-", b"-0")) if key and _NUMBER.fullmatch(key) else None


def numbered_field(number: int, separators: bytes, text: bytes) -> bytes | None:
    """A field between any of `separators`: from the left for 1…, from the right for -1…, everything for 0."""
    if number == 0:
        return text
    fields = re.split(b"[" + re.escape(separators) + b"]", text) if separators else [text]
    index = number - 1 if number > 0 else len(fields) + number
    return fields[index] if 0 <= index < len(fields) else None


def value_of_key(key: bytes, text: bytes) -> bytes | None:
    """The value of `key` in `key1=value key2 = "quoted value" key3 value`; the case of the key does not count."""
    wanted = key.lower()
    position = 0
    while position < len(text):
        position = _skip(text, position)
        start = position
        while position < len(text) and text[position] != 0x3D and text[position] not in _BLANKS:
            position += 1
        name = text[start:position]
        position = _skip(text, position)
        if text[position : position + 1] == b"=":
            position = _skip(text, position + 1)
        value, position = _value(text, position)
        if name.lower() == wanted:
            return value
    return None


def _skip(text: bytes, position: int) -> int:
    while position < len(text) and text[position] in _BLANKS:
        position += 1
    return position


def _value(text: bytes, position: int) -> tuple[bytes, int]:
    """A value, quoted or not, and where it ends."""
    if text[position : position + 1] != b'"':
        end = position
        while end < len(text) and text[end] not in _BLANKS:
            end += 1
        return text[position:end], end
    end = position + 1
    while end < len(text) and text[end] != 0x22:
        end += 2 if text[end] == 0x5C else 1
    return unescape(text[position + 1 : end]), end + 1
