"""Findings: one line each, with a level; what `testkey` and `check` print and what their exit status comes from."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

import click

from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.output import STYLES, is_terminal, printable


class Level(enum.Enum):
    """How grave a finding is."""

    OK = "ok"
    WARN = "warn"
    DEFER = "defer"
    FAIL = "fail"


class Finding(NamedTuple):
    """What was found, and what to do about it: commands or advice, one a line."""

    level: Level
    text: str
    remedy: str = ""


def show_findings(findings: Iterable[Finding], verbose: bool = True) -> list[Finding]:
    """Print findings as they come, those that are ok only when `verbose`; all of them, for `status_of`."""
    shown = []
    for finding in findings:
        shown.append(finding)
        if verbose or finding.level is not Level.OK:
            _show(finding)
    return shown


def status_of(findings: Iterable[Finding]) -> ExitStatus:
    """0 when nothing is wrong (warnings are not), 1 when something is, 75 when that could not be told now."""
    levels = {finding.level for finding in findings}
    if Level.FAIL in levels:
        return ExitStatus.BAD
    return ExitStatus.TEMPORARY if Level.DEFER in levels else ExitStatus.OK


def _show(finding: Finding) -> None:
    word = finding.level.value
    text = f"{printable(finding.text)}" + "".join(f"\n       {printable(line)}" for line in finding.remedy.splitlines())
    if not is_terminal():
        click.echo(f"{word:<5}  {text}")
        return
    from rich.text import Text

    from exim_dkim.commands.output import console

    console().print(Text.assemble((f"{word:<5}", STYLES[word]), "  ", text), soft_wrap=True)
