"""Runs the engine's coroutines without an event loop: it may await nothing but its resolver."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(work: Coroutine[object, object, T]) -> T:
    """The result of `work`, with a resolver that never suspends; anything else that is awaited is an error."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    work.close()
    raise AssertionError("the engine awaited something other than its resolver")
