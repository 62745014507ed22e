"""Does work aside, in a thread, that would hold up the event loop and everybody who waits for it.

A header of a megabyte takes some tenths of a second, which is rare and then seldom honest. One such piece of work is
done at a time: several would only take the interpreter from the event loop, which gets it back within milliseconds.
What is too much is an `Overload`.

The engine awaits nothing but its resolver, so its coroutines can be stepped from a thread, too: what they ask is
carried to the event loop, and the answers back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

from exim_dkim.errors import EximDkimError
from exim_dkim.message import HeaderField
from exim_dkim.resolver import Answer, Question, Resolver

LARGE: Final = 32 * 1024
"""Bytes of a header that is work to be done aside. The longest that large providers write have 20 to 30 KiB, most a
tenth of it; Exim hands out 64 KiB ($message_headers_raw), and Postfix takes 100 KiB for one field."""

MAX_WAITING: Final = 16
"""Pieces of work at hand at once; beyond, nobody would wait long enough, and each takes the memory of its header."""

T = TypeVar("T")


class Overload(EximDkimError):
    """There is too much work of this kind; later there may be less."""


class _Worker:
    """The thread, and how much work it has."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "aside")
        self._lock = Lock()
        self._waiting = 0

    def take(self, work: Callable[[], T]) -> Future[T]:
        """Has `work` done; `Overload`."""
        with self._lock:
            if self._waiting >= MAX_WAITING:
                raise Overload("too many large headers at once")
            self._waiting += 1
        future = self._thread.submit(work)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._waiting -= 1


_WORKER: Final = _Worker()


def is_large(fields: Sequence[HeaderField]) -> bool:
    """Whether work on a header of these fields belongs aside."""
    return sum([len(field[1]) for field in fields]) > LARGE


async def aside(work: Callable[[], T]) -> T:
    """What `work` returns; `Overload`. Once begun, it goes on to its end, whoever gives up waiting."""
    return await asyncio.wrap_future(_WORKER.take(work))


async def step_aside(begin: Callable[[Resolver], Coroutine[Any, Any, T]], resolver: Resolver) -> T:
    """What a coroutine of the engine returns, all of whose steps between its questions are done aside."""
    work = begin(_CARRIER)
    answers: Sequence[Answer] | None = None
    while True:
        step = asyncio.ensure_future(aside(partial(_step, work, answers)))
        try:
            outcome = await asyncio.shield(step)
        except asyncio.CancelledError:
            step.add_done_callback(lambda _: work.close())  # not before: it runs
            raise
        except Overload:
            work.close()
            raise
        if isinstance(outcome, _Returned):
            returned: T = outcome.value
            return returned
        try:
            answers = await resolver.resolve(*outcome)
        except BaseException:
            work.close()
            raise


class _Returned(NamedTuple):
    """The coroutine has ended with this."""

    value: Any


def _step(work: Coroutine[Any, Any, Any], answers: Sequence[Answer] | None) -> tuple[Question, ...] | _Returned:
    """Takes a coroutine on, to its next questions or its end."""
    try:
        questions: tuple[Question, ...] = work.send(answers)
    except StopIteration as end:
        return _Returned(end.value)
    return questions


class _Carrier:
    """The resolver that a coroutine sees: it hands its questions to whoever steps it."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        return await _Asked(questions)


class _Asked:
    def __init__(self, questions: tuple[Question, ...]) -> None:
        self._questions = questions

    def __await__(self) -> Generator[tuple[Question, ...], Sequence[Answer], Sequence[Answer]]:
        return (yield self._questions)


_CARRIER: Final = _Carrier()
