"""What Sendmail and Postfix in the tests have in common: where they are unpacked, their ports, and the mail they take.

Neither can be installed beside Exim, so `.ci/setup` unpacks their packages. A daemon has its own directory with
configuration, queue and log, takes mail on ports of loopback, each with milters of its own, and passes it to a sink.
"""

from __future__ import annotations

import abc
import contextlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.support import peers
from tests.support.processes import Process, free_port, shared_directory, wait_until

UNPACKED = Path(os.environ.get("MAIL_SERVERS", "/var/cache/exim-dkim-tests"))
"""Where `.ci/setup` has unpacked the packages, each into a directory of its own."""
HOST_NAME = "mx.test.example"
"""What an MTA calls itself."""


class Milter(NamedTuple):
    """A filter as an MTA calls it: its name, and `inet:PORT@HOST` or `unix:PATH`, which is how Sendmail writes it.
    `when_down`: what becomes of mail when it does not answer within `timeout` seconds: tempfail, reject or accept."""

    name: str
    address: str
    when_down: str = "tempfail"
    timeout: int = 30

    @property
    def postfix_address(self) -> str:
        """The same as Postfix writes it: inet:HOST:PORT."""
        kind, _, rest = self.address.partition(":")
        port, at, host = rest.partition("@")
        return f"{kind}:{host}:{port}" if at else self.address


class Listener(NamedTuple):
    """A port for mail, the filters that see it, in this order, and for Postfix more options of smtpd."""

    milters: tuple[Milter, ...] = ()
    host: str = "127.0.0.1"
    options: tuple[str, ...] = ()


class Mta(abc.ABC):
    """A daemon with `listeners`, by name; what it accepts goes to 127.0.0.1:`relay`."""

    def __init__(self, directory: Path, relay: int, listeners: Mapping[str, Listener], host_name: str) -> None:
        self.root = unpacked(self.package)
        directory.mkdir()
        directory.chmod(0o755)
        self.directory = directory
        self.relay = relay
        self.host_name = host_name
        self.listeners = dict(listeners)
        self.ports = {name: free_port() for name in listeners}
        self.process: Process | None = None

    package: str
    """The package, and the name of the directory that it is unpacked into."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abc.abstractmethod
    def start(self) -> None:
        """Start the daemon and wait until it takes mail."""

    @abc.abstractmethod
    def log(self) -> str:
        """Everything that it has logged."""

    @abc.abstractmethod
    def queue(self) -> list[str]:
        """The names of the messages that have not been delivered."""

    @abc.abstractmethod
    def run_queue(self) -> None:
        """Have every message in the queue tried now."""

    def stop(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def wait_for_log(self, pattern: str, seconds: float = 20.0) -> re.Match[str]:
        """The first match of `pattern` in the log, waited for."""
        found: list[re.Match[str]] = []

        def logged() -> bool:
            match = re.search(pattern, self.log(), re.MULTILINE)
            found.extend([match] if match else [])
            return bool(match)

        try:
            wait_until(f"{pattern!r} in the log of {self.package}", logged, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-5000:]}") from None
        return found[0]

    def _write_resolution(self) -> None:
        """What stands in for /etc/hosts and /etc/resolv.conf: the machine's own names, and no name server."""
        hosts = f"127.0.0.1 localhost {self.host_name}\n::1 localhost\n"
        for name, text in (("hosts", hosts), ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")):
            (self.directory / name).write_text(text)
            (self.directory / name).chmod(0o644)

    def _listens(self) -> bool:
        """Whether every listener greets."""
        for name, listener in self.listeners.items():
            try:
                with socket.create_connection((listener.host, self.ports[name]), 5) as connection:
                    connection.recv(3)
            except (ConnectionRefusedError, TimeoutError):
                return False
        return True


def unpacked(package: str) -> Path:
    """Where a package is unpacked. Skips, or in CI fails, without it or without root."""
    root = UNPACKED / package
    _need_root()
    if not root.is_dir():
        peers.missing(f"{package} is not unpacked in {root}", "make setup && sh .ci/setup packages test")
    return root


def _need_root() -> None:
    if os.getuid() != 0:
        peers.missing("MTAs of our own need root", "run the tests as root")


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def mail_directory(prefix: str) -> Iterator[Path]:
    """A new directory for a daemon, removed at the end. Only root may write to the directories above it (unlike
    /tmp), which Sendmail insists on. Skips, or in CI fails, without root."""
    _need_root()
    with shared_directory(prefix, place=Path("/run")) as directory:
        yield directory
