"""milter_server.restart: how often, and how long after one another, a filter is started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from milter_server.restart import GOOD_LIFE, Keeper

# The programs fork before they have threads; what runs these tests may have some.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def handlers_as_they_were() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Clock:
    """A clock that stands still but for what is waited, and for lives."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


def keeper(clock: Clock, lives: list[float], statuses: list[int], directory: Path) -> Keeper:
    """One whose child's lives take these seconds, and end with these statuses; the last is for all that follow."""
    counter = directory / "lives"
    counter.write_bytes(b"")

    def work(_: int) -> int:
        with counter.open("ab") as file:
            file.write(b".")
        number = len(counter.read_bytes()) - 1
        return statuses[min(number, len(statuses) - 1)]

    def tick() -> float:
        """Asked before and after each life."""
        asked.append(None)
        if len(asked) % 2 == 0:
            clock.now += lives[min(len(asked) // 2 - 1, len(lives) - 1)]
        return clock.now

    asked: list[None] = []
    return Keeper(work, tick, clock.wait)


def test_starts_are_ever_further_apart(tmp_path: Path) -> None:
    clock = Clock()
    assert keeper(clock, [1.0], [1] * 8 + [0], tmp_path).run() == 0
    assert clock.waited == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_good_life_begins_anew(tmp_path: Path) -> None:
    clock = Clock()
    assert keeper(clock, [1.0, 1.0, GOOD_LIFE, 1.0], [1] * 5 + [0], tmp_path).run() == 0
    assert clock.waited == [1, 2, 1, 2, 4]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_to_end_is_not_started_again(number: signal.Signals) -> None:
    reader, writer = os.pipe()

    def work(_: int) -> int:
        os.write(writer, b".")
        os.kill(os.getppid(), number)
        signal.pause()  # which SIGTERM or SIGINT ends, whenever it comes
        return 1

    assert Keeper(work, wait=_never).run() == 0
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"."


def test_who_is_asked_to_end_while_it_waits_ends_at_once() -> None:
    def wait(_: float) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert Keeper(lambda _: 1, wait=wait).run() == 0


def _never(_: float) -> None:
    raise AssertionError("waited")


def test_a_reload_goes_on_to_the_child() -> None:
    reader, writer = os.pipe()

    def work(_: int) -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        while signal.sigtimedwait([signal.SIGHUP], 0.05) is None:  # the keeper may not know its child yet
            os.kill(os.getppid(), signal.SIGHUP)
        os.write(writer, b"reload")
        return 0

    assert Keeper(work, wait=_never).run() == 0
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"reload"


@pytest.mark.parametrize("fault", [RuntimeError("broken"), SystemExit(3), KeyboardInterrupt()])
def test_no_fault_of_the_child_runs_its_parents_code(fault: BaseException) -> None:
    clock = Clock()

    def work(_: int) -> int:
        raise fault

    def wait(seconds: float) -> None:
        clock.wait(seconds)
        if len(clock.waited) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    assert Keeper(work, wait=wait).run() == 0
    assert clock.waited == [1, 2]


def test_waiting_ends_when_the_process_is_to_end() -> None:
    def work(_: int) -> int:
        return 1

    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    assert Keeper(work).run() == 0  # not after the second that it would wait, nor ever again
