"""libopendkim as a peer: builds the worker `opendkim.c` and speaks with it. For the benchmark and tests/peers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

SOURCE = Path(__file__).with_name("opendkim.c")
BUILD = Path(__file__).with_name("build")
ADVICE = "libopendkim is not installed: apt-get install gcc libc6-dev libopendkim-dev"

CANONICALIZATIONS = {"simple": 0, "relaxed": 1}
ALGORITHMS = {"rsa-sha1": 0, "rsa-sha256": 1, "ed25519-sha256": 2}

_FLAG_PASSED = 0x04
_BODY_HASH_MATCHES = 0


class PeerMissingError(Exception):
    """The peer is not on this machine; the text says how to get it."""


class PeerSignature(NamedTuple):
    """What the library found for one signature; `error` is a DKIM_SIGERROR_ number of its dkim.h."""

    domain: str
    good: bool
    error: int


class Verified(NamedTuple):
    """One message verified: seconds of CPU time a run, the DKIM_STAT_ number, each signature."""

    seconds: float
    status: int
    signatures: tuple[PeerSignature, ...]


class Signed(NamedTuple):
    """One message signed: seconds of CPU time a run, the DKIM_STAT_ number, the whole field in wire form."""

    seconds: float
    status: int
    field: bytes


def build(directory: Path = BUILD) -> Path:
    """The worker's executable, compiled if it is not there or older than its source. Raises `PeerMissingError`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/opendkim/dkim.h").exists():
        raise PeerMissingError(ADVICE)
    program = directory / "opendkim"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        directory.mkdir(parents=True, exist_ok=True)
        fresh = directory / f"opendkim.{os.getpid()}"
        subprocess.run([compiler, "-O2", "-o", str(fresh), str(SOURCE), "-lopendkim"], check=True)
        fresh.replace(program)
    return program


class OpenDkim:
    """A running worker; a context manager."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._to.close()
        self._process.wait(timeout=10)
        self._from.close()

    def _ask(self, line: str, *blobs: bytes) -> list[bytes]:
        self._to.write(line.encode() + b"\n" + b"".join(blobs))
        self._to.flush()
        answer = self._from.readline().split()
        if answer[:1] != [b"ok"]:
            raise RuntimeError(f"the libopendkim worker ended while it ran {line.split()[0]!r}")
        return answer[1:]

    def set_keys(self, records: Mapping[str, bytes]) -> None:
        """All key records there are, by name (`selector._domainkey.domain`)."""
        self._ask("forget")
        for name, record in records.items():
            self._ask(f"key {name} {len(record)}", record)

    def verify(self, message: bytes, now: int, count: int = 1) -> Verified:
        """Verifies `message` `count` times."""
        spent, status, found = map(int, self._ask(f"verify {count} {now} {len(message)}", message))
        signatures = []
        for _ in range(found):
            flags, body_hash, error, domain = self._from.readline().split()
            good = bool(int(flags) & _FLAG_PASSED) and int(body_hash) == _BODY_HASH_MATCHES
            signatures.append(PeerSignature(domain.decode("latin-1"), good, int(error)))
        return Verified(spent / count / 1e9, status, tuple(signatures))

    def sign(
        self,
        message: bytes,
        *,
        key: bytes,
        domain: str,
        selector: str,
        canonicalization: tuple[str, str] = ("relaxed", "relaxed"),
        algorithm: str = "rsa-sha256",
        length: int = -1,
        names: Sequence[str] = (),
        now: int = 1,
        count: int = 1,
    ) -> Signed:
        """Signs `message` `count` times with the PEM text `key`; `names` empty: the library's own choice of fields."""
        header, body = (CANONICALIZATIONS[name] for name in canonicalization)
        spent, status, size = map(
            int,
            self._ask(
                f"sign {count} {now} {header} {body} {ALGORITHMS[algorithm]} {length} {domain} {selector} "
                f"{':'.join(names) or '-'} {len(key)} {len(message)}",
                key,
                message,
            ),
        )
        value = self._from.read(size)
        return Signed(spent / count / 1e9, status, b"DKIM-Signature: " + value + b"\r\n" if size else b"")
