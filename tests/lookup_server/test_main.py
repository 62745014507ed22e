"""The server as a process: start, readiness, signals, socket activation, faults at start."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mail import record, signed

GOOD = b"dkim example.org\ncontrol = dkim_verify\n\n" + signed()
_START = """
import os, sys
from exim_dkim.errors import EximDkimError
from lookup_server.main import run
if len(sys.argv) > 2:  # as systemd does it
    os.dup2(int(sys.argv[2]), 3)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
try:
    sys.exit(run(sys.argv[1]))
except EximDkimError as error:
    sys.exit(str(error))
"""
USER = "user = root\n" if os.geteuid() == 0 else ""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    strings = " ".join(f'"{record()[i : i + 250]}"' for i in range(0, len(record()), 250))
    (tmp_path / "zone").write_text(f"sel._domainkey.example.org. TXT {strings}\n")
    file = tmp_path / "exim-dkim.conf"
    file.write_text(
        f"lookup_listen = {tmp_path}/l.sock\nlog_destination = stderr\ndns_zone_file = {tmp_path}/zone\n"
        f"pid_file_path = {tmp_path}/pid\n{USER}"
    )
    return file


class Running:
    """A server process, and what it tells systemd."""

    def __init__(self, configuration: Path, notified: socket.socket, process: subprocess.Popen[str]) -> None:
        self.directory = configuration.parent
        self.notified = notified
        self.process = process

    def wait_for(self, state: str) -> None:
        while state not in self.notified.recv(4096).decode().splitlines():
            pass

    def ask(self, request: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(self.directory / "l.sock"))
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def end(self) -> tuple[int, str]:
        """SIGTERM: the exit status and the log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=20)
        return self.process.returncode, log


@contextlib.contextmanager
def started(configuration: Path, *inherited: int) -> Iterator[Running]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(configuration.parent / "notify"))
        notified.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": str(configuration.parent / "notify")}
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(configuration), *map(str, inherited)],
            env=environment,
            pass_fds=inherited,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            running = Running(configuration, notified, process)
            running.wait_for("READY=1")
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def test_a_life(configuration: Path) -> None:
    with started(configuration) as server:
        assert (configuration.parent / "pid").read_text() == f"{server.process.pid}\n"
        assert server.ask(b"ping\n") == b"pong"
        assert server.ask(GOOD) == b"good"
        status, log = server.end()
        server.wait_for("STOPPING=1")
    assert status == 0
    assert "dkim=good d=example.org s=sel a=rsa-sha256 b=1024 [pass: the signature is good]" in log
    assert "Traceback" not in log
    assert sorted(os.listdir(configuration.parent)) == ["exim-dkim.conf", "notify", "zone"]


def test_sigterm_finishes_what_has_begun(configuration: Path) -> None:
    with started(configuration) as server, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(configuration.parent / "l.sock"))
        client.sendall(GOOD[:200])
        assert server.ask(b"ping\n") == b"pong"
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("STOPPING=1")
        client.sendall(GOOD[200:])
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"good"
        assert server.process.wait(20) == 0


def test_sighup_reads_the_configuration_again_and_a_bad_one_changes_nothing(configuration: Path) -> None:
    text = configuration.read_text()
    with started(configuration) as server:
        assert server.ask(GOOD) == b"good"
        configuration.write_text(text + "dkim_verify_min_keysizes = rsa=2048\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("RELOADING=1")
        server.wait_for("READY=1")
        assert server.ask(GOOD) == b"bad"
        configuration.write_text(text + "no_such_option = 1\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("RELOADING=1")
        server.wait_for("READY=1")
        assert server.ask(GOOD) == b"bad"
        status, log = server.end()
    assert status == 0
    assert "configuration read again" in log
    assert re.search(r"the old configuration stays: \S+:\d+: ", log)


def test_socket_activation(configuration: Path) -> None:
    path = configuration.parent / "l.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(10)
        with socket.socket(socket.AF_UNIX) as early:
            early.settimeout(20)
            early.connect(str(path))  # before the server runs
            early.sendall(GOOD)
            early.shutdown(socket.SHUT_WR)
            with started(configuration, listener.fileno()) as server:
                assert early.recv(100) == b"good"
                assert server.ask(b"ping") == b"pong"
                status, _ = server.end()
        assert status == 0
        assert path.exists()  # it is systemd's


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("no_such_option = 1", "no_such_option"),
        ("dkim_verify_hashes = md5", "md5"),
        ("dns_nameservers = nowhere", ""),
        ("lookup_socket_group = no-such-group", "no group no-such-group"),
        ("log_destination = nowhere", "syslog or stderr"),
    ],
)
def test_faults_at_start_are_one_message(configuration: Path, line: str, text: str) -> None:
    base = configuration.read_text()
    if line.startswith("dns_"):
        base = base.replace("dns_zone_file", "# dns_zone_file")
        text = "nowhere"
    if line.startswith("log_"):
        base = base.replace("log_destination = stderr\n", "")
    configuration.write_text(f"{base}{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", _START, str(configuration)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (configuration.parent / "l.sock").exists()
    assert not (configuration.parent / "pid").exists()


def test_a_second_server_leaves_the_first_alone(configuration: Path) -> None:
    with started(configuration) as server:
        done = subprocess.run(
            [sys.executable, "-c", _START, str(configuration)], capture_output=True, text=True, timeout=30, check=False
        )
        assert "another server listens there" in done.stderr
        assert server.ask(b"ping") == b"pong"
        assert (configuration.parent / "pid").exists()
