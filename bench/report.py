"""Results of the benchmark as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """A measured value that should stay on one side of a limit."""

    name: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """True when the value is on the right side of the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        word = "met" if self.met else "MISSED"
        return f"{word:6}  {self.name}: {self.value:.2f}{self.unit} ({sign} {self.limit:g}{self.unit})"


@dataclass(slots=True)
class Section:
    """One table: a title, what was measured, column heads, rows of text, raw values, targets."""

    title: str
    explanation: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    values: list[dict[str, object]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


def show(section: Section) -> None:
    """Prints a section: with rich on a terminal, plain otherwise."""
    if sys.stdout.isatty():
        _show_rich(section)
    else:
        _show_plain(section)
    sys.stdout.flush()


def _show_rich(section: Section) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=section.title, caption=section.explanation, title_style="bold")
    for number, column in enumerate(section.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in section.rows:
        table.add_row(*row)
    console.print(table)
    for target in section.targets:
        console.print(str(target), style="green" if target.met else "bold red", highlight=False)
    console.print()


def _show_plain(section: Section) -> None:
    print(section.title)
    print(section.explanation)
    lines = [section.columns, *section.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(section.columns))]
    for line in lines:
        first, *rest = line
        print("  ".join([first.ljust(widths[0]), *(text.rjust(w) for text, w in zip(rest, widths[1:], strict=True))]))
    for target in section.targets:
        print(target)
    print()


def save(sections: Sequence[Section], path: str) -> None:
    """Writes raw values and targets of all sections as JSON."""
    data = [
        {
            "title": section.title,
            "values": section.values,
            "targets": [asdict(target) | {"met": target.met} for target in section.targets],
        }
        for section in sections
    ]
    Path(path).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def duration(seconds: float) -> str:
    """A time with three digits and a fitting unit."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.2f} s"


def size(octets: float) -> str:
    """A size as people say it."""
    if octets < 1 << 20:
        return f"{octets / 1024:.0f} KB"
    return f"{octets / (1 << 20):.0f} MB"
