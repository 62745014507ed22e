"""SMTP as bytes: a client that sends exactly what it is told, and a sink that keeps exactly what it gets."""

from __future__ import annotations

import contextlib
import queue
import socket
import socketserver
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self, cast

PATIENCE = 60.0
"""Seconds after which a peer that says nothing is a failure."""
MAX_LINE = 1 << 20
"""Longest line the sink takes."""


class Reply(NamedTuple):
    """An SMTP reply: its code and its lines joined with newlines."""

    code: int
    text: str


class Client:
    """One SMTP connection. Nothing is changed on the way out but what the method says."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), PATIENCE, source_address=(source, 0))
        self._input = self._socket.makefile("rb")
        self.banner = self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._input.close()
        self._socket.close()

    def reply(self) -> Reply:
        """The next reply; code 0 when the server has closed the connection."""
        lines: list[str] = []
        while True:
            line = self._input.readline(MAX_LINE)
            if not line:
                return Reply(0, "\n".join(lines))
            lines.append(line[4:].decode("utf-8", "replace").rstrip("\r\n"))
            if line[3:4] != b"-":
                return Reply(int(line[:3]), "\n".join(lines))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def command(self, line: str) -> Reply:
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def hello(self, name: str = "client.example") -> Reply:
        return self.command(f"EHLO {name}")

    def envelope(self, sender: str, recipients: Sequence[str], parameters: str = "") -> Reply:
        """MAIL, with what may follow the address, and RCPT; the first reply that is not 2xx, else the last."""
        answer = self.command(f"MAIL FROM:<{sender}>{parameters}")
        for recipient in recipients:
            if answer.code // 100 != 2:
                break
            answer = self.command(f"RCPT TO:<{recipient}>")
        return answer

    def data(self, message: bytes) -> Reply:
        """DATA with dots doubled and the final dot; all other bytes go as they are."""
        answer = self.command("DATA")
        if answer.code != 354:
            return answer
        self.send(stuffed(message) + b".\r\n")
        return self.reply()

    def bdat(self, *chunks: bytes) -> Reply:
        """BDAT (RFC 3030), the last chunk with LAST; the last reply."""
        answer = Reply(0, "")
        for number, chunk in enumerate(chunks, 1):
            last = " LAST" if number == len(chunks) else ""
            self.send(b"BDAT %d%s\r\n" % (len(chunk), last.encode()) + chunk)
            answer = self.reply()
            if answer.code // 100 != 2:
                break
        return answer


def stuffed(message: bytes) -> bytes:
    """`message` in wire form with dots doubled (RFC 5321 §4.5.2), ended by a CRLF."""
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    doubled = message.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def unstuffed(data: bytes) -> bytes:
    """The reverse of `stuffed`."""
    single = data.replace(b"\r\n..", b"\r\n.")
    return single[1:] if single.startswith(b"..") else single


def submit(port: int, message: bytes, *, sender: str, recipients: Sequence[str], source: str = "127.0.0.1") -> Reply:
    """Send one message by DATA in a connection of its own; the reply to it, or the refusal before."""
    with Client(port, source=source) as client:
        client.hello()
        answer = client.envelope(sender, recipients)
        if answer.code // 100 == 2:
            answer = client.data(message)
        client.send(b"QUIT\r\n")
        return answer


class Received(NamedTuple):
    """A message that the sink got. `message` is what was sent, dots undone; `wire` is every byte of it."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes
    wire: bytes


class Sink:
    """An SMTP server on 127.0.0.1 that accepts everything and keeps it, in a thread of its own.

    `extensions` are those that it offers.
    """

    def __init__(self, extensions: Sequence[str] = ("8BITMIME", "SMTPUTF8", "SIZE")) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        self._server = _SinkServer(("127.0.0.1", 0), _Session)
        self._server.received = self.received
        self._server.greeting = ["sink.example", *extensions]
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def next(self, seconds: float = PATIENCE) -> Received:
        """The next message, in the order of arrival; fails if none comes."""
        try:
            return self.received.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no message reached the sink within {seconds:g} s") from None


class _SinkServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    received: queue.Queue[Received]
    greeting: list[str]


class _Session(socketserver.StreamRequestHandler):
    timeout = PATIENCE

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that was killed is none that has sent a message
            self.converse()

    def converse(self) -> None:
        self.say("220 sink.example ESMTP")
        sender = ""
        recipients: list[str] = []
        while line := self.rfile.readline(MAX_LINE):
            verb = line[:4].upper()
            if verb == b"MAIL":
                sender, recipients = _path(line), []
            elif verb == b"RCPT":
                recipients.append(_path(line))
            if verb == b"DATA":
                self.say("354 go ahead")
                wire = self.read_data()
                if wire is None:
                    return
                kept = Received(sender, tuple(recipients), unstuffed(wire), wire)
                cast(_SinkServer, self.server).received.put(kept)
                self.say("250 kept")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            elif verb == b"EHLO":
                *lines, last = cast(_SinkServer, self.server).greeting
                self.say("".join(f"250-{line}\r\n" for line in lines) + f"250 {last}")
            else:
                self.say("250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def read_data(self) -> bytes | None:
        """What comes before the final dot; None when the client goes away without it."""
        lines: list[bytes] = []
        while line := self.rfile.readline(MAX_LINE):
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line)
        return None


def _path(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode("utf-8", "replace")
