"""Work by several threads, which take turns as often as they can."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_SECONDS = 60


def in_threads(work: Callable[[int], object], count: int = 4) -> None:
    """`work(number)` in so many threads at once; raises what one of them raised."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(count) as threads:
            for done in [threads.submit(work, number) for number in range(count)]:
                done.result(_SECONDS)
    finally:
        sys.setswitchinterval(interval)
