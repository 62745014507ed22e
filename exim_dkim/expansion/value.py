"""`Value`: bytes and the one bit that says whether mail had a say in them (Exim specification §11.1, "taint")."""

from __future__ import annotations

from typing import Final, NamedTuple


class Value(NamedTuple):
    """A text. `tainted` if any part of it came with a message: it must not name a file or be expanded again."""

    text: bytes
    tainted: bool


EMPTY: Final = Value(b"", False)


def plain(text: bytes) -> Value:
    """A text of our own: not tainted."""
    return Value(text, False)
