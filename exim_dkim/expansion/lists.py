"""Exim's lists (Exim specification §6.20): items between colons, or between what `<c` at the beginning names."""

from __future__ import annotations

from typing import Final

from exim_dkim.lazypattern import lazy_pattern

BLANKS: Final = b" \t\n\r\v\f"
_SEPARATOR = lazy_pattern(rb"[ \t\n\r\v\f]*<([!-/:-@\[-`{-~\x00-\x1f\x7f])")


def list_separator(value: bytes) -> tuple[int, int]:
    """The separator of a list, and where its first item begins."""
    if value.lstrip(BLANKS)[:1] != b"<":
        return 0x3A, 0
    match = _SEPARATOR.match(value)
    if match is None:
        return 0x3A, len(value) if value.strip(BLANKS) == b"<" else 0
    return match[1][0], match.end()


def split_list(value: bytes, *, tainted: bool = False) -> list[bytes]:
    """The items of a list. A doubled separator stands for itself, outer blanks go, a last separator makes no item.

    A `<c` that came with mail does not choose the separator: as in Exim 4.99, what follows it is one item.
    """
    separator, start = list_separator(value)
    if tainted and start:
        item = value[start:].strip(BLANKS)
        return [item] if item else []
    return split_items(value[start:], separator)


def split_items(value: bytes, separator: int) -> list[bytes]:
    """The items of a list whose separator is known."""
    mark = bytes([separator])
    doubles = 0x20 < separator < 0x7F  # a control character cannot be doubled
    if doubles and mark + mark not in value and b"\\" not in value:
        items = [item.strip(BLANKS) for item in value.split(mark)]
        if not items[-1]:
            items.pop()
        return items
    items = []
    position = 0
    value = value.lstrip(BLANKS if doubles else BLANKS.replace(mark, b""))
    while position < len(value):
        end = value.find(mark, position)
        parts = []
        while doubles and end >= 0 and value[end + 1 : end + 2] == mark:
            parts.append(value[position : end + 1])
            position = end + 2
            end = value.find(mark, position)
        parts.append(value[position:] if end < 0 else value[position:end])
        items.append(_trim(b"".join(parts)))
        if end < 0:
            break
        position = end + 1
        while position < len(value) and value[position] in BLANKS and value[position] != separator:
            position += 1
    return items


def _trim(item: bytes) -> bytes:
    """Without outer blanks; a last blank behind a backslash stays."""
    item = item.lstrip(BLANKS)
    short = item.rstrip(BLANKS)
    if short.endswith(b"\\") and len(short) < len(item):
        return item[: len(short) + 1]
    return short


def append_item(parts: list[bytes], item: bytes, separator: bytes) -> None:
    """Add an item to a list in the making: its separators are doubled, and kept apart from the one before it."""
    if parts:
        parts.append(separator + (b" " if not item or item.startswith(separator) else b""))
    elif not item:
        parts.append(b" ")
    parts.append(item.replace(separator, separator * 2))
