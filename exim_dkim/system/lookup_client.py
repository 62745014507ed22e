"""A client of the look-up server, plain and synchronous: one connection, one request, one reply.

The request is what Exim's `${readsocket` sends: `QUERY [KEY]`, lines `name = value`, an empty line, then the message.
The message is sent in pieces while the server reads, so its size does not matter. One deadline covers everything.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exim_dkim.errors import EximDkimError

MAX_REPLY = 1 << 20
"""Longest reply that is read; a real one is a word or a few lines."""

MAX_UNIX_PATH = 107
"""Bytes of a Unix socket's path (sun_path), without the final NUL."""


class Address(NamedTuple):
    """Where a server listens. `path` for a Unix socket, otherwise `host` and `port`."""

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def readsocket_spec(self) -> str:
        """The address as Exim's `${readsocket` wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"inet:{host}:{self.port}"

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"inet6:[{self.host}]:{self.port}" if ":" in self.host else f"inet:{self.host}:{self.port}"


class LookupFailure(EximDkimError):
    """No reply: the server could not be reached, or did not answer in time. `address` is where it was sought."""

    def __init__(self, address: Address, reason: str, error: OSError | None = None) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason
        self.error = error


def parse_address(text: str) -> Address:
    """An address as in `lookup_listen`: a path, `inet:HOST:PORT` or `inet6:[ADDRESS]:PORT`; `ValueError` otherwise."""
    if text.startswith("/"):
        if len(text.encode("utf-8", "surrogateescape")) > MAX_UNIX_PATH:
            raise ValueError(f"the path of a Unix socket has at most {MAX_UNIX_PATH} bytes")
        return Address(path=text)
    kind, colon, rest = text.partition(":")
    host, port_colon, port = rest.rpartition(":")
    if not colon or kind not in ("inet", "inet6") or not port_colon or not host:
        raise ValueError("a socket is /PATH, inet:HOST:PORT or inet6:[ADDRESS]:PORT")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is not a port number")
    return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))


def request_head(query: str, values: Mapping[str, str]) -> bytes:
    """The request up to and including the empty line. `query` is `QUERY [KEY]`; `ValueError` if it has a line end."""
    if any(ord(character) < 32 for character in query):
        raise ValueError("a query is one line of text")
    lines = [query, *(f"{name} = {quoted(value)}" for name, value in values.items()), "", ""]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def quoted(value: str) -> str:
    """`value` as it can stand in a request: as it is when that is plain, else as Exim's `${quote:` writes it."""
    plain = value.isprintable() and value == value.strip() and not value.startswith('"')
    if plain:
        return value
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
    return f'"{value.translate(escapes)}"'


def ask(address: Address, head: bytes, message: Iterable[bytes] = (), seconds: float = 5.0) -> bytes:
    """The reply to a request. Raises `LookupFailure`; `seconds` is for everything together."""
    deadline = time.monotonic() + seconds
    try:
        with _connect(address, seconds) as connection:
            return _converse(connection, head, message, deadline)
    except TimeoutError as error:
        raise LookupFailure(address, f"no answer within {seconds:g} s", error) from None
    except OSError as error:
        raise LookupFailure(address, (error.strerror or str(error)).lower(), error) from None
    except ReplyTooLongError:
        raise LookupFailure(address, f"the reply is longer than {MAX_REPLY} bytes") from None


class ReplyTooLongError(Exception):
    """Internal: the peer sends without end."""


def _connect(address: Address, seconds: float) -> socket.socket:
    if not address.path:
        return socket.create_connection((address.host, address.port), seconds)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(address.path)
    except BaseException:
        connection.close()
        raise
    return connection


def _converse(connection: socket.socket, head: bytes, message: Iterable[bytes], deadline: float) -> bytes:
    try:
        _send(connection, head, deadline)
        for piece in message:
            _send(connection, piece, deadline)
        connection.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # a server that refuses a request may say why before it has read all
    reply = b""
    while part := _receive(connection, deadline):
        reply += part
        if len(reply) > MAX_REPLY:
            raise ReplyTooLongError
    return reply


def _send(connection: socket.socket, data: bytes, deadline: float) -> None:
    connection.settimeout(_left(deadline))
    connection.sendall(data)


def _receive(connection: socket.socket, deadline: float) -> bytes:
    connection.settimeout(_left(deadline))
    return connection.recv(65536)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
