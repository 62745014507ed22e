"""The options one by one, and what they give for a message: part of `exim-dkim check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exim_dkim.commands.findings import Finding, Level
from exim_dkim.commands.messages import message_environment, read_header
from exim_dkim.commands.option_values import Expanded, assignment, expansions
from exim_dkim.config.options import OPTIONS

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings


def check_options(settings: Settings, message: str) -> Iterator[Finding]:
    """A finding for each option: its value and, if it is expanded, what it gives for the message in this file."""
    gives: dict[str, list[Expanded]] = {}
    for expanded in expansions(settings, message_environment(settings, read_header(message))):
        gives.setdefault(expanded.option, []).append(expanded)
    for name in OPTIONS:
        results = gives.get(name, ())
        level = Level.FAIL if any(result.failed for result in results) else Level.OK
        yield Finding(level, assignment(settings, name), "\n".join(_line(settings, result) for result in results))


def _line(settings: Settings, result: Expanded) -> str:
    label = f" ({result.label})" if result.label else ""
    hidden = settings.is_hidden(result.option) and not result.failed
    return f"->{label} {'not shown' if hidden else result.text}".rstrip()
