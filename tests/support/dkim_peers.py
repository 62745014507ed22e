"""Other DKIM implementations behind one interface: dkimpy, Mail::DKIM (Perl), libopendkim (C)."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import dkim
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.opendkim import OpenDkim, PeerMissingError, build
from tests.support import naive, peers

DOMAIN = "example.org"
NOW = 1_790_000_000
PERL_WORKER = Path(__file__).parents[1] / "peers" / "mail_dkim.pl"


class SigningRefusedError(Exception):
    """The peer did not want to sign this message."""


class Peer(Protocol):
    """One implementation. `algorithms` are those that it knows."""

    name: str
    algorithms: tuple[str, ...]

    def set_keys(self, records: Mapping[str, bytes]) -> None:
        """All the key records there are, by name."""

    def verify(self, message: bytes) -> list[bool]:
        """For each signature, whether it is good. Empty when the peer refuses the message as a whole."""

    def sign(
        self, message: bytes, key: bytes, selector: str, algorithm: str, canonicalization: tuple[str, str]
    ) -> bytes:
        """A signature field with CRLF, over the peer's own choice of fields."""


class Dkimpy:
    """dkimpy, in this process."""

    name = "dkimpy"
    algorithms: tuple[str, ...] = ("rsa-sha256", "ed25519-sha256")

    def __init__(self) -> None:
        self._records: Mapping[str, bytes] = {}

    def set_keys(self, records: Mapping[str, bytes]) -> None:
        """See `Peer`."""
        self._records = records

    def _find(self, name: bytes, timeout: int = 5) -> bytes | None:
        return self._records.get(name.decode().rstrip(".").lower())

    def verify(self, message: bytes) -> list[bool]:
        """See `Peer`."""
        try:
            verifier = dkim.DKIM(message)
        except dkim.MessageFormatError:
            return []
        count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")
        return [self._verify_one(verifier, index) for index in range(count)]

    def _verify_one(self, verifier: dkim.DKIM, index: int) -> bool:
        try:
            return bool(verifier.verify(idx=index, dnsfunc=self._find))
        except (dkim.DKIMException, ValueError):  # some malformed tags raise the latter
            return False

    def sign(
        self, message: bytes, key: bytes, selector: str, algorithm: str, canonicalization: tuple[str, str]
    ) -> bytes:
        """See `Peer`."""
        header, body = canonicalization
        field = dkim.sign(
            message,
            selector.encode(),
            DOMAIN.encode(),
            _seed(key) if algorithm == "ed25519-sha256" else key,
            canonicalize=(header.encode(), body.encode()),
            signature_algorithm=algorithm.encode(),
        )
        assert isinstance(field, bytes)
        return field


def _seed(pem: bytes) -> bytes:
    """An Ed25519 key as dkimpy wants it: the seed in base64."""
    key = naive.load_key(pem)
    return base64.b64encode(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


class LibOpenDkim:
    """libopendkim, in a worker process."""

    name = "libopendkim"
    algorithms: tuple[str, ...] = ("rsa-sha256", "ed25519-sha256")

    def __init__(self, worker: OpenDkim) -> None:
        self._worker = worker

    def set_keys(self, records: Mapping[str, bytes]) -> None:
        """See `Peer`."""
        self._worker.set_keys(records)

    def verify(self, message: bytes) -> list[bool]:
        """See `Peer`."""
        return [signature.good for signature in self._worker.verify(message, NOW).signatures]

    def sign(
        self, message: bytes, key: bytes, selector: str, algorithm: str, canonicalization: tuple[str, str]
    ) -> bytes:
        """See `Peer`."""
        signed = self._worker.sign(
            message,
            key=key,
            domain=DOMAIN,
            selector=selector,
            algorithm=algorithm,
            canonicalization=canonicalization,
            now=NOW,
        )
        if not signed.field:
            raise SigningRefusedError(f"DKIM_STAT {signed.status}")
        return signed.field


class MailDkim:
    """Mail::DKIM, in a Perl process. This version knows no Ed25519."""

    name = "Mail::DKIM"
    algorithms: tuple[str, ...] = ("rsa-sha256",)

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to: IO[bytes] = process.stdin
        self._from: IO[bytes] = process.stdout

    def _ask(self, line: str, *blobs: bytes) -> int:
        """Sends one command; the number that the answer has."""
        self._to.write(line.encode() + b"\n" + b"".join(blobs))
        self._to.flush()
        answer = self._from.readline().split()
        assert answer[:1] == [b"ok"], f"the Mail::DKIM worker ended while it ran {line.split()[0]!r}"
        return int(answer[1]) if len(answer) > 1 else 0

    def set_keys(self, records: Mapping[str, bytes]) -> None:
        """See `Peer`."""
        self._ask("forget")
        for name, record in records.items():
            self._ask(f"key {name} {len(record)}", record)

    def verify(self, message: bytes) -> list[bool]:
        """See `Peer`."""
        count = self._ask(f"verify {len(message)}", message)
        return [self._from.readline().startswith(b"pass ") for _ in range(count)]

    def sign(
        self, message: bytes, key: bytes, selector: str, algorithm: str, canonicalization: tuple[str, str]
    ) -> bytes:
        """See `Peer`."""
        assert algorithm == "rsa-sha256"
        line = f"sign {'/'.join(canonicalization)} {DOMAIN} {selector} - {len(key)} {len(message)}"
        return self._from.read(self._ask(line, key, message)) + b"\r\n"

    def sign_domainkeys(self, message: bytes, key: bytes, selector: str, canonicalization: str, names: str) -> bytes:
        """A DomainKey-Signature field with CRLF; `names` is h=, `-` for none."""
        line = f"domainkeys {canonicalization} {DOMAIN} {selector} {names} {len(key)} {len(message)}"
        return self._from.read(self._ask(line, key, message)) + b"\r\n"

    def canonicalize_domainkeys(self, message: bytes, canonicalization: str, names: str) -> bytes:
        """What DomainKeys would sign of `message`."""
        line = f"canonicalize {canonicalization} {names} {len(message)}"
        return self._from.read(self._ask(line, message))

    def canonicalize_nowsp(self, message: bytes, names: str) -> bytes:
        """Header, body and signature field under c=nowsp, without what once stood between them."""
        return self._from.read(self._ask(f"nowsp {names} {len(message)}", message))


@contextmanager
def opened(name: str, directory: Path) -> Iterator[Peer]:
    """The peer of that name, without keys; what must be compiled goes to `directory`.

    Missing: a failure in CI, else a skip that says how to get it.
    """
    if name == Dkimpy.name:
        yield Dkimpy()
    elif name == LibOpenDkim.name:
        try:
            program = build(directory)
        except PeerMissingError as error:
            peers.missing(*str(error).split(": ", 1))
            raise
        with OpenDkim(program) as worker:
            yield LibOpenDkim(worker)
    else:
        yield from _mail_dkim()


def _mail_dkim() -> Iterator[Peer]:
    perl = peers.program("perl", "perl")
    found = subprocess.run([perl, "-MMail::DKIM", "-MCrypt::OpenSSL::RSA", "-e", "1"], capture_output=True, check=False)
    if found.returncode:
        peers.missing("Mail::DKIM is not installed", "apt-get install libmail-dkim-perl")
    process = subprocess.Popen([perl, str(PERL_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield MailDkim(process)
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
