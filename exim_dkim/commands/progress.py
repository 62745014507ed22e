"""A progress bar on standard error, for work that turns out to be long; nothing when nobody looks."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from exim_dkim.commands.output import console, is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 0.7
"""Seconds of silence before the bar appears: short work should not flicker."""


class ProgressBar:
    """Bytes done of `total` (None: unknown). A context manager; the bar vanishes at the end."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._done = 0
        self._wanted = is_terminal(sys.stderr)
        self._start = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def advance(self, count: int) -> None:
        """`count` more bytes are done."""
        self._done += count
        if not self._wanted:
            return
        if self._bar is None and time.monotonic() - self._start > PATIENCE:
            self._begin()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)

    def pause(self) -> None:
        """Take the bar away, so that something else can be printed; `advance` brings it back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("verifying"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console(error=True),
            transient=True,
        )
        self._task = self._bar.add_task("verifying", total=self._total, completed=self._done)
        self._bar.start()
