"""A real Exim in a sandbox: own spool, log, configuration and port on 127.0.0.1, nothing shared with the system's.

The configuration is `examples/exim.conf` itself, included by a file that sets its macros.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import Process, exim_user, free_port, give, wait_until

EXAMPLE = Path(__file__).parents[2] / "examples" / "exim.conf"
HARMLESS = re.compile(r"exim user lost privilege for using -C option")


class Exim:
    """One Exim daemon. `macros` are set before the example configuration is included; `extra` are lines of the main
    section, `after` what follows the example. `resolver`, if given, becomes /etc/resolv.conf for this daemon alone
    (needs root)."""

    def __init__(
        self,
        binary: str,
        directory: Path,
        macros: Mapping[str, str],
        *,
        extra: str = "",
        after: str = "",
        configuration: Path = EXAMPLE,
        resolver: Path | None = None,
    ) -> None:
        self.binary = binary
        self.directory = give(_made(directory), exim_user(), 0o755)
        self.spool = give(_made(directory / "spool"), exim_user(), 0o755)
        self.mailboxes = give(_made(directory / "mail"), exim_user(), 0o755)
        give(_made(directory / "log"), exim_user(), 0o755)
        self.port = free_port()
        self.configuration = directory / "sandbox.conf"
        included = Path(shutil.copy(configuration, directory / "exim.conf"))
        included.chmod(0o644)
        self._resolver = resolver
        self.macros = {
            "EXIM_STATE": str(directory),
            "SMTP_INTERFACES": "127.0.0.1",
            "SMTP_PORTS": str(self.port),
            "MAILBOXES": str(self.mailboxes),
            "MAILBOX_USER": exim_user(),
            "CLIENT_NETWORKS": "192.0.2.1",
            **macros,
        }
        lines = [f"{name} = {value}" for name, value in self.macros.items()]
        self.configuration.write_text("\n".join([*lines, extra, f".include {included}", after, ""]))
        self.process: Process | None = None

    def mailbox(self, name: str) -> None:
        """Make a local mailbox."""
        give(_made(self.mailboxes / name), exim_user(), 0o755)

    def delivered(self, name: str) -> list[bytes]:
        """The messages in a mailbox, oldest first, as Exim wrote them."""
        files = sorted((self.mailboxes / name / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in files]

    def start(self) -> None:
        arguments: list[str | Path] = [self.binary, "-C", self.configuration, "-bdf"]
        if self._resolver is not None:
            mount = f'mount --bind {self._resolver} /etc/resolv.conf; exec "$@"'
            arguments = ["unshare", "-m", "sh", "-ec", mount, "sh", *arguments]
        self.process = Process(arguments, log=self.directory / "output")
        self.process.wait_until("Exim listens", self._listens)

    def stop(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def run(self, *arguments: str, text: str = "") -> str:
        """Run Exim once with the sandbox's configuration; what it prints."""
        command = [self.binary, "-C", str(self.configuration), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def run_queue(self) -> None:
        """Try every message in the queue now, whatever its retry time, and wait for the end."""
        self.run("-qff")

    def queue(self) -> list[str]:
        """The ids of the messages in the queue."""
        return sorted(path.name[:-2] for path in (self.spool / "input").glob("**/*-H"))

    def main_log(self) -> str:
        return self._log("main")

    def reject_log(self) -> str:
        return self._log("reject")

    def panic_log(self) -> str:
        """The panic log without the line that every Exim started with -C writes."""
        return "".join(line for line in self._log("panic").splitlines(True) if not HARMLESS.search(line))

    def wait_for_log(self, pattern: str, seconds: float = 10.0) -> re.Match[str]:
        """The first match of `pattern` in the main log, waited for."""
        try:
            wait_until(f"{pattern!r} in the log of {self.directory.name}", lambda: self._found(pattern), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.main_log()[-3000:]}\n{self.panic_log()}") from None
        found = self._found(pattern)
        assert found
        return found

    def _found(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.main_log(), re.MULTILINE)

    def _log(self, name: str) -> str:
        path = self.directory / "log" / f"{name}log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                return connection.recv(3) == b"220"
        except ConnectionRefusedError:
            return False


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory
