"""A message on its way through the filter: kept byte for byte, in memory while it is small, else in a file."""

from __future__ import annotations

import os
from typing import IO

_COPY = 1 << 18


class MessageStore:
    """Bytes that are appended and at the end written out. `limit` is how many of them stay in memory.

    The file has no name, so nothing is left behind however the process ends. Every method may raise OSError.
    """

    __slots__ = ("_file", "_limit", "_pieces", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] | None = None

    def append(self, piece: bytes) -> None:
        """Keep `piece`."""
        self._size += len(piece)
        if self._file is None:
            self._pieces.append(piece)
            if self._size > self._limit:
                self._move_to_file()
        else:
            write_all(self._file.fileno(), piece)

    def _move_to_file(self) -> None:
        from tempfile import TemporaryFile  # costs a third of the start-up, and few messages need it

        self._file = TemporaryFile(buffering=0)  # noqa: SIM115  it lives as long as the message
        for piece in self._pieces:
            write_all(self._file.fileno(), piece)
        self._pieces.clear()

    def write_to(self, descriptor: int, before: bytes) -> None:
        """Write `before` and all that was kept."""
        if self._file is None:
            write_all(descriptor, b"".join((before, *self._pieces)))
            return
        write_all(descriptor, before)
        source = self._file.fileno()
        position = 0
        while piece := os.pread(source, _COPY, position):
            write_all(descriptor, piece)
            position += len(piece)
        if position != self._size:
            raise OSError(f"of {self._size} bytes kept in a temporary file {position} could be read back")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a pipe may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
