"""Macro strings of SPF (RFC 7208 §7): literal text, and macros `%{LETTER}` with digits, `r` and delimiters.

What is not plain (an unknown letter, `%{d0}`, delimiters that would stay, …) has no `MacroString`; pyspf deals with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Final, NamedTuple

DOMAIN_LETTERS: Final = frozenset("slodiphvSLODIPHV")
"""The macros of a domain-spec."""
TEXT_LETTERS: Final = DOMAIN_LETTERS | frozenset("crtCRT")
"""The macros of an explanation."""

# Only for local part and sender are the delimiters of the RFC plain: with others pyspf keeps those of the text.
_MACRO: Final = re.compile(
    r"%(?:\{([a-zA-Z])([1-9][0-9]?)?(r?)\}|\{([lsLS])([1-9][0-9]?)?(r?)([.+,/_=-]+)\}|(%)(?!$)|(_)|(-))"
)
_LITERALS: Final = {"%": "%", "_": " ", "-": "%20"}


class Macro(NamedTuple):
    """`%{letter…}`: the value is split at any of `delimiters`, and the last `keep` parts (0: all) stay."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str

    def expand(self, value: str) -> str:
        """What stands for the macro when the letter has this value."""
        if self.letter.isupper():
            from urllib.parse import quote

            return quote(self._transform(value), "~")
        return self._transform(value)

    def _transform(self, value: str) -> str:
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


@functools.lru_cache(maxsize=1024)
def parse_macros(text: str, letters: frozenset[str]) -> MacroString | None:
    """The macro string, in which only these letters may stand; None when it is not plain."""
    parts: list[str | Macro] = []
    end = 0
    for found in _MACRO.finditer(text):
        if "%" in text[end : found.start()]:
            return None
        parts.append(text[end : found.start()])
        end = found.end()
        if found.lastindex is not None and found.lastindex > 7:
            parts.append(_LITERALS[found[found.lastindex]])
            continue
        letter = found[1] or found[4]
        if letter not in letters:
            return None
        count, reverse = found[2] or found[5], found[3] or found[6]
        parts.append(Macro(letter, int(count or 0), bool(reverse), found[7] or ""))
    if "%" in text[end:]:
        return None
    parts.append(text[end:])
    return tuple(filter(None, parts))


def expand_macros(string: MacroString, value: Callable[[str], str]) -> str:
    """The text, with each macro replaced by what `value` says of its letter, a small one."""
    return "".join([part if isinstance(part, str) else part.expand(value(part.letter.lower())) for part in string])


def uses_client_name(string: MacroString) -> bool:
    """Whether there is a `%{p}`, whose value has to be asked of DNS first."""
    return any(isinstance(part, Macro) and part.letter in "pP" for part in string)
