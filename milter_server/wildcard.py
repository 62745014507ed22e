"""Patterns in which `*` stands for any text, even none; nothing else is special. Matching never takes long.

Regular expressions made of such patterns would: an author can choose an address with which `*a*a*a*` takes for ever.
"""

from __future__ import annotations


class Wildcard:
    """A pattern. The text between the stars is sought from left to right, which finds a match where there is one."""

    __slots__ = ("_first", "_last", "_middle")

    def __init__(self, pattern: str) -> None:
        """`pattern` holds a star."""
        self._first, *self._middle, self._last = pattern.split("*")

    def matches(self, text: str) -> bool:
        """Whether the whole text fits."""
        position, end = len(self._first), len(text) - len(self._last)
        if position > end or not text.startswith(self._first) or not text.endswith(self._last):
            return False
        for part in self._middle:
            found = text.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True
