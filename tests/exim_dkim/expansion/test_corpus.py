"""Thousands of expansions against what the real Exim makes of them: tables of operators, items and conditions."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.corpus import (
    Golden,
    compare,
    compare_headers,
    faults,
    read_cases,
    read_goldens,
    read_messages,
)
from tests.support.differences import DIFFERENCES, find_difference
from tests.support.expansion import VECTORS, Sandbox
from tests.support.peers import EXIM, only_with

CASES = sorted(VECTORS.glob("*.cases"))
MESSAGES = VECTORS / "headers.messages"
PAGE = Path(__file__).parents[3] / "docs" / "expansion.md"
NAMES = [row.name for row in DIFFERENCES]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("corpus") / "sandbox")


def goldens(cases: Path) -> list[Golden]:
    return read_goldens(cases.with_suffix(".golden"))


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    only_with(EXIM)


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_does_what_exim_does(sandbox: Sandbox, cases: Path) -> None:
    """Every golden, without Exim; `ours` where we mean to differ."""
    wrong = [
        (golden.template, golden.ours, ours)
        for golden in goldens(cases)
        if (ours := sandbox.ours(golden.template)) != golden.ours
    ]
    assert not wrong


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_goldens_are_of_the_cases(cases: Path) -> None:
    stored = goldens(cases)
    assert [golden.template for golden in stored] == read_cases(cases), "python -m tests.support.corpus regenerate"
    assert not faults(stored)


@pytest.mark.peer("exim")
@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_goldens_are_what_exim_gives(sandbox: Sandbox, cases: Path) -> None:
    need_root()
    again = compare(sandbox, read_cases(cases))
    wrong = [(old, new) for old, new in zip(goldens(cases), again, strict=True) if old.exim != new.exim]
    assert not wrong


def test_there_are_thousands() -> None:
    assert sum(len(goldens(path)) for path in CASES) > 5000


def test_a_difference_is_found_only_where_there_is_one() -> None:
    assert find_difference(b"${nhash_0:a}", b"(Exim ends)", b"Failed: x") == "crash"
    assert find_difference(b"${lc:A}", b"a", b"A") == ""


def test_every_difference_stands_in_the_documentation() -> None:
    """One table has all of them, and no others."""
    section = PAGE.read_text().partition("## Where it differs from Exim\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert sorted(name for name, *_ in rows) == sorted(NAMES)


def test_every_vector_that_differs_names_the_difference() -> None:
    text = (VECTORS / "different.txt").read_text(encoding="latin-1")
    named = re.findall(r"^# ([a-z0-9-]+): ", text, re.MULTILINE)
    assert len(named) == len(re.findall(r"^# ", text, re.MULTILINE))
    assert set(named) <= set(NAMES)


def test_headers_are_what_exim_makes_of_them(sandbox: Sandbox) -> None:
    """Every form of a header variable in every message, without Exim."""
    ids = {name: sandbox.add_message(header) for name, header in read_messages(MESSAGES).items()}
    assert len(ids) >= 50
    wrong = [
        (golden.message, golden.template, golden.ours, ours)
        for golden in read_goldens(VECTORS / "headers.golden")
        if (ours := sandbox.ours(golden.template, ids[golden.message])) != golden.ours
    ]
    assert not wrong


@pytest.mark.peer("exim")
def test_headers_are_what_exim_gives(sandbox: Sandbox) -> None:
    need_root()
    stored = read_goldens(VECTORS / "headers.golden")
    again = compare_headers(sandbox)
    assert not faults(again)
    assert [(new.message, new.template, new.exim) for new in again] == [
        (old.message, old.template, old.exim) for old in stored
    ], "python -m tests.support.corpus regenerate"
