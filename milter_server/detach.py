"""Into the background: what daemons did in 2005, for command lines of that time. `-f` stays in the foreground.

Who started the program waits until the filter serves, so its exit status is true.
"""

from __future__ import annotations

import os
import sys

READY = b"ready"


class Starter:
    """The one who started us and waits for word. `None` in the foreground."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def tell_ready(self) -> None:
        """The filter serves."""
        os.write(self._pipe, READY)
        os.close(self._pipe)

    def tell_failure(self, text: str, status: int) -> None:
        """It cannot; `text` is for people."""
        os.write(self._pipe, b"%d " % status + text.encode("utf-8", "backslashreplace"))
        os.close(self._pipe)


def detach(name: str) -> Starter:
    """Returns in a new process in the background; the old one ends when it has word from the new one."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os.close(writer)
        os._exit(_await_word(name, reader))
    os.close(reader)
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return Starter(writer)


def _await_word(name: str, reader: int) -> int:
    with os.fdopen(reader, "rb") as pipe:
        word = pipe.read()
    if word == READY:
        return 0
    status, _, text = word.decode("utf-8", "replace").partition(" ")
    os.write(2, f"{name}: {text or 'ended without a word; see the log'}\n".encode())
    return int(status) if status.isdigit() else 70
