"""Random expansions against what the real Exim makes of them: 100,000 in CI (and `make differential`), else fewer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.corpus import faults, is_failure
from tests.support.expansion import Sandbox
from tests.support.generated import COUNT, STORED, compare_generated, generate, read_stored
from tests.support.peers import EXIM, only_with

LIVE = COUNT if os.environ.get("CI") == "true" else 10_000


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("generated") / "sandbox")


def test_does_what_exim_did(sandbox: Sandbox, tmp_path: Path) -> None:
    """The stored ones, without Exim."""
    stored = read_stored(tmp_path)
    assert len(stored) == STORED
    assert not faults(stored)
    wrong = []
    for golden in stored:
        ours = sandbox.ours(golden.template)
        if ours != golden.ours and not (is_failure(ours) and is_failure(golden.ours)):
            wrong.append((golden, ours))
    assert not wrong


@pytest.mark.peer("exim")
@pytest.mark.timeout(600)
def test_does_what_exim_does(sandbox: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    only_with(EXIM)
    assert not faults(compare_generated(sandbox, generate(LIVE, seed=7)))
