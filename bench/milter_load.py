"""The MTA's side of the milter protocol, made to cost little: whole messages as bytes, cut where an answer is awaited.

Speaks to any milter, over any number of connections at once, and keeps to what is negotiated: a filter that answers
every step is asked for every step.
"""

from __future__ import annotations

import selectors
import socket
import struct
from collections import deque
from collections.abc import Iterable, Sequence

PATIENCE = 60.0
CHUNK = 65535
FINAL = b"arty"
ANSWERS = FINAL + b"cds"
OFFER = struct.pack("!III", 6, 0x1FF, 0x1FFFFF)
LEADING_SPACE = 0x100000
NOT_SENT = {b"C": 0x01, b"H": 0x02, b"M": 0x04, b"R": 0x08, b"B": 0x10, b"L": 0x20, b"N": 0x40, b"T": 0x200}
NOT_ANSWERED = {
    b"C": 0x1000, b"H": 0x2000, b"M": 0x4000, b"R": 0x8000, b"T": 0x10000, b"L": 0x80, b"N": 0x40000, b"B": 0x80000,
}  # fmt: skip

Step = tuple[bytes, bytes, bytes]
"""A command's letter, the packet of its macros, its data."""


def packet(letter: bytes, data: bytes = b"") -> bytes:
    """The bytes of a packet."""
    return struct.pack("!I", len(data) + 1) + letter + data


def macros(letter: bytes, *words: str) -> bytes:
    """A packet of macros: names and values in turn."""
    return packet(b"D", letter + "".join(word + "\0" for word in words).encode())


GREETING: Sequence[Step] = (
    (
        b"C",
        macros(b"C", "j", "mx.example.net", "{daemon_name}", "MTA"),
        b"mail.example.org\0" + b"4" + struct.pack("!H", 2525) + b"192.0.2.1\0",
    ),
    (b"H", macros(b"H"), b"mail.example.org\0"),
)


def steps(message: bytes, leading_space: bool) -> list[Step]:
    """What an MTA says about a message in wire form."""
    header, _, body = message.partition(b"\r\n\r\n")
    found = [
        (b"M", macros(b"M", "i", "4bXy0c1zQ9z", "{mail_addr}", "alice@example.org"), b"<alice@example.org>\0"),
        (b"R", macros(b"R", "{rcpt_addr}", "bob@example.com"), b"<bob@example.com>\0"),
        (b"T", macros(b"T"), b""),
    ]
    for field in header.replace(b"\r\n\t", b"\n\t").replace(b"\r\n ", b"\n ").split(b"\r\n"):
        name, _, value = field.partition(b":")
        found.append((b"L", b"", name + b"\0" + (value if leading_space else value.removeprefix(b" ")) + b"\0"))
    found.append((b"N", macros(b"N"), b""))
    found += [(b"B", b"", body[start : start + CHUNK]) for start in range(0, len(body), CHUNK)]
    found.append((b"E", macros(b"E"), b""))
    return found


class Client:
    """A connection, on which `expected` has to be in what is answered to each message."""

    def __init__(self, path: str, expected: bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.done = 0
        self._expected = expected
        self._received = b""
        self._found = False
        self._unsent = b""
        self._parts: deque[bytes] = deque()
        self.socket.sendall(packet(b"O", OFFER))
        options = self._answer(b"O")
        self.protocol: int = struct.unpack_from("!III", options)[2]
        for part in self._cut(GREETING):
            self.socket.sendall(part)
            self._answer(ANSWERS)
        self.socket.sendall(self._unsent)
        self._unsent = b""
        self.socket.setblocking(False)

    def prepare(self, messages: Iterable[bytes]) -> list[list[bytes]]:
        """Messages as they are sent on this connection: each part ends where an answer is awaited."""
        leading_space = bool(self.protocol & LEADING_SPACE)
        return [self._cut(steps(message, leading_space)) for message in messages]

    def _cut(self, said: Iterable[Step]) -> list[bytes]:
        parts: list[bytes] = []
        for letter, defined, data in said:
            self._unsent += defined
            if self.protocol & NOT_SENT.get(letter, 0):
                continue
            self._unsent += packet(letter, data)
            if not self.protocol & NOT_ANSWERED.get(letter, 0):
                parts.append(self._unsent)
                self._unsent = b""
        return parts

    def begin(self, parts: Sequence[bytes]) -> None:
        """Sends a message."""
        self._parts.extend(parts)
        self._found = False
        self._send()

    def _send(self) -> None:
        part = self._parts.popleft()
        self.socket.setblocking(True)
        self.socket.sendall(part)
        self.socket.setblocking(False)

    def proceed(self) -> bool:
        """Something has come: True when the message is done."""
        self._receive()
        while self._next_packet() is not None:
            letter, data = self._packet
            if self._expected in data:
                self._found = True
            if letter not in ANSWERS:
                continue
            if letter in FINAL and letter != b"a":
                raise AssertionError(f"the milter answers {letter + data!r}")
            if not self._parts:
                if not self._found:
                    raise AssertionError(f"the milter has not said {self._expected!r}")
                self.done += 1
                return True
            self._send()
        return False

    def _answer(self, wanted: bytes) -> bytes:
        while True:
            while self._next_packet() is None:
                self._receive()
            if self._packet[0] in wanted:
                return self._packet[1]

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise AssertionError("the milter has closed the connection")
        self._received += data

    def _next_packet(self) -> tuple[bytes, bytes] | None:
        size = len(self._received)
        end = 4 + int.from_bytes(self._received[:4], "big") if size >= 4 else size + 1
        if size < end:
            return None
        self._packet = self._received[4:5], self._received[5:end]
        self._received = self._received[end:]
        return self._packet


def send(path: str, connections: int, messages: Sequence[bytes], count: int, expected: bytes) -> None:
    """Sends `count` messages, over so many connections at once; each again and again in turn."""
    clients = [Client(path, expected) for _ in range(connections)]
    prepared = clients[0].prepare(messages)
    begun = 0
    with selectors.EpollSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.begin(prepared[begun % len(prepared)])
            begun += 1
        running = len(clients)
        while running:
            for key, _ in selector.select(PATIENCE):
                if not key.data.proceed():
                    continue
                if begun < count:
                    key.data.begin(prepared[begun % len(prepared)])
                    begun += 1
                else:
                    running -= 1
    for client in clients:
        client.socket.setblocking(True)
        client.socket.sendall(packet(b"Q"))
        client.socket.close()
