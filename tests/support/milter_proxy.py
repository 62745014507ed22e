"""A proxy between an MTA and a milter that keeps what each says, and the text form of such a recording.

One line is one packet: `>` from the MTA or `<` from the filter, the command's letter, and its data with everything that
does not print as \\xNN. `@N TEXT` stands for N bytes, in which TEXT comes again and again. A line with `= connection`
opens each connection; `#` begins a comment.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.mta import Milter

CHUNK = 65536
PATIENCE = 60.0
LONG = 4096
"""Bytes from which on data that repeats itself is abbreviated,"""
PERIOD = 64
"""if it does so in pieces of this many bytes."""


class Recorded(NamedTuple):
    """A packet: whether the MTA sent it, and its bytes without the length (command letter and data)."""

    from_mta: bool
    packet: bytes

    def line(self) -> str:
        """As a line of a recording."""
        head = f"{'>' if self.from_mta else '<'} {chr(self.packet[0])}"
        data = self.packet[1:]
        if len(data) > LONG and data == _cycled(data[:PERIOD], len(data)):
            return f"{head} @{len(data)} {_escaped(data[:PERIOD])}"
        return f"{head} {_escaped(data)}" if data else head

    @property
    def wire(self) -> bytes:
        """As it was sent."""
        return len(self.packet).to_bytes(4, "big") + self.packet


def _escaped(data: bytes) -> str:
    text = data.decode("latin-1").encode("unicode_escape").decode()
    text = text[: len(text.rstrip(" "))] + "\\x20" * (len(text) - len(text.rstrip(" ")))  # an editor would cut blanks
    return "\\x40" + text[1:] if text.startswith("@") else text


def _unescaped(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


def _cycled(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


def parse(text: str) -> list[list[Recorded]]:
    """The connections of a recording, each a list of packets."""
    connections: list[list[Recorded]] = []
    for line in text.splitlines():
        if line.startswith("="):
            connections.append([])
        elif line and not line.startswith("#"):
            sign, letter, data = (line + " ").split(" ", 2)
            content = _unescaped(data[:-1])
            if data.startswith("@"):
                length, _, start = data[1:-1].partition(" ")
                content = _cycled(_unescaped(start), int(length))
            connections[-1].append(Recorded(sign == ">", letter.encode() + content))
    return connections


def form(connections: Sequence[Sequence[Recorded]]) -> str:
    """The text of a recording."""
    lines: list[str] = []
    for connection in connections:
        lines.append("= connection")
        lines += [packet.line() for packet in connection]
    return "\n".join([*lines, ""])


Watch = Callable[[Recorded], object]
"""Called with each packet before it is passed on."""


class MilterProxy:
    """Listens on a port of 127.0.0.1 and passes everything on to 127.0.0.1:`target`, both ways. `watch` may be set."""

    def __init__(self, target: int, name: str = "recorded") -> None:
        self.target = target
        self.watch: Watch | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.milter = Milter(name, f"inet:{self.port}@127.0.0.1")
        self._connections: list[_Connection] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._connections:
            connection.close()

    def take(self, seconds: float = PATIENCE) -> list[list[Recorded]]:
        """What was recorded since the last call, when every connection has ended."""
        taken, self._connections = self._connections, []
        return [connection.recorded(seconds) for connection in taken]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                filter_end = socket.create_connection(("127.0.0.1", self.target), PATIENCE)
            except ConnectionRefusedError:
                client.close()
            else:
                self._connections.append(_Connection(client, filter_end, self._seen))

    def _seen(self, packet: Recorded) -> None:
        if self.watch is not None:
            self.watch(packet)


class _Connection:
    """One connection of an MTA, with the filter's end of it and a thread for each direction."""

    def __init__(self, client: socket.socket, target: socket.socket, watch: Watch) -> None:
        self._watch = watch
        self._ends = (client, target)
        for end in self._ends:
            end.settimeout(PATIENCE)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lock = threading.Lock()
        self._packets: list[Recorded] = []
        self._rest = {True: b"", False: b""}
        self._threads = [threading.Thread(target=self._pass, args=(mta,), daemon=True) for mta in (True, False)]
        for thread in self._threads:
            thread.start()

    def recorded(self, seconds: float) -> list[Recorded]:
        for thread in self._threads:
            thread.join(seconds)
        return self._packets

    def close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass(self, from_mta: bool) -> None:
        source, target = self._ends if from_mta else self._ends[::-1]
        try:
            while data := source.recv(CHUNK):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # Sendmail writes in pieces
                with self._lock:
                    packets = list(self._split(from_mta, data))
                    self._packets += packets
                for packet in packets:
                    self._watch(packet)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def _split(self, from_mta: bool, data: bytes) -> Iterator[Recorded]:
        data = self._rest[from_mta] + data
        while len(data) >= 4 and len(data) - 4 >= (length := int.from_bytes(data[:4], "big")):
            yield Recorded(from_mta, data[4 : 4 + length])
            data = data[4 + length :]
        self._rest[from_mta] = data
