"""Runs the engine's coroutines for code that has no event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(work: Coroutine[object, object, T]) -> T:
    """The result of `work`. Inside a running event loop it raises RuntimeError, as `asyncio.run` does."""
    import asyncio

    return asyncio.run(work)


def run_anywhere(work: Coroutine[object, object, T]) -> T:
    """The result of `work`, also where an event loop runs: then in a thread, for which the loop waits."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run(work)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(run, work).result()
