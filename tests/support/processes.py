"""Processes, directories and ports that tests use, each ended or removed by the one who made it."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.leftovers import leftovers

EXIM_USERS = ("Debian-exim", "exim", "mail")
ENDING_GRACE = 10.0
"""Seconds that a process may take to end when it is asked to."""


def exim_user() -> str:
    """The name of the user that Exim runs as on this machine."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in EXIM_USERS if name in names), "nobody")


def open_to_others(path: Path) -> bool:
    """Whether every user may enter `path` and all that is above it."""
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in (path, *path.parents))


@contextlib.contextmanager
def shared_directory(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """A new directory in `place` that every user can enter, removed at the end; $TMPDIR may be private, /tmp is not."""
    places = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    place = place or next(place for place in places if place.is_dir() and open_to_others(place.resolve()))
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    directory.chmod(0o755)
    leftovers().note("directory", directory)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        leftovers().forget("directory", directory)


def give(path: Path, user: str, mode: int) -> Path:
    """`path` with this mode, owned by `user` where we may do that."""
    path.chmod(mode)
    if os.getuid() == 0:
        account = pwd.getpwnam(user)
        os.chown(path, account.pw_uid, account.pw_gid)
    return path


PORTS = range(10_000, 30_000)
"""Where `free_port` looks: below those that a client gets when it connects, which might be quicker."""
_numbers = itertools.count(os.getpid() * 997)  # processes that run tests at the same time begin at different places


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that was not given to anybody for a long time."""
    for number in itertools.islice(_numbers, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", PORTS[number % len(PORTS)]))
            return PORTS[number % len(PORTS)]
    raise AssertionError("no port is free")


def wait_until(what: str, condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Ask `condition` until it is true; fails after `seconds`. For programs that give no signal of their own."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.01)


class Process:
    """A child with a process group of its own. `end` ends it and whatever it has left in that group."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        user: str | None = None,
        environment: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        self._ended = False
        with log.open("ab") as output:
            self._child: subprocess.Popen[bytes] = subprocess.Popen(
                list(map(str, arguments)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment,
                cwd=cwd,
                **_identity(user),
            )
        leftovers().note("group", self._child.pid)

    @property
    def pid(self) -> int:
        return self._child.pid

    def output(self) -> str:
        """What the process has written so far."""
        return self.log.read_text(errors="replace")

    def running(self) -> bool:
        return self._child.poll() is None

    def wait_until(self, what: str, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """As the function of this name, but over at once when the process ends."""

        def met() -> bool:
            assert self.running(), f"ended while we waited: {what}\n{self.output()}"
            return bool(condition())

        wait_until(what, met, seconds)

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float = ENDING_GRACE) -> int:
        return self._child.wait(seconds)

    def end(self) -> int:
        """Ask the process to end, and after a while make it; its exit status."""
        if self.running():
            self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(ENDING_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait(ENDING_GRACE)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)
            if not self._ended:
                leftovers().forget("group", self._child.pid)
                self._ended = True


def _identity(user: str | None) -> dict[str, Any]:
    if user is None or os.getuid() != 0:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
