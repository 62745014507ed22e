"""Where the body of a message comes from: the request itself, or Exim's spool.

A body is fed, in wire form, to whatever hashes it, in pieces, so that a large one is never in memory as a whole (one
that came with the request is). `BodyError`: it cannot be had, or not be trusted; the answer is `defer`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from exim_dkim.errors import EximDkimError
from exim_dkim.system.spool import SpoolError, SpoolNameError, open_data_file
from lookup_server.request import Request, RequestError

CHUNK: Final = 256 * 1024
"""Bytes hashed at a time: some tenths of a millisecond."""

Identity = tuple[int, ...]
"""What tells one body from another without reading it; empty for one that came with the request."""


class BodyError(EximDkimError):
    """The body cannot be had. One line, for the log and for `why`."""


class Body(Protocol):
    """A body that can be read once."""

    size: int
    identity: Identity

    def feed(self, update: Callable[[bytes], None]) -> None:
        """Gives the whole body to `update`, in wire form and in pieces. Blocks; `BodyError`. Closes."""
        ...

    def close(self) -> None:
        """Lets go of the file, if there is one. May be called again."""
        ...


class RequestBody:
    """A body that came with the request: `message` from `start` on. `wire`: its lines end in CRLF already."""

    identity: Identity = ()

    def __init__(self, message: bytes, start: int, wire: bool) -> None:
        self.size = len(message) - start
        self._message = message
        self._start = start
        self._wire = wire

    def feed(self, update: Callable[[bytes], None]) -> None:
        positions = range(self._start, len(self._message), CHUNK)
        _feed((self._message[i : i + CHUNK] for i in positions), update, self._wire)

    def close(self) -> None:
        self._message = b""


class SpoolBody:
    """A body in Exim's spool: the `-D` file of a message that is just being received (or is still queued)."""

    def __init__(self, spool: str, queue: str, message_id: str, split: bool, expected: int | None = None) -> None:
        """Opens the file. `split`: where to look first. `expected`: bytes of the body, from `$message_body_size`.

        Raises `BodyError` for the file, `RequestError` for names that are not Exim's.
        """
        try:
            self._file, offset = open_data_file(spool, queue, message_id, split=split)
        except SpoolNameError as error:
            raise RequestError(str(error)) from None
        except SpoolError as error:
            raise BodyError(str(error)) from None
        status = os.fstat(self._file.fileno())
        self.size = status.st_size - offset
        self.identity: Identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if expected is not None and expected != self.size:
            self.close()
            raise BodyError(f"{message_id}-D holds {self.size} bytes of body, not {expected} as message_body_size says")

    def feed(self, update: Callable[[bytes], None]) -> None:
        try:
            left = self.size
            first = self._file.read(min(CHUNK, left))
            # Exim's own form has no CR at all: it makes every CR, CRLF and LF of SMTP one LF. What came with BDAT and
            # spool_wireformat is kept as it was.
            wire = b"\r\n" in first or first.endswith(b"\r")
            _feed(self._pieces(first), update, wire)
            self._check_unchanged()
        except OSError as error:
            raise BodyError(f"the spool file cannot be read ({error.strerror})") from None
        finally:
            self.close()

    def _pieces(self, piece: bytes) -> Iterator[bytes]:
        left = self.size
        while piece:
            yield piece
            left -= len(piece)
            piece = self._file.read(min(CHUNK, left))
        if left:
            raise BodyError(f"the spool file ends {left} bytes too early")

    def _check_unchanged(self) -> None:
        status = os.fstat(self._file.fileno())
        if (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) != self.identity:
            raise BodyError("the spool file changed while it was read")

    def close(self) -> None:
        self._file.close()


def _feed(pieces: Iterator[bytes], update: Callable[[bytes], None], wire: bool) -> None:
    for piece in pieces:
        update(piece if wire else piece.replace(b"\n", b"\r\n"))


class BodySource:
    """Finds the body that a request means, within what the configuration allows."""

    def __init__(self, directories: tuple[str, ...], default: str, split: bool, over_inet: bool) -> None:
        """`directories`: the spools that may be read; `default`: when the request names none."""
        self._directories = frozenset(directory.rstrip("/") for directory in directories)
        self._default = default
        self._split = split
        self._over_inet = over_inet

    def find(self, request: Request, start: int | None, wire: bool, local: bool) -> Body | None:
        """The body; None when the request has none and names no message. `RequestError`, `BodyError`.

        `start` and `wire` are those of `Request.split`. `local`: the request came over a Unix socket.
        """
        if start is not None:
            return RequestBody(request.message, start, wire)
        message_id = request.values.get(b"message_exim_id")
        if not message_id:
            return None
        if not local and not self._over_inet:
            raise RequestError("Exim's spool is not read for clients over TCP: send the body (lookup_spool_over_inet)")
        spool = os.fsdecode(request.values.get(b"spool_directory") or os.fsencode(self._default)).rstrip("/")
        if spool not in self._directories:
            raise RequestError(f"{spool} is not one of lookup_spool_directories")
        queue = os.fsdecode(request.values.get(b"queue_name", b""))
        return SpoolBody(spool, queue, os.fsdecode(message_id), self._split, request.number(b"message_body_size"))
