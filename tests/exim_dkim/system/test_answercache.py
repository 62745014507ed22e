"""The cache of DNS answers."""

from __future__ import annotations

import pytest

from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.system.answercache import FAILURE_TTL, MAX_ANSWER_BYTES, RECORD_BYTES, AnswerCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def question(name: str = "a.example") -> Question:
    return Question(name, RecordType.TXT)


@pytest.mark.parametrize(
    ("answer", "ttl", "kept"),
    [
        (Answer(question(), (b"x",)), 60, 60),
        (Answer(question(), (b"x",)), 0, 0),
        (Answer(question(), (b"x",)), 10_000, 100),
        (Answer(question(), trouble=Trouble.NXDOMAIN), 10, 10),
        (Answer(question(), trouble=Trouble.NO_DATA), 60, 30),
        (Answer(question(), trouble=Trouble.NXDOMAIN), 0, 0),
        (Answer(question(), trouble=Trouble.SERVFAIL), float("inf"), FAILURE_TTL),
        (Answer(question(), trouble=Trouble.TIMEOUT), float("inf"), FAILURE_TTL),
        (Answer(question(), (b"x" * (MAX_ANSWER_BYTES + 1),)), 60, 0),
        (Answer(question(), (b"\x7f\0\0\1",) * (MAX_ANSWER_BYTES // RECORD_BYTES)), 60, 0),
    ],
)
def test_how_long_an_answer_is_kept(answer: Answer, ttl: float, kept: float) -> None:
    clock = Clock()
    cache = AnswerCache(10, max_ttl=100, negative_ttl=30, clock=clock)
    cache.put(answer, ttl)
    if kept:
        clock.now += kept - 0.01
        assert cache.get(question()) == answer
        clock.now += 0.01
    assert cache.get(question()) is None
    assert len(cache) == 0


def test_the_least_recently_used_leaves_first() -> None:
    cache = AnswerCache(2)
    for name in ("a", "b"):
        cache.put(Answer(question(name), (b"x",)), 60)
    assert cache.get(question("a"))
    cache.put(Answer(question("c"), (b"x",)), 60)
    assert [name for name in "abc" if cache.get(question(name))] == ["a", "c"]


def test_size_zero_keeps_nothing() -> None:
    cache = AnswerCache(0)
    cache.put(Answer(question(), (b"x",)), 60)
    assert cache.get(question()) is None
