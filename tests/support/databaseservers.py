"""Servers for tests of look-ups: Redis, PostgreSQL, MariaDB, LDAP; on loopback, each in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import peers
from tests.support.processes import Process, free_port, give, shared_directory

USER = "nobody"  # none of them runs as root


class Running(NamedTuple):
    """A server that runs: its port on 127.0.0.1 and its Unix socket."""

    port: int
    socket: Path


@contextlib.contextmanager
def redis() -> Iterator[Running]:
    """A Redis whose password is `secret`."""
    binary = peers.program("redis-server", "redis-server")
    with _directory("redis") as directory:
        running = Running(free_port(), directory / "redis.sock")
        words = [binary, "--port", running.port, "--bind", "127.0.0.1", "--unixsocket", running.socket, "--save", ""]
        words += ["--requirepass", "secret", "--dir", directory]
        with _process(words, directory, running):
            yield running


@contextlib.contextmanager
def postgresql() -> Iterator[Running]:
    """A PostgreSQL that trusts the user `tester`."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not binaries:
        peers.missing("postgres is not installed", "apt-get install postgresql")
    with _directory("pgsql") as directory:
        data = directory / "data"
        _run([binaries[-1].with_name("initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync"], directory)
        port = free_port()
        running = Running(port, directory / f".s.PGSQL.{port}")
        words = [binaries[-1], "-D", data, "-p", port, "-k", directory, "-c", "listen_addresses=127.0.0.1", "-F"]
        with _process(words, directory, running) as process:
            process.wait_until("it takes connections", lambda: "ready to accept connections" in process.output())
            try:
                yield running
            finally:
                process.send(signal.SIGINT)  # without waiting for clients that keep their connections


@contextlib.contextmanager
def mariadb() -> Iterator[Running]:
    """A MariaDB without passwords."""
    binary = peers.program("mariadbd", "mariadb-server-core")
    with _directory("mysql") as directory:
        running = Running(free_port(), directory / "mysql.sock")
        data = directory / "data"
        give(_made(data), USER, 0o700)
        words = [binary, "--no-defaults", f"--datadir={data}", f"--port={running.port}", f"--socket={running.socket}"]
        with _process([*words, "--bind-address=127.0.0.1", "--skip-grant-tables"], directory, running):
            yield running


@contextlib.contextmanager
def _directory(name: str) -> Iterator[Path]:
    with shared_directory(f"exim-dkim-{name}-") as directory:
        yield give(directory, USER, 0o755)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _run(words: list[Any], directory: Path) -> None:
    process = Process(words, log=directory / "log", user=USER, environment=_environment(), cwd=directory)
    try:
        assert process.wait(60) == 0, process.output()
    except subprocess.TimeoutExpired:
        raise AssertionError(process.output()) from None
    finally:
        process.end()


@contextlib.contextmanager
def _process(words: list[Any], directory: Path, running: Running) -> Iterator[Process]:
    process = Process(words, log=directory / "log", user=USER, environment=_environment(), cwd=directory)
    try:
        process.wait_until("the server listens", running.socket.exists)
        yield process
    finally:
        process.end()


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": "/tmp"}


@contextlib.contextmanager
def slapd(entries: str) -> Iterator[Running]:
    """An LDAP server with these entries (LDIF) below o=base; cn=root,o=base has the password `secret`."""
    binary = peers.program("slapd", "slapd")
    with _directory("ldap") as directory:
        give(_made(directory / "db"), USER, 0o700)
        running = Running(free_port(), directory / "pid")
        configuration = directory / "slapd.conf"
        schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        configuration.write_text(
            f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {running.socket}\ndatabase mdb\n"
            f'maxsize 10000000\nsuffix "o=base"\nrootdn "cn=root,o=base"\nrootpw secret\ndirectory {directory}/db\n'
        )
        (directory / "entries").write_text(entries)
        _run([binary, "-T", "add", "-f", configuration, "-l", directory / "entries"], directory)
        words = [binary, "-f", configuration, "-h", f"ldap://127.0.0.1:{running.port}", "-d", "0"]
        with _process(words, directory, running) as process:
            # It writes its process id before it listens.
            process.wait_until("it takes connections", lambda: _takes_connections(running.port))
            yield running


def _takes_connections(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
