"""libspf2 as a peer: builds the worker `libspf2.c` and speaks with it. For the benchmark and tests/peers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from bench.opendkim import PeerMissingError
from exim_dkim.envelope import Envelope
from exim_dkim.memory import Alias, Key, Value
from exim_dkim.resolver import RecordType, Trouble

SOURCE = Path(__file__).with_name("libspf2.c")
BUILD = Path(__file__).with_name("build")
ADVICE = "libspf2 is not installed: apt-get install gcc libc6-dev libspf2-dev"

RESULTS = ("invalid", "neutral", "pass", "fail", "softfail", "none", "temperror", "permerror")
"""The words of SPF_RESULT_ in spf_response.h."""

_TYPES = {RecordType.A: 1, RecordType.PTR: 12, RecordType.MX: 15, RecordType.TXT: 16, RecordType.AAAA: 28}
_ANY = 255
_HOST_NOT_FOUND, _TRY_AGAIN, _NO_DATA = 1, 2, 4


class Found(NamedTuple):
    """One envelope evaluated: seconds of CPU time a run, the word, the explanation for SMTP."""

    seconds: float
    result: str
    explanation: str


def build(directory: Path = BUILD) -> Path:
    """The worker's executable, compiled if it is not there or older than its source. Raises `PeerMissingError`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/spf2/spf.h").exists():
        raise PeerMissingError(ADVICE)
    program = directory / "libspf2"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        directory.mkdir(parents=True, exist_ok=True)
        fresh = directory / f"libspf2.{os.getpid()}"
        subprocess.run([compiler, "-O2", "-o", str(fresh), str(SOURCE), "-lspf2"], check=True)
        fresh.replace(program)
    return program


class LibSpf2:
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

    def _ask(self, *fields: bytes) -> list[bytes]:
        self._to.write(b"\t".join(fields) + b"\n")
        self._to.flush()
        answer = self._from.readline().rstrip(b"\n").split(b"\t")
        if answer[0] != b"ok":
            raise RuntimeError(f"the libspf2 worker ended while it ran {fields!r}")
        return answer[1:]

    def set_zone(self, zone: Mapping[Key, Value]) -> None:
        """All records there are, as `MemoryResolver` takes them."""
        self._ask(b"zone")
        # What is for every type comes last, since the first that fits is the answer.
        for key, value in sorted(zone.items(), key=lambda item: isinstance(item[1], Trouble)):
            name, number = (key, _TYPES[RecordType.TXT]) if isinstance(key, str) else (key[0], _TYPES[key[1]])
            if isinstance(value, Trouble):
                status = _TRY_AGAIN if value.temporary else _HOST_NOT_FOUND
                self._record(name, number if isinstance(key, tuple) else _ANY, status, b"")
            elif isinstance(value, Alias):
                for record_number, one in _follow(zone, value):
                    self._record(name, record_number, 0, one)
            else:
                for one in _data(number, value):
                    self._record(name, number, 0, one)

    def _record(self, name: str, number: int, status: int, data: bytes) -> None:
        self._ask(b"record", _hex(name.encode()), b"%d" % number, b"%d" % status, _hex(data))

    def check(self, envelope: Envelope, count: int = 1) -> Found:
        """Evaluates the MAIL FROM identity `count` times."""
        client, sender = str(envelope.client).encode(), envelope.sender or b""
        spent, result, _, _, explanation = self._ask(b"check", b"%d" % count, client, _hex(envelope.helo), _hex(sender))
        return Found(int(spent) / count / 1e9, RESULTS[int(result)], explanation.decode("latin-1"))


def _hex(data: bytes) -> bytes:
    return data.hex().encode()


def _data(number: int, value: Value) -> Iterable[bytes]:
    values = (value,) if isinstance(value, str | bytes) else value
    assert not isinstance(values, Trouble)
    for one in values:
        data = one.encode() if isinstance(one, str) else one
        yield data.partition(b" ")[2] if number == _TYPES[RecordType.MX] else data


def _follow(zone: Mapping[Key, Value], name: str) -> Iterable[tuple[int, bytes]]:
    """The library's zone knows no CNAME: what it leads to stands in its place."""
    for record_type, number in _TYPES.items():
        value = zone.get((name, record_type))
        if value is not None and not isinstance(value, Trouble):
            for one in _data(number, value):
                yield number, one
