"""`sid-filter`, `dk-filter` and `dkim-filter` as processes, as an administrator starts them, on ports of loopback."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.mta import Milter
from tests.support.processes import Process, free_port

CHECKOUT = Path(__file__).parents[2]


class MilterFilter:
    """One filter. `arguments` are those of its command line, but for the socket and the foreground."""

    def __init__(
        self, program: str, directory: Path, *arguments: str, name: str = "", when_down: str = "tempfail"
    ) -> None:
        self.port = free_port()
        self.milter = Milter(name or program, f"inet:{self.port}@127.0.0.1", when_down)
        self._log = directory / f"{self.milter.name}.log"
        module = f"milter_server.{program.replace('-', '_')}"
        self._command = [sys.executable, "-m", module, "-f", "-p", self.milter.address, *arguments]
        self._process: Process | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; `wait` for it before it is used."""
        with self._lock:
            self._process = Process(self._command, log=self._log, cwd=CHECKOUT)

    def wait(self) -> None:
        """Wait until it serves."""
        assert self._process is not None
        self._process.wait_until(f"{self.milter.name} listens", self._listens)

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                process.end()

    def kill(self) -> None:
        """End it as a crash does."""
        with self._lock:  # who notices the crash may start it again before we return
            process, self._process = self._process, None
            assert process is not None
            process.send(signal.SIGKILL)
            process.end()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send(number)

    def log(self) -> str:
        """What it has logged, to standard error."""
        return self._log.read_text(errors="replace")

    def _listens(self) -> bool:
        if "serving " not in self.log():  # else somebody else may listen there
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
