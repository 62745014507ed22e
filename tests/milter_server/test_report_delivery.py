"""milter_server.report_delivery: a command, or a server."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from milter_server import report_delivery
from milter_server.report_delivery import Command, Delivery, DeliveryError, SmtpServer, parse_command, parse_server
from tests.support.smtp import Sink

REPORT = b"To: a@b.example\r\nSubject: x\r\n\r\n.dot\r\n..\r\n\r\n.\r\nend\r\n"


def send(delivery: Delivery) -> None:
    asyncio.run(delivery.send(REPORT, "a@b.example"))


def script(directory: Path, text: str) -> str:
    path = directory / "command"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_command_gets_the_report_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    path = script(
        tmp_path, f'cat >{tmp_path}/got; echo "$@" >{tmp_path}/arguments; env >{tmp_path}/env; pwd >{tmp_path}/pwd'
    )
    send(parse_command(f"{path} -t -i -f '<>' 'a  b' $HOME"))
    assert (tmp_path / "got").read_bytes() == REPORT.replace(b"\r\n", b"\n")
    assert (tmp_path / "arguments").read_text() == "-t -i -f <> a  b $HOME\n"
    assert "SECRET" not in (tmp_path / "env").read_text()
    assert (tmp_path / "pwd").read_text() == "/\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("echo unknown user >&2; exit 67", "ended with status 67: unknown user"),
        ("exit 1", "ended with status 1$"),
        ("kill -9 $$", "was killed by signal 9"),
    ],
)
def test_a_command_that_fails(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(DeliveryError, match=error):
        send(Command((script(tmp_path, text),)))


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    missing = Command((str(tmp_path / "nothing"),))
    with pytest.raises(DeliveryError, match="No such file"):
        send(missing)
    assert "cannot be run" in missing.warnings()[0]
    assert not Command((script(tmp_path, "true"),)).warnings()


def test_a_command_that_does_not_end_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_delivery, "SECONDS", 0.5)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(DeliveryError, match="was killed"):
        send(Command((script(tmp_path, f"sleep 100 >{pipe} & wait"),)))
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # nobody has it open any more
    os.close(reader)


@pytest.mark.parametrize("text", ["", "sendmail -t", "'/usr/sbin/sendmail", "  "])
def test_what_is_no_command(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_command(text)


def test_a_server() -> None:
    with Sink() as sink:
        server = parse_server(f"inet:{sink.port}@127.0.0.1", "mx.example")
        send(server)
        assert not server.warnings()
        received = sink.next()
    assert (received.sender, received.recipients, received.message) == ("", ("a@b.example",), REPORT)


@pytest.mark.parametrize("text", ["inet:25", "25", "unix:/x", "inet:0@127.0.0.1", "127.0.0.1:25"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_server(text, "mx.example")


@pytest.fixture(name="listening")
def fixture_listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def talk(listening: socket.socket, replies: list[bytes]) -> SmtpServer:
    """A server that greets with the first of these, and answers each line with the next; then it closes."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            for reply in replies:
                connection.sendall(reply)
                lines.readline()

    threading.Thread(target=serve, daemon=True).start()
    return SmtpServer("127.0.0.1", listening.getsockname()[1], "mx.example")


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ([b"554 go away\r\n"], "its greeting: 554 go away"),
        ([b"220 x\r\n", b"250-a\r\n250 b\r\n", b"250 x\r\n", b"550 nobody\r\n"], "RCPT TO:<a@b.example>: 550 nobody"),
        ([b"220 x\r\n", b"250 b\r\n", b"250 x\r\n", b"250 x\r\n", b"250 no\r\n"], "DATA: 250 no"),
        ([b"220 x\r\n"], "has closed the connection"),
        ([b"220-x\r\n" * 1000], "its greeting: a reply without an end"),
        ([b"x" * 100_000], "port"),
    ],
)
def test_a_server_that_does_not_take_it(listening: socket.socket, replies: list[bytes], error: str) -> None:
    with pytest.raises(DeliveryError, match=error):
        send(talk(listening, replies))


def test_a_server_that_is_silent(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_delivery, "SECONDS", 0.3)
    with pytest.raises(DeliveryError, match=r"longer than 0\.3 seconds"):
        send(SmtpServer("127.0.0.1", listening.getsockname()[1], "mx.example"))


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DeliveryError, match=r"refused|Connect"):
        send(SmtpServer("127.0.0.1", port, "mx.example"))
