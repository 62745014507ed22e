"""The whole language, line by line, against what the real Exim makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.expansion import VECTORS, Sandbox, Vector, read_vectors

SAME = read_vectors(VECTORS / "same.txt")
DIFFERENT = read_vectors(VECTORS / "different.txt")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("expansion") / "sandbox")


@pytest.mark.parametrize("vector", SAME, ids=lambda vector: vector.template.decode("latin-1"))
def test_does_what_exim_does(sandbox: Sandbox, vector: Vector) -> None:
    assert sandbox.ours(vector.template) == vector.exim


@pytest.mark.parametrize("vector", DIFFERENT, ids=lambda vector: vector.template.decode("latin-1"))
def test_differs_only_where_it_is_meant_to(sandbox: Sandbox, vector: Vector) -> None:
    assert vector.ours != vector.exim
    assert sandbox.ours(vector.template) == vector.ours


@pytest.mark.peer("exim")
def test_vectors_are_what_exim_gives(sandbox: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    vectors = [*SAME, *DIFFERENT]
    results = sandbox.exim([vector.template for vector in vectors])
    wrong = [vector for vector, result in zip(vectors, results, strict=True) if result != vector.exim]
    # Exim keeps look-ups and captures from one line to the next: what differs is tried alone.
    for vector in wrong:
        assert sandbox.exim([vector.template]) == [vector.exim]


def test_files_of_vectors_are_whole() -> None:
    assert len(SAME) > 250
    assert Path(VECTORS / "README.md").exists()
