"""Regular expressions: PCRE2, as Exim has them (Exim specification, chapter 8). The only importer of `pcre2`.

Eight-bit, no UTF, no options. Matching is bounded twice: a match that takes too many steps is no match, as in Exim, and
an expansion in which that happens too often fails. `pcre2` costs milliseconds to import, so that this module is itself
imported only when a template has a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pcre2

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.value import EMPTY, Value

if TYPE_CHECKING:
    from exim_dkim.expansion.evaluate import State

STEPS: Final = 1_000_000  # of one match; PCRE2's own limit, 10,000,000, is a quarter of a second
HEAP: Final = 20_000  # KiB that one match may use, as PCRE2's own limit
MAX_EXHAUSTED: Final = 16  # matches in one expansion that may run out of steps: below half a second
_CACHED: Final = 256  # compiled patterns
# This PCRE2 is told to read `\x` and `\u` as JavaScript does; Exim's is not.
_ESCAPE: Final = re.compile(rb"\\(?:Q.*?(?:\\E|\Z)|x\{([^}]*)\}|(x)([0-9A-Fa-f]{0,2})|([uU])|.)", re.DOTALL)
# Options in the pattern itself can only lower a limit; a lower one of the pattern's own holds.
_LIMITS: Final = b"(*LIMIT_MATCH=%d)(*LIMIT_HEAP=%d)" % (STEPS, HEAP)


class Found:
    """One match: where it is, and `$0`, `$1`, …"""

    __slots__ = ("captures", "end", "start")

    def __init__(self, start: int, end: int, captures: tuple[Value, ...]) -> None:
        self.start = start
        self.end = end
        self.captures = captures


def search(pattern: bytes, subject: Value, state: State, *, caseless: bool = False) -> Found | None:
    """The first match. Raises ExpansionError for a pattern that is none."""
    compiled, groups = _compile(pattern, caseless)
    try:
        match = compiled.search(subject.text)
    except pcre2.LibraryError:
        _exhausted(state)
        return None
    return None if match is None else _found(match, groups, subject)


def search_all(pattern: bytes, subject: Value, state: State) -> Iterator[Found]:
    """All matches that do not overlap, empty ones too, as Perl finds them."""
    compiled, groups = _compile(pattern, False)
    matches = compiled.finditer(subject.text)
    while True:
        try:
            match = next(matches, None)
        except pcre2.LibraryError:
            _exhausted(state)
            return
        if match is None:
            return
        yield _found(match, groups, subject)


def _found(match: pcre2.Match, groups: int, subject: Value) -> Found:
    start, end = match.span()
    texts = (subject.text[start:end], *match.groups()) if groups else (subject.text[start:end],)
    return Found(start, end, tuple([Value(text, subject.tainted) if text else EMPTY for text in texts]))


def _exhausted(state: State) -> None:
    state.exhausted += 1
    if state.exhausted > MAX_EXHAUSTED:
        raise ExpansionError(f"more than {MAX_EXHAUSTED} matches of regular expressions have taken too many steps")


def _escape(match: re.Match[bytes]) -> bytes:
    r"""An escape as Perl reads it, in a form that means the same to either: `\o{…}`, or an unsupported one."""
    braced, short, digits, unsupported = match.groups()
    if short or (braced and not braced.strip(b"0123456789abcdefABCDEF")):
        return b"\\o{%o}" % int(digits or b"0" if short else braced, 16)
    if braced is not None:
        return b"\\o{%s}" % (braced and b"z")  # which is as wrong
    return b"\\l" if unsupported else match[0]


@lru_cache(_CACHED)
def _compile(pattern: bytes, caseless: bool) -> tuple[pcre2.Pattern, int]:
    """The compiled pattern and the number of its groups."""
    try:
        # Compiling to machine code takes longer than most matches.
        options = pcre2.IGNORECASE if caseless else 0
        compiled = pcre2.compile(_LIMITS + _ESCAPE.sub(_escape, pattern), options, jit=False)
        return compiled, compiled.groups
    except pcre2.PatternError as error:
        reason = error.msg.partition("; ")[2]
        place = max(0, error.pos - len(_LIMITS))
        raise ExpansionError(
            f'regular expression error in "{printable(pattern)}": {reason} at offset {place}'
        ) from None
    except pcre2.LibraryError as error:
        raise ExpansionError(f'regular expression error in "{printable(pattern)}": {error}') from None
