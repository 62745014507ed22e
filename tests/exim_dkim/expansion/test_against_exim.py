"""The whole language, line by line, against what the real Exim makes of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.expansion import VECTORS, Sandbox, Vector, read_vectors
from tests.support.peers import EXIM, only_with
from tests.support.templates import Templates

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
    only_with(EXIM)
    vectors = [*SAME, *DIFFERENT]
    results = sandbox.exim([vector.template for vector in vectors])
    wrong = [vector for vector, result in zip(vectors, results, strict=True) if result != vector.exim]
    # Exim keeps look-ups and captures from one line to the next: what differs is tried alone.
    for vector in wrong:
        assert sandbox.exim([vector.template]) == [vector.exim]


# Oddities of Exim 4.96, in a template or in its result, that we do not share; see different.txt.
ODDITIES = re.compile(
    # 4.96 evaluates some of what it skips.
    rb"unrecognised boolean|must be numeric|is not a (positive )?number|extract.*fail|^Failed: regular expression error"
    rb"|missing '}' closing extract|(map|filter|reduce|forany|forall).*\$\{reduce"
    rb"|partial|lsearch[^{]*[^{a-z*@=,]|lsearch,(?!ret=(full|key)\{)"
    rb"|listextract\{-?[0-9]\}\{[^}]*<|match_address.*\$value",
    re.DOTALL | re.MULTILINE,
)


# Where we find an error in what is no number or no JSON; Exim 4.96 goes on with something.
STRICTER = re.compile(rb"Failed: (missing '.' wrapping|integer expected)")


@pytest.mark.peer("exim")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_templates(sandbox: Sandbox, seed: int) -> None:
    """The same value, or an error from both; which of several errors is found first may differ."""
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    only_with(EXIM)
    templates = Templates(seed).take(1000)
    for template, exim in zip(templates, sandbox.exim(templates), strict=True):
        ours = sandbox.ours(template)
        stricter = STRICTER.match(ours) and re.search(rb"\$\{(sort|extract json)", template)
        if ours != exim and not stricter and not ODDITIES.search(template + b"\n" + exim):
            (exim,) = sandbox.exim([template])
            assert ours == exim or (ours.startswith(b"Failed: ") and exim.startswith(b"Failed: ")), template


def test_files_of_vectors_are_whole() -> None:
    assert len(SAME) > 250
    assert Path(VECTORS / "README.md").exists()
