"""Fixtures of the end-to-end tests: one world of real servers for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.world import World, world


@pytest.fixture(scope="session", name="world")
def shared_world() -> Iterator[World]:
    with world() as made:
        yield made
