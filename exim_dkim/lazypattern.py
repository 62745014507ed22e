"""Regular expressions that are compiled when they are first used.

Compiling takes 0.1 ms and more, and the signing filter, which starts once a message, uses few of those it imports.
"""

from __future__ import annotations

import re
from typing import AnyStr, Generic, cast

_METHODS = ("finditer", "fullmatch", "match", "search", "split", "sub", "subn")


class _LazyPattern(Generic[AnyStr]):
    """Becomes a pattern when one of its methods is first asked for."""

    def __init__(self, source: AnyStr, flags: int) -> None:
        self._source: AnyStr = source
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        if name not in _METHODS:
            raise AttributeError(name)
        pattern = re.compile(self._source, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(pattern, method))
        return getattr(pattern, name)


def lazy_pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As `re.compile`, later; offers finditer, fullmatch, match, search, split, sub and subn."""
    return cast("re.Pattern[AnyStr]", _LazyPattern(source, flags))
