"""What commands print for people, and what for programs."""

from __future__ import annotations

import pytest

from exim_dkim.commands import output
from exim_dkim.commands.output import Column, TableWriter

COLUMNS = (Column("result"), Column("address", fold=True), Column("reason"))
ROW = ("fail", "alice@example.org", "-")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looks at standard output."""
    monkeypatch.setattr(output, "is_terminal", lambda stream=None: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


def written(upright: bool, rows: int = 1) -> None:
    table = TableWriter(COLUMNS, upright=upright)
    for _ in range(rows):
        table.add(*ROW)
    table.flush()


@pytest.mark.parametrize("upright", [False, True])
def test_lines_for_programs(capsys: pytest.CaptureFixture[str], upright: bool) -> None:
    written(upright)
    assert capsys.readouterr().out == "fail\talice@example.org\t-\n"


@pytest.mark.usefixtures("watched")
def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    written(upright=False, rows=2)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]
    assert lines == [["result", "address", "reason"], list(ROW), list(ROW)]


@pytest.mark.usefixtures("watched")
def test_lists_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    written(upright=True, rows=2)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["result", "fail"], ["address", "alice@example.org"], []] * 2


@pytest.mark.usefixtures("watched")
def test_a_narrow_terminal_shows_lists(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "38")  # less than 13 for each of three columns
    written(upright=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()][1] == ["address", "alice@example.org"]
