"""Taint of what every operator and item makes, by Exim's own word: `${readfile{/nodir/TAINTED}}` is refused."""

from __future__ import annotations

import os
import re

import pytest

from exim_dkim.expansion.items import ITEMS
from exim_dkim.expansion.operators import OPERATORS
from tests.support.expansion import VECTORS, Sandbox
from tests.support.peers import EXIM, only_with

LINES = (VECTORS / "taint.txt").read_bytes().splitlines()
ROWS = [(line[2:], line[:1]) for line in LINES if not line.startswith(b"#")]
# Those that refuse what is tainted, that answer with new text, or that Exim cannot be asked about.
NOT_ASKED = {b"base32d", b"expand", b"headerwrap", b"mask", b"randint", b"readsocket", b"rfc2047d", b"stat"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("taint") / "sandbox")


def test_as_the_table_says(sandbox: Sandbox) -> None:
    wrong = [template for template, mark in ROWS if sandbox.value(template).tainted == (mark == b"-")]
    assert not wrong


@pytest.mark.peer("exim")
def test_exim_agrees_or_is_less_strict(sandbox: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    only_with(EXIM)
    results = sandbox.exim([b"${readfile{/nodir/" + template + b"}}" for template, _ in ROWS])
    for (template, mark), result in zip(ROWS, results, strict=True):
        assert (b"Permission denied" in result) == (mark == b"T"), (template, result)
        assert mark == b"T" or b"No such file" in result, (template, result)


@pytest.mark.parametrize("name", sorted((OPERATORS.keys() | ITEMS.keys()) - NOT_ASKED))
def test_every_operator_and_item_is_in_the_table(name: bytes) -> None:
    assert any(re.match(rb"\$\{" + re.escape(name) + rb"[_:{ ]", template) for template, _ in ROWS)
