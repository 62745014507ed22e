"""A real OpenDKIM as a milter in a sandbox: it signs for `domain`, or verifies with the records that it is given."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import peers, samples
from tests.support.mta import Milter
from tests.support.processes import Process, free_port

PLAIN = {
    "Background": "no",
    "AutoRestart": "no",
    "Syslog": "no",
    "RequireSafeKeys": "no",
    "AlwaysAddARHeader": "yes",
    "AuthservID": "opendkim.test.example",
}
SIGNER = {
    "Mode": "s",
    "Domain": "example.org",
    "Selector": "rsa",
    "KeyFile": str(samples.KEY_DIRECTORY / "rsa2048.pem"),
    "Canonicalization": "relaxed/relaxed",
}
VERIFIER = {"Mode": "v", "InternalHosts": "192.0.2.200"}


class OpenDkim:
    """See the module. `settings` are lines of opendkim.conf; `records` are the TXT records that exist."""

    def __init__(
        self, directory: Path, settings: Mapping[str, str], records: Mapping[str, str] = samples.RECORDS
    ) -> None:
        self.port = free_port()
        self.milter = Milter("opendkim", f"inet:{self.port}@127.0.0.1")
        directory.mkdir(exist_ok=True)
        (directory / "records").write_text("".join(f"{name} {text}\n" for name, text in records.items()))
        lines = {
            **PLAIN,
            "Socket": f"inet:{self.port}@127.0.0.1",
            "TestDNSData": f"file:{directory / 'records'}",
            **settings,
        }
        (directory / "opendkim.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        binary = peers.program("opendkim", "opendkim")
        command: list[str | Path] = [binary, "-f", "-x", directory / "opendkim.conf"]
        self.process = Process(command, log=directory / "output")
        self.process.wait_until("OpenDKIM listens", self._listens)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send(signal.SIGKILL)  # it has nothing to lose, and takes five seconds when asked
        self.process.end()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
