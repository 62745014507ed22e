"""Modules that are imported when they are first used.

For what the signing filter may need but mostly does not. An import statement inside a function does the same, but takes
0.4 us each time, which is as long as a short expansion. Use, so that types are known:

    if TYPE_CHECKING:
        from exim_dkim.expansion import regex
    else:
        regex = lazy_module("exim_dkim.expansion.regex")
"""

from __future__ import annotations


class _LazyModule:
    """Has the attributes of a module, and keeps those that were asked for."""

    def __init__(self, name: str) -> None:
        self._module = name

    def __getattr__(self, name: str) -> object:
        value: object = getattr(__import__(self._module, fromlist=[name]), name)
        setattr(self, name, value)
        return value


def lazy_module(name: str) -> object:
    """Stands for the module of this full name. What it offers must not change."""
    return _LazyModule(name)
