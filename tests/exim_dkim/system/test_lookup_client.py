"""The plain client of the look-up server, against small servers that behave and misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.system import lookup_client
from exim_dkim.system.lookup_client import Address, LookupFailure, ask, parse_address, quoted, request_head
from lookup_server.request import parse_request


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


@contextmanager
def serving(behave: Callable[[socket.socket], None], path: Path | None = None) -> Iterator[Address]:
    """A server for one connection, on a Unix socket, or on loopback without `path`."""
    with closing(socket.socket(socket.AF_UNIX if path else socket.AF_INET)) as listener:
        listener.bind(str(path) if path else ("127.0.0.1", 0))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Address(path=str(path)) if path else Address(host="127.0.0.1", port=listener.getsockname()[1])
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("unix", [True, False])
def test_a_large_request_arrives_whole(tmp_path: Path, unix: bool) -> None:
    seen = []

    def behave(connection: socket.socket) -> None:
        seen.append(read_all(connection))
        connection.sendall(b"good")

    pieces = [b"From: a@example.org\n\n", b"x" * 300_000, b"y" * 300_000]
    with serving(behave, tmp_path / "s" if unix else None) as address:
        assert ask(address, request_head("dkim example.org", {"control": "dkim_verify"}), iter(pieces)) == b"good"
    request = parse_request(seen[0])
    assert (request.query, request.key, set(request.controls)) == ("dkim", b"example.org", {b"dkim_verify"})
    assert request.message == b"".join(pieces)


def test_a_server_that_answers_before_it_has_read_all(tmp_path: Path) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"error: too long")

    with serving(behave, tmp_path / "s") as address:
        try:
            reply = ask(address, b"dkim example.org\n\n", iter([b"x" * 65536] * 100))
        except LookupFailure as failure:  # the reset may overtake the reply
            reply = failure.reason.encode()
    assert reply == b"error: too long" or b"reset" in reply


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    ended = threading.Event()

    def behave(connection: socket.socket) -> None:
        ended.wait(10)

    with serving(behave, tmp_path / "s") as address:
        with pytest.raises(LookupFailure, match=r"no answer within 0\.2 s"):
            ask(address, b"ping\n\n", seconds=0.2)
        ended.set()


def test_a_server_that_drips(tmp_path: Path) -> None:
    """The deadline is for all together: bytes that keep coming do not move it."""
    ended = threading.Event()

    def behave(connection: socket.socket) -> None:
        with suppress(OSError):
            while not ended.wait(0.02):
                connection.sendall(b"x")

    with serving(behave, tmp_path / "s") as address:
        with pytest.raises(LookupFailure, match="no answer within"):
            ask(address, b"ping\n\n", seconds=0.3)
        ended.set()


def test_a_server_that_never_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_client, "MAX_REPLY", 1000)

    def behave(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(b"x" * 65536)

    with serving(behave, tmp_path / "s") as address, pytest.raises(LookupFailure, match="longer than 1000 bytes"):
        ask(address, b"ping\n\n")


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(LookupFailure, match="no such file") as caught:
        ask(Address(path=str(tmp_path / "none")), b"ping\n\n")
    assert isinstance(caught.value.error, FileNotFoundError)


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("/run/x.sock", Address(path="/run/x.sock"), "/run/x.sock"),
        ("inet:localhost:8892", Address(host="localhost", port=8892), "inet:localhost:8892"),
        ("inet:192.0.2.1:1", Address(host="192.0.2.1", port=1), "inet:192.0.2.1:1"),
        ("inet6:[::1]:8892", Address(host="::1", port=8892), "inet6:[::1]:8892"),
    ],
)
def test_addresses(text: str, address: Address, shown: str) -> None:
    assert parse_address(text) == address
    assert str(address) == shown


@pytest.mark.parametrize(
    "text", ["", "x", "run/x.sock", "inet:", "inet:host", "inet:host:", "inet:host:0", "inet:host:65536", "inet::1",
             "tcp:host:1", "inet:host:1x", "/" + "x" * 107]
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"socket|port"):
        parse_address(text)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_parse_address_returns_or_raises_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_any_value_arrives_as_it_is(value: str) -> None:
    request = parse_request(request_head("dkim example.org", {"sender_helo_name": value}))
    assert request.values[b"sender_helo_name"] == value.encode()


def test_plain_values_stay_plain() -> None:
    assert quoted("alice@example.org") == "alice@example.org"
    assert quoted('a\n"b"') == '"a\\n\\"b\\""'


def test_a_query_is_one_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        request_head("dkim a\nlength = 5", {})
