"""docs/commands.md describes every command and every option."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.program import SUBCOMMANDS, program

TEXT = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
COMMON = {"-C", "--config", "-D", "--define", "-h", "--help"}


def section(name: str) -> str:
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_option_is_described(name: str) -> None:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    text = section(name)
    for parameter in command.params:
        names = {*parameter.opts, *parameter.secondary_opts} - COMMON
        if isinstance(parameter, click.Option) and names:
            assert any(re.search(rf"{option}\b", text) for option in names), names


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_option_that_is_described_exists(name: str) -> None:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | COMMON
    synopsis = "".join(re.findall(r"^    exim-dkim.*(?:\n {8,}.*)*", section(name), re.MULTILINE))
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", synopsis)) <= known


def test_every_status_is_described() -> None:
    table = section("In common")
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == set(map(int, ExitStatus))
