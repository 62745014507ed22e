"""exim-dkim check: the server's sockets, tried as Exim's user."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from exim_dkim.commands import check_socket
from exim_dkim.commands.check_socket import check_sockets
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.system.access import User
from tests.support.processes import shared_directory

ROOT = os.geteuid() == 0
USER = User("nobody", 65534, 65534) if ROOT else User("me", os.geteuid(), os.getegid())


@pytest.fixture
def directory() -> Iterator[Path]:
    with shared_directory("exim-dkim-socket-") as made:
        yield made


# A process of its own: the checks fork, and a process that forks should have one thread.
SERVER = """\
import os, socket, sys, time
path, mode, reply = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, int(mode, 8))
listener.listen(5)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    while connection.recv(1000):
        pass
    if reply == "nothing":
        time.sleep(20)
    connection.sendall(reply.encode())
    connection.close()
"""


@contextmanager
def listening(path: Path, reply: str = "pong", mode: str = "666") -> Iterator[None]:
    """A server that gives each of its clients `reply`; it keeps `nothing` for itself."""
    words = [sys.executable, "-c", SERVER, str(path), mode, reply]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.kill()


def findings(listen: str, may_try: bool = True) -> list[Finding]:
    return list(check_sockets(parse_configuration(f"lookup_listen = <; {listen}\n".encode(), "c"), USER, may_try))


def test_a_server_that_answers(directory: Path) -> None:
    with listening(directory / "s"):
        (finding,) = findings(f"{directory}/s")
        (untried,) = findings(f"{directory}/s", may_try=False)
    assert (finding.level, finding.text) == (Level.OK, f"socket {directory}/s: the server answers user {USER.name}")
    assert (untried.level, untried.text) == (Level.OK, f"socket {directory}/s: the server answers this user")


def test_another_program(directory: Path) -> None:
    with listening(directory / "s", "220 hello"):
        (finding,) = findings(f"{directory}/s")
    assert finding.level is Level.FAIL
    assert "not pong: is it another program?" in finding.text


def test_a_server_that_hangs(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_socket, "PING_SECONDS", 0.2)
    with listening(directory / "s", "nothing"):
        (finding,) = findings(f"{directory}/s")
    assert finding.level is Level.FAIL
    assert "no answer within 0.2 s" in finding.text


def test_a_socket_without_server(directory: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"{directory}/s")
    (directory / "s").chmod(0o666)
    (finding,) = findings(f"{directory}/s")
    assert "connection refused" in finding.text
    assert "exim-dkim serve" in finding.remedy


@pytest.mark.skipif(not ROOT, reason="needs root: nothing is closed to the owner of a socket")
def test_a_socket_that_is_closed_to_exim(directory: Path) -> None:
    with listening(directory / "s", mode="600"):
        (finding,) = findings(f"{directory}/s")
    assert finding.level is Level.FAIL
    assert f"may not read and write {directory}/s (mode 0600" in finding.text
    assert "lookup_socket_group = nogroup" in finding.remedy  # a chmod would last until the next start only
    (directory / "closed").mkdir(mode=0o700)
    with listening(directory / "closed" / "s"):
        (finding,) = findings(f"{directory}/closed/s")
    assert f"may not search {directory}/closed" in finding.text
    assert finding.remedy == f"chmod a+x {directory}/closed"


def test_every_socket_is_looked_at_but_what_is_none(directory: Path) -> None:
    with listening(directory / "s"):
        found = findings(f"{directory}/s ; {directory}/none ; nonsense ; inet:127.0.0.1:1")
    assert [finding.level for finding in found] == [Level.OK, Level.FAIL, Level.FAIL]
    assert "does not exist: no server runs" in found[1].text
    assert "connection refused" in found[2].text
