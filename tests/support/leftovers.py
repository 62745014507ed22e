"""Nothing outlives a test run, however it ends: a helper process ends and removes what a killed run has left.

It reads what was started and made from a pipe. When the pipe ends while something is still there, the run was killed.
"""

from __future__ import annotations

import atexit
import functools
import subprocess
import sys

HELPER = """
import os, shutil, signal, sys, time
groups, directories = [], []
for line in sys.stdin:
    sign, kind, name = line.rstrip("\\n").split(" ", 2)
    kept = groups if kind == "group" else directories
    kept.append(name) if sign == "+" else kept.remove(name)
for number in (signal.SIGTERM, signal.SIGKILL):
    for group in groups:
        try:
            os.killpg(int(group), number)
        except OSError:
            pass
    if groups and number == signal.SIGTERM:
        time.sleep(1)
for directory in directories:
    shutil.rmtree(directory, ignore_errors=True)
"""


class Leftovers:
    """The helper process. It ends by itself, after us."""

    def __init__(self) -> None:
        self._helper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", HELPER], stdin=subprocess.PIPE, start_new_session=True, text=True
        )

        atexit.register(self._end)

    def note(self, kind: str, name: object) -> None:
        """Remember a process `group` or a `directory`."""
        self._write(f"+ {kind} {name}\n")

    def forget(self, kind: str, name: object) -> None:
        self._write(f"- {kind} {name}\n")

    def _end(self) -> None:
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        self._helper.wait(10)

    def _write(self, line: str) -> None:
        assert self._helper.stdin is not None
        self._helper.stdin.write(line)
        self._helper.stdin.flush()


@functools.cache
def leftovers() -> Leftovers:
    """The one of this process."""
    return Leftovers()
