"""Macro strings of SPF (RFC 7208 §7) of the plain kind: `%{LETTER}` with digits, `r` and delimiters.

What is not plain (an upper-case letter, `%{p}`, `%%`, an unknown letter, …) has no `MacroString`; pyspf deals with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

DOMAIN_LETTERS: Final = "slodivh"
"""The macros of a domain-spec, but for `p`, which asks DNS."""
TEXT_LETTERS: Final = DOMAIN_LETTERS + "crt"
"""The macros of an explanation, but for `p`."""

# Only for local part and sender are the delimiters of the RFC plain: with others pyspf keeps those of the text.
_MACRO: Final = re.compile(r"%\{([a-z])([1-9][0-9]?)?(r?)\}|%\{([ls])([1-9][0-9]?)?(r?)([.+,/_=-]+)\}")


class Macro(NamedTuple):
    """`%{letter…}`: the value is split at any of `delimiters`, and the last `keep` parts (0: all) stay."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str

    def expand(self, value: str) -> str:
        """What stands for the macro when the letter has this value."""
        if not self.keep and not self.reverse and not self.delimiters:
            return value
        first = self.delimiters[:1] or "."
        for delimiter in self.delimiters[1:]:
            value = value.replace(delimiter, first)
        parts = value.split(first)
        if self.reverse:
            parts.reverse()
        return ".".join(parts[-self.keep :])


MacroString = tuple[str | Macro, ...]
"""Literal text and macros, in order."""


def parse_macros(text: str, letters: str) -> MacroString | None:
    """The macro string, in which only these letters may stand; None when it is not plain."""
    parts: list[str | Macro] = []
    end = 0
    for found in _MACRO.finditer(text):
        if "%" in text[end : found.start()]:
            return None
        letter = found[1] or found[4]
        if letter not in letters:
            return None
        parts.append(text[end : found.start()])
        count, reverse = found[2] or found[5], found[3] or found[6]
        parts.append(Macro(letter, int(count or 0), bool(reverse), found[7] or ""))
        end = found.end()
    if "%" in text[end:]:
        return None
    parts.append(text[end:])
    return tuple(filter(None, parts))


def expand_macros(string: MacroString, values: Mapping[str, str]) -> str:
    """The text, with each macro replaced by what `values` has for its letter."""
    return "".join([part if isinstance(part, str) else part.expand(values[part.letter]) for part in string])
