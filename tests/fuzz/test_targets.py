"""Every fuzz target over its seeds and a thousand mutations: quick, the same each time, in every test run."""

from __future__ import annotations

import pytest

from tests.support.fuzzing import BY_NAME, Target, mutations

COUNT = 1000


@pytest.mark.parametrize("target", BY_NAME.values(), ids=BY_NAME)
def test_target(target: Target) -> None:
    """The parser returns, or raises what it documents."""
    for data in mutations(target, COUNT, seed=1):
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{target.name}: {type(error).__name__} for {data!r}") from error


@pytest.mark.parametrize("target", BY_NAME.values(), ids=BY_NAME)
def test_seeds_are_worth_it(target: Target) -> None:
    """At least one seed is accepted, or nothing behind the first check would be tried."""
    accepted = 0
    for data in target.seeds:
        try:
            target.parse(data)
        except target.errors:
            continue
        accepted += 1
    assert accepted
