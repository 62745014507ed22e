"""exim-dkim lookup: arguments, request and exit status, against a server that replies what the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookup_server.request import Request, parse_request
from tests.support.cli import MESSAGE, run_cli


class Server:
    """Replies to every request with `reply`, and keeps the requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reply = b"good"
        self.requests: list[Request] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(5)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while part := connection.recv(65536):
                    data += part
                if not data:
                    return
                self.requests.append(parse_request(data))
                connection.sendall(self.reply)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "socket")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("good", 0), ("pass", 0), ("pong", 0), ("dkim=good", 0),
        ("bad", 1), ("fail", 1), ("permerror", 1), ("policy", 1), ("neutral", 1), ("softfail", 1),
        ("unsigned", 3), ("none", 3), ("unverified", 4), ("defer", 75), ("temperror", 75),
    ],
)  # fmt: skip
def test_statuses(server: Server, reply: str, status: int) -> None:
    server.reply = reply.encode()
    result = run_cli("lookup", "--socket", server.path, "dkim", "example.org")
    assert (result.stdout, result.exit_code) == (reply + "\n", status)


def test_the_request(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(MESSAGE)
    values = ("--set", "sender_address=a@b", "--set", 'sender_helo_name="x\ny')
    run_cli("lookup", "--socket", server.path, "why", "dkim", "alice@example.org", file, *values)
    run_cli("lookup", "--socket", server.path, "all", "-", stdin=b"A: 1\n\nx\n")
    run_cli("lookup", "--socket", server.path, "--no-verify", "dkim", "example.org")
    why, everything, unverified = server.requests
    assert (why.query, why.key, why.message) == ("why dkim", b"alice@example.org", MESSAGE)
    assert why.values == {b"sender_address": b"a@b", b"sender_helo_name": b'"x\ny'}
    assert (everything.query, everything.key, everything.message) == ("all", b"", b"A: 1\n\nx\n")
    assert (unverified.controls, unverified.message) == (frozenset(), b"")
    assert why.controls == {b"dkim_verify"}


def test_the_socket_comes_from_the_configuration(server: Server, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"lookup_listen = <; {server.path} ; inet:127.0.0.1:1\n")
    assert run_cli("lookup", "-C", config, "ping").exit_code == 0
    config.write_text("lookup_listen = nonsense\n")
    result = run_cli("lookup", "-C", config, "ping")
    assert result.exit_code == 78
    assert f"{config}:1: lookup_listen: a socket is" in result.stderr


def test_an_error_is_no_verdict(server: Server) -> None:
    server.reply = b"error: \x1b[31munknown query"
    result = run_cli("lookup", "--socket", server.path, "stats")
    assert (result.exit_code, result.stdout) == (76, "")
    assert "the server refuses the request: \\x1b[31munknown query" in result.stderr
    server.reply = b""
    result = run_cli("lookup", "--socket", server.path, "ping")
    assert result.exit_code == 69
    assert "without a reply" in result.stderr


def test_nobody_answers(tmp_path: Path) -> None:
    result = run_cli("lookup", "--socket", tmp_path / "none", "ping")
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == f"exim-dkim: {tmp_path}/none: no such file or directory; is the server running? " \
        "Start it: exim-dkim serve\n"  # fmt: skip


def test_a_missing_message(server: Server) -> None:
    result = run_cli("lookup", "--socket", server.path, "all", "/nonexistent")
    assert (result.exit_code, result.stderr) == (1, "exim-dkim: /nonexistent: no such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nonsense",), "is no query"),
        (("dmarc",), "is no query"),
        (("why",), "why needs a query"),
        (("dkim",), "dkim needs a key"),
        (("dkim", "example.org", "a", "b"), "one message at most"),
        (("ping", "a", "b"), "one message at most"),
        (("ping", "--set", "x"), "write NAME=VALUE"),
        (("dkim", "a\nb"), "one line"),
        (("ping", "--socket", "host:1"), "a socket is"),
        (("ping", "--timeout", "0"), "1<=x<=3600"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], complaint: str) -> None:
    result = run_cli("lookup", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_senderid_takes_an_identity(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(MESSAGE)
    run_cli("lookup", "--socket", server.path, "senderid", "pra", file)
    run_cli("lookup", "--socket", server.path, "senderid", file)
    assert [(r.query, r.key, r.message) for r in server.requests] == [
        ("senderid", b"pra", MESSAGE),
        ("senderid", b"", MESSAGE),
    ]


def test_a_message_of_the_queue(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "1xUw9H-00013Q-2i-H"
    envelope = "1xUw9H-00013Q-2i-H\nroot 0 0\n<a@example.org>\n1795315623 0\nXX\n1\nb@example.org\n\n"
    file.write_text(envelope + "020F From: a@example.org\n")
    (tmp_path / "1xUw9H-00013Q-2i-D").write_text("1xUw9H-00013Q-2i-D\nHello\n")
    assert run_cli("lookup", "--socket", server.path, "all", file).exit_code == 0
    assert server.requests[0].message == b"From: a@example.org\r\n\r\nHello\r\n"
    file.write_text("spoilt")
    result = run_cli("lookup", "--socket", server.path, "all", file)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"exim-dkim: {file}: ")


@pytest.mark.parametrize(
    ("words", "query", "key"),
    [
        (("spf",), "spf", b""),
        (("spf", "helo"), "spf", b"helo"),
        (("why", "spf", "helo"), "why spf", b"helo"),
        (("why", "dkim"), "why dkim", b""),
        (("why", "dkim", "example.org"), "why dkim", b"example.org"),
        (("smtp", "spf"), "smtp spf", b""),
        (("authres", "dkim", "spf_helo"), "authres", b"dkim spf_helo"),
        (("forged",), "forged", b""),
        (("all",), "all", b""),
        (("json", "example.org"), "json", b"example.org"),
    ],
)
def test_queries_about_more_than_signatures(
    server: Server, tmp_path: Path, words: tuple[str, ...], query: str, key: bytes
) -> None:
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    run_cli("lookup", "--socket", server.path, *words, file)
    (request,) = server.requests
    assert (request.query, request.key, request.message) == (query, key, MESSAGE)


def test_the_envelope(server: Server) -> None:
    server.reply = b"fail"
    result = run_cli(
        "lookup", "--socket", server.path, "spf", "--ip", "192.0.2.1", "--sender", "", "--helo", "h.example"
    )
    assert (result.exit_code, result.stdout) == (1, "fail\n")
    (request,) = server.requests
    assert dict(request.values) == {
        b"sender_host_address": b"192.0.2.1",
        b"sender_address": b"",
        b"sender_helo_name": b"h.example",
    }


def test_a_field_of_several_lines(server: Server) -> None:
    server.reply = b"Authentication-Results: mx.example;\n\tdkim=none"
    shown = run_cli("lookup", "--socket", server.path, "authres").stdout
    assert shown == "Authentication-Results: mx.example;\n    dkim=none\n"
