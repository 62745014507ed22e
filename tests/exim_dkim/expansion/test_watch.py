"""What a watch notices, and in which state it leaves the state that it stands for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exim_dkim.expansion import EmptyEnvironment, Value
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.watch import Watch

ONE, TWO = Value(b"one", False), Value(b"two", True)


def outer() -> State:
    state = State(EmptyEnvironment(), {b"dkim_domain": ONE})
    state.captures, state.value, state.item = (ONE,), ONE, ONE
    return state


@pytest.mark.parametrize(
    "ask",
    [
        lambda watch: watch.environment,
        lambda watch: watch.capture(0),
        lambda watch: watch.capture(7),
        lambda watch: watch.variable(b"value"),
        lambda watch: watch.variable(b"item"),
        lambda watch: watch.variable(b"dkim_domain"),
        lambda watch: watch.variable(b"sender_address"),
    ],
)
def test_questions_are_noticed(ask: Callable[[State], object]) -> None:
    state = outer()
    watch = Watch(state)
    assert ask(watch) == ask(state)
    assert not watch.close()


def test_nothing_asked() -> None:
    state = outer()
    assert Watch(state).close()
    assert (state.captures, state.value, state.item) == ((ONE,), ONE, ONE)


def test_what_was_set_within_may_be_read() -> None:
    state = outer()
    watch = Watch(state)
    saved = watch.captures, watch.value, watch.item
    watch.captures, watch.value, watch.item = (TWO,), TWO, TWO
    assert [watch.capture(0), watch.variable(b"value"), watch.variable(b"item")] == [TWO, TWO, TWO]
    watch.captures, watch.value, watch.item = saved
    assert watch.close()
    assert (state.captures, state.value, state.item) == ((ONE,), ONE, ONE)


def test_a_value_that_was_taken_away_is_asked_for_elsewhere() -> None:
    watch = Watch(outer())
    watch.value = None
    assert watch.variable(b"value") == Value(b"", False)
    watch.value = watch.item
    assert not watch.close()


@pytest.mark.parametrize("captures", [(), (ONE,), (TWO,)])
def test_what_is_left_behind_is_noticed_and_handed_back(captures: tuple[Value, ...]) -> None:
    state = outer()
    watch = Watch(state)
    watch.captures = captures
    watch.exhausted += 1
    assert not watch.close()
    assert (state.captures, state.exhausted) == (captures, 1)
