"""What commands print: tables and colour on a terminal, plain lines with TABs everywhere else.

The plain form is stable and meant for scripts; it holds no escape codes. A terminal shows the same cells through rich.
Colour is off when `NO_COLOR` is set (no-color.org). Text that comes from mail or from DNS goes through `printable`, so
that no message can send control sequences to an administrator's terminal.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

# A terminal shows this many rows at once, then continues with the next table: memory stays bounded.
TABLE_ROWS = 200

# A terminal with fewer characters for each column of a table shows lists: cells would be all folds.
COLUMN_WIDTH = 13

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# One colour for a word, in whichever command it appears.
STYLES = {
    "good": "bold green",
    "pass": "bold green",
    "ok": "bold green",
    "bad": "bold red",
    "fail": "bold red",
    "error": "bold red",
    "defer": "bold yellow",
    "temperror": "bold yellow",
    "softfail": "bold yellow",
    "warn": "bold yellow",
    "permerror": "bold red",
    "neutral": "cyan",
    "none": "cyan",
    "unsigned": "cyan",
    "unverified": "cyan",
}


class Column(NamedTuple):
    """A column of a terminal's table. `fold` lets long cells wrap anywhere; others wrap between words."""

    title: str
    fold: bool = False


def printable(text: str | bytes, keep_lines: bool = False) -> str:
    """`text` with every control character shown as \\xNN; bytes are read as UTF-8, wrong ones shown likewise."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    pattern = _CONTROL_BUT_LINES if keep_lines else _CONTROL
    return pattern.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def is_terminal(stream: TextIO | None = None) -> bool:
    """True when people look at `stream` (default: standard output)."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(error: bool = False) -> Console:
    """A rich console on standard output or standard error; without any escape code under NO_COLOR."""
    from rich.console import Console

    system = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=error, color_system=system, highlight=False, markup=False, emoji=False)  # type: ignore[arg-type]


def say(text: str = "") -> None:
    """One line on standard output, without colour."""
    click.echo(printable(text, keep_lines=True))


def note(text: str) -> None:
    """One line on standard error."""
    click.echo(printable(text, keep_lines=True), err=True)


def warn(text: str) -> None:
    """A warning on standard error."""
    note(f"exim-dkim: warning: {text}")


class TableWriter:
    """Rows as they come: at once as TAB-separated lines, or in tables of `TABLE_ROWS` on a terminal.

    `upright`: a terminal shows each row as a list of names and values, for few rows with too many columns. So does one
    that is too narrow for a table.
    """

    def __init__(self, columns: Sequence[Column], upright: bool = False) -> None:
        self._columns = columns
        self._upright = upright
        self._rows: list[tuple[str, ...]] = []
        self._terminal = is_terminal()

    def add(self, *cells: str) -> None:
        """Take one row."""
        row = tuple(map(printable, cells))
        if self._terminal:
            self._rows.append(row)
        else:
            click.echo("\t".join(row))

    @property
    def full(self) -> bool:
        """True when it is time to `flush`."""
        return len(self._rows) >= TABLE_ROWS

    def flush(self) -> None:
        """Show the rows that wait."""
        if self._rows:
            upright = self._upright or console().width < COLUMN_WIDTH * len(self._columns)
            (_show_lists if upright else _show_table)(self._columns, self._rows)
            self._rows = []


def _show_table(columns: Sequence[Column], rows: Iterable[tuple[str, ...]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.title, overflow="fold" if column.fold else "ellipsis", no_wrap=False)
    for row in rows:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    console().print(table)


def _show_lists(columns: Sequence[Column], rows: Iterable[tuple[str, ...]]) -> None:
    """A list for each row, without what is not there (`-`)."""
    from rich.table import Table
    from rich.text import Text

    for row in rows:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for column, cell in zip(columns, row, strict=True):
            if cell != "-":
                table.add_row(column.title, Text(cell, style=STYLES.get(cell, "")))
        console().print(table)
        console().print()
