"""The look-up server as a real process, and a client that asks it as Exim does."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from tests.support.installation import Installation
from tests.support.processes import Process, exim_user, give


class LookupServer:
    """`exim-dkim serve` with a configuration of its own, as Exim's user, in `directory`."""

    def __init__(self, installation: Installation, directory: Path, options: Mapping[str, str]) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = give(directory, exim_user(), 0o755)
        self.socket = directory / "lookup.sock"
        self.configuration = directory / "exim-dkim.conf"
        settings = {
            "lookup_listen": str(self.socket),
            "log_destination": "stderr",
            **options,
        }
        settings["lookup_listen"] = settings["lookup_listen"].replace("SOCKET", str(self.socket))
        if ";" in settings["lookup_listen"]:
            settings["lookup_listen"] = f"<; {settings['lookup_listen']}"
        lines = [f"{name} = {value}" for name, value in settings.items()]
        self.configuration.write_text("\n".join([*lines, ""]))
        self.configuration.chmod(0o644)
        self._command: list[str | Path] = [installation.command, "serve", "--config", self.configuration]
        self.process: Process | None = None

    def start(self) -> None:
        self.process = Process(self._command, log=self.directory / "log", user=exim_user(), cwd=self.directory)
        self.process.wait_until("the look-up server answers", self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def ask(self, request: bytes) -> bytes:
        """One request, ended as Exim ends it, and the whole reply."""
        return ask(self.socket, request)

    def _answers(self) -> bool:
        try:
            return self.ask(b"ping\n") == b"pong"
        except (FileNotFoundError, ConnectionRefusedError):
            return False


def ask(path: Path, request: bytes) -> bytes:
    """Send `request` to a Unix socket, close that side, read to the end."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))
