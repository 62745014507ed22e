"""`Watch`: a state that notices what is asked of it, to find out whether a value is always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.value import Value

if TYPE_CHECKING:
    from exim_dkim.expansion.environment import Environment


class _Outer(tuple[Value, ...]):
    """The captures that a watch begins with, which no other tuple is."""


class Watch(State):
    """A state in place of another one, for one evaluation. What was set within it may be read unnoticed."""

    def __init__(self, outer: State) -> None:
        self._outer = outer
        self._asked = False
        self._captures = self.captures = _Outer(outer.captures)
        self.value, self.item, self.working = outer.value, outer.item, outer.working
        self.exhausted, self.nested = outer.exhausted, outer.nested

    @property
    def environment(self) -> Environment:  # type: ignore[override]  # here it is noticed
        """The environment of the other state."""
        self._asked = True
        return self._outer.environment

    def capture(self, number: int) -> Value:
        """As in any state."""
        self._asked = self._asked or self.captures is self._captures
        return super().capture(number)

    def variable(self, name: bytes) -> Value:
        """As in any state."""
        inner, outer = (self.value, self._outer.value) if name == b"value" else (self.item, self._outer.item)
        if inner is None or inner is outer or name not in (b"value", b"item") or name in self.working:
            self._asked = True
        return super().variable(name)

    def close(self) -> bool:
        """Leave the other state as this one is. Returns whether nothing was asked of it, and nothing changed."""
        outer = self._outer
        changed = self.value is not outer.value or self.item is not outer.item
        if self.captures is not self._captures:
            changed = True
            outer.captures = self.captures
        outer.value, outer.item, outer.exhausted = self.value, self.item, self.exhausted
        return not changed and not self._asked
