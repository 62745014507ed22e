"""How things are timed: CPU time, interleaved rounds, medians."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Run = Callable[[int], float]
"""Does its work so many times and returns the seconds of CPU time that one took."""


def of_process(work: Callable[[], object]) -> Run:
    """A run in this process."""

    def run(count: int) -> float:
        start = time.process_time()
        for _ in range(count):
            work()
        return (time.process_time() - start) / count

    return run


def interleave(runs: Mapping[str, Run], rounds: int, seconds: float = 0.1) -> dict[str, list[float]]:
    """The times by name, one value a round; every round runs each contender for about `seconds`, in turn.

    Whatever slows the machine down for a while slows all of them, so ratios within a round can be trusted.
    """
    counts = {name: max(1, int(seconds / max(run(1), 1e-7))) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run(counts[name]))
    return times


def ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios within the rounds."""
    return statistics.median(one / other for one, other in zip(times, reference, strict=True))


_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def use_one_core() -> None:
    """Keeps this process, and children yet to come, on one core, where the system can do that."""
    if _CORES:
        os.sched_setaffinity(0, _CORES[-1:])


def leave_to(process: int) -> None:
    """Keeps `process` on that core and this one away from it, where there are others."""
    if _CORES:
        os.sched_setaffinity(process, _CORES[-1:])
        os.sched_setaffinity(0, _CORES[:-1] or _CORES)
