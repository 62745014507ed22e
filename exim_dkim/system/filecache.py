"""The tables that expansions read, each read once: one message looks into the same file again and again.

A content counts as long as the file has the same device, inode, size and times. A file that changed less than two
seconds before it was read is not kept: it could change again within the resolution of those times. What is kept is
bounded; the file used longest ago goes first. Several threads may read.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock  # threading has it too, but takes half a millisecond to import, for every message
from typing import Final

from exim_dkim.system.files import read_small_file

MAX_KEPT_FILES: Final = 64
MAX_KEPT_BYTES: Final = 32 << 20  # of all files together
_SETTLED: Final = 2.0  # seconds

_Identity = tuple[int, int, int, int, int, int]


class FileCache:
    """Contents of files by name."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[_Identity, bytes]] = {}
        self._size = 0
        self._lock = allocate_lock()

    def read(self, path: bytes, limit: int) -> bytes:
        """The content of a regular file of at most `limit` bytes. Raises FileAccessError."""
        identity = _identity(path)
        with self._lock:
            kept = self._kept.get(path)
            if kept is not None and kept[0] == identity:
                self._kept[path] = self._kept.pop(path)
                return kept[1]
        content = read_small_file(os.fsdecode(path), limit)
        lasting = identity is not None and identity == _identity(path) and _is_settled(identity)
        with self._lock:
            self._drop(path)
            if identity is not None and lasting:
                self._keep(path, identity, content)
        return content

    def _keep(self, path: bytes, identity: _Identity, content: bytes) -> None:
        if len(content) > MAX_KEPT_BYTES:
            return
        self._kept[path] = identity, content
        self._size += len(content)
        while len(self._kept) > MAX_KEPT_FILES or self._size > MAX_KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, path: bytes) -> None:
        if path in self._kept:
            self._size -= len(self._kept.pop(path)[1])


def _identity(path: bytes) -> _Identity | None:
    """What tells one content from another; also who reads, since another user might not be allowed to."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, os.geteuid())


def _is_settled(identity: _Identity) -> bool:
    return max(identity[3], identity[4]) < (time.time() - _SETTLED) * 1e9
