"""`RealOutside`: what expansions ask the system for, apart from the content of files."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Collection
from typing import Final

from exim_dkim.expansion.environment import OutsideTrouble

MAX_REPLY: Final = 1 << 20  # bytes that `${readsocket` reads: as long as a value may be
_CHUNK: Final = 64 << 10


class RealOutside:
    """The system. `own_sockets` are addresses that must not be asked: a server that waited for itself would not end."""

    def __init__(self, own_sockets: Collection[bytes] = ()) -> None:
        self._own = own_sockets

    def variable(self, name: bytes) -> bytes | None:
        """A variable of the process environment."""
        return os.environb.get(name) if name and b"=" not in name else None

    def random_below(self, limit: int) -> int:
        """A random number, not for keys."""
        return random.randrange(limit)  # noqa: S311 - Exim calls it vaguely random

    def status(self, path: bytes) -> tuple[int, ...]:
        """As `lstat` gives it, links followed."""
        try:
            found = os.stat(path)
        except (OSError, ValueError) as error:
            raise OutsideTrouble(getattr(error, "strerror", None) or str(error)) from None
        times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
        numbers = (found.st_dev, found.st_nlink, found.st_uid, found.st_gid, found.st_size)
        return (found.st_mode, found.st_ino, *numbers, *times)

    def ask_socket(self, address: bytes, request: bytes, seconds: int, *, shutdown: bool) -> bytes:
        """The reply; connecting, writing and reading share the time."""
        if address in self._own or (address.startswith(b"/") and os.path.realpath(address) in self._own):
            raise OutsideTrouble(f"refused to ask {os.fsdecode(address)}: it is the look-up server itself")
        end = time.monotonic() + max(seconds, 1)
        connection = _connect(address, end)
        with connection:
            try:
                connection.settimeout(_left(end))
                connection.sendall(request)
                if shutdown:
                    connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                raise OutsideTrouble(f"request write to socket failed: {_reason(error)}") from None
            return _read(connection, end)


def _connect(address: bytes, end: float) -> socket.socket:
    if address.startswith(b"/"):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_left(end))
            connection.connect(address)
        except OSError as error:
            connection.close()
            shown = os.fsdecode(address)
            raise OutsideTrouble(f"failed to connect to socket {shown}: {_reason(error)}") from None
        return connection
    host, port = _host_and_port(address)
    try:
        return socket.create_connection((host, port), timeout=_left(end))
    except TimeoutError:
        raise OutsideTrouble("socket connect timed out") from None
    except (OSError, UnicodeError) as error:
        raise OutsideTrouble(f"failed to connect to any address for {host}: {_reason(error)}") from None


def _host_and_port(address: bytes) -> tuple[str, int]:
    """Of `inet:HOST:PORT`, an IPv6 address in brackets."""
    host, _, port = address.removeprefix(b"inet:").rpartition(b":")
    text = host.decode("ascii", "replace").removeprefix("[").removesuffix("]")
    if not text or not (port.isdigit() and 0 < int(port[:6]) < 65536):
        raise OutsideTrouble(f"{os.fsdecode(address)} has no host or no port")
    return text, int(port)


def _read(connection: socket.socket, end: float) -> bytes:
    parts: list[bytes] = []
    length = 0
    while True:
        try:
            connection.settimeout(_left(end))
            part = connection.recv(_CHUNK)
        except TimeoutError:
            raise OutsideTrouble("socket read timed out") from None
        except OSError as error:
            raise OutsideTrouble(f"reading from the socket failed: {_reason(error)}") from None
        if not part:
            return b"".join(parts)
        parts.append(part)
        length += len(part)
        if length > MAX_REPLY:
            raise OutsideTrouble(f"the reply on the socket is longer than {MAX_REPLY} bytes")


def _left(end: float) -> float:
    """The seconds that are left; 0 would mean not to wait at all."""
    return max(end - time.monotonic(), 0.001)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
