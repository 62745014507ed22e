"""What expansions ask the system for: sockets, the process environment, files' status."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import expand, parse_template
from exim_dkim.expansion.environment import OutsideTrouble
from exim_dkim.system import outside
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.outside import RealOutside


class Service:
    """A service on a Unix socket that answers one request after another, until `close`."""

    def __init__(self, path: Path, answer: Callable[[bytes], bytes]) -> None:
        self.path = os.fsencode(path)
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                request = connection.makefile("rb").read()
                if request == b"quit":
                    return
                connection.sendall(self._answer(request))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
            last.sendall(b"quit")
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path / "socket", lambda request: request.upper() + b"\nline\0gone\r\n")
    yield running
    running.close()


def value(template: bytes, configuration: bytes = b"") -> bytes:
    return expand(parse_template(template), MessageEnvironment(parse_configuration(configuration))).text


def test_a_reply(service: Service) -> None:
    template = b"${readsocket{" + service.path + b"}{abc}%s}"
    assert value(template % b"") == b"ABC\nline\n"
    assert value(template % b"{2s}{ | }") == b"ABC | line | "
    assert value(template % b"{2s:cache=no:shutdown=yes}{}{failed}") == b"ABC\nline\n"


def test_a_reply_is_not_tainted(service: Service) -> None:
    template = parse_template(b"${readsocket{" + service.path + b"}{abc}}")
    assert not expand(template, MessageEnvironment(parse_configuration(b""))).tainted


def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        with pytest.raises(OutsideTrouble, match="socket read timed out"):
            RealOutside().ask_socket(os.fsencode(tmp_path / "silent"), b"x", 1, shutdown=True)


def test_a_reply_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "MAX_REPLY", 1000)
    running = Service(tmp_path / "socket", lambda request: b"x" * 1001)
    with pytest.raises(OutsideTrouble, match="longer than 1000 bytes"):
        RealOutside().ask_socket(running.path, b"x", 5, shutdown=True)
    running.close()


def test_the_server_does_not_ask_itself(service: Service, tmp_path: Path) -> None:
    own = b"lookup_listen = " + service.path
    (tmp_path / "link").symlink_to("socket")
    for path in (service.path, os.fsencode(tmp_path / "link")):
        with pytest.raises(ExpansionError, match=r"refused to ask .*: it is the look-up server itself"):
            value(b"${readsocket{" + path + b"}{dkim x}}", own)
    assert value(b"${readsocket{" + service.path + b"}{x}{1s}{}{defer}}", own) == b"defer"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (b"inet:127.0.0.1", "has no host or no port"),
        (b"inet:127.0.0.1:x", "has no host or no port"),
        (b"inet:127.0.0.1:99999", "has no host or no port"),
        (b"relative", "not an absolute path"),
        (b"/" + b"x" * 200, "File name too long"),
    ],
)
def test_addresses_that_are_none(address: bytes, message: str) -> None:
    with pytest.raises(ExpansionError, match=message):
        value(b"${readsocket{" + address + b"}{x}{1s}}")


def test_over_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_answer_once, args=(listener,), daemon=True)
        answering.start()
        port = b"%d" % listener.getsockname()[1]
        assert value(b"${readsocket{inet:127.0.0.1:" + port + b"}{x}{5s}}") == b"yes"
        answering.join(10)


def _answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        while connection.recv(100):
            pass
        connection.sendall(b"yes")


@pytest.mark.parametrize("options", [b"5x", b"tls=yes", b"1s:tls=yes", b"1s:nosuch=1"])
def test_options_that_are_refused(options: bytes) -> None:
    with pytest.raises(ExpansionError, match=r"is not (a time|supported)"):
        value(b"${readsocket{/nonexistent}{x}{" + options + b"}{}{fail}}")


def test_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXIM_DKIM_TEST", "there")
    assert value(b"${env{EXIM_DKIM_TEST}{[$value]}{no}}${env{EXIM_DKIM_NONE}{[$value]}{no}}") == b"[there]no"
    assert value(b"${env{EXIM_DKIM_TEST}}${env{}{x}{y}}${env{A=B}{x}{y}}") == b"thereyy"


def test_the_status_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    path.chmod(0o4640)
    text = value(b"${stat:" + os.fsencode(path) + b"}")
    assert text.startswith(b"mode=4640 smode=-rwSr----- inode=%d device=" % path.stat().st_ino)
    assert b" size=5 " in text
    assert value(b"${extract{mode}{${stat:" + os.fsencode(tmp_path) + b"}}}") == b"40700"


def test_random_numbers() -> None:
    assert {int(value(b"${randint:3}")) for _ in range(100)} == {0, 1, 2}
