"""How a command fails: one line for people, an exit status for scripts, never a traceback.

The line has the shape `file:line: what is wrong; what to do`. `EXIM_DKIM_DEBUG=1` shows tracebacks.
"""

from __future__ import annotations

import os
from typing import IO, Any

import click

from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.output import printable
from exim_dkim.errors import ConfigurationError, EximDkimError, ParseError

DEBUG_VARIABLE = "EXIM_DKIM_DEBUG"


class Failure(click.ClickException):
    """A command that cannot go on. `text` may have several lines; the first says all."""

    def __init__(self, text: str, status: ExitStatus = ExitStatus.BAD) -> None:
        super().__init__(text)
        self.status = status

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """What click makes the exit status of the process."""
        return self.status

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line to standard error."""
        click.echo(f"exim-dkim: {printable(self.message, keep_lines=True)}", file=file, err=file is None)


def debugging() -> bool:
    """True when the user asked for tracebacks."""
    return os.environ.get(DEBUG_VARIABLE, "") not in ("", "0")


def failure_of(error: Exception) -> Failure:
    """The failure to show for any exception."""
    match error:
        case ConfigurationError():
            return Failure(str(error), ExitStatus.CONFIGURATION)
        case ParseError():
            return Failure(error.pointed())
        case EximDkimError():
            return Failure(str(error))
        case OSError():
            return Failure(os_error_text(error))
    return Failure(
        f"internal error: {type(error).__name__}: {error}; this is a fault of exim-dkim: run the command again with "
        f"{DEBUG_VARIABLE}=1 and report what it prints",
        ExitStatus.INTERNAL,
    )


def os_error_text(error: OSError) -> str:
    """`path: reason`, without the number that Python puts first."""
    reason = error.strerror or str(error)
    reason = reason[:1].lower() + reason[1:]
    return f"{error.filename}: {reason}" if error.filename else reason
