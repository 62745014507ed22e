"""The three that are compared, each with the same two acts on the same messages: sign, and verify one signature.

Each holds its keys in memory. A verification begins with the bytes of a message and ends with the verdict; a signing
begins with the bytes and the private key as PEM text and ends with the field. What a program keeps between messages is
its own affair: libopendkim and dkimpy parse keys anew each time, this package keeps those it has seen.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Sequence
from typing import Protocol, TypeVar

import dkim

from bench.opendkim import OpenDkim
from exim_dkim import api, crypto
from exim_dkim.keyrecord import format_key_record
from exim_dkim.memory import MemoryResolver

DOMAIN = "example.org"
SELECTOR = "s2048"
NOW = 1_790_000_000
NAMES = (
    *("from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"),
    *("mime-version", "content-type", "list-id", "list-unsubscribe"),
)

T = TypeVar("T")


class Contender(Protocol):
    """One implementation. Both acts return the seconds of CPU time that one of `count` runs took."""

    name: str

    def sign(self, message: bytes, canonicalization: str, count: int) -> float:
        """Sign `message`."""

    def verify(self, signed: bytes, count: int) -> float:
        """Verify the one signature of `signed`; anything but a pass is an error."""


class Keys:
    """The key pair of the benchmark."""

    def __init__(self, bits: int = 2048) -> None:
        self.pem = crypto.generate_private_key("rsa", bits)
        public = crypto.load_private_key(self.pem).public_der()
        self.record = format_key_record("rsa", public).encode()
        self.name = f"{SELECTOR}._domainkey.{DOMAIN}"


def run(work: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    raise AssertionError("something was awaited")


class Ours:
    """This package, by its public interface."""

    name = "exim-dkim"

    def __init__(self, keys: Keys) -> None:
        self._pem = keys.pem
        self._resolver = MemoryResolver({keys.name: keys.record})

    def sign_once(self, message: bytes, canonicalization: str) -> bytes:
        """The signature field."""
        return api.sign(
            message,
            domain=DOMAIN,
            selector=SELECTOR,
            private_key=self._pem,
            now=NOW,
            headers=NAMES,
            canonicalization=canonicalization,
        )

    def sign(self, message: bytes, canonicalization: str, count: int) -> float:
        """See `Contender`."""
        start = time.process_time()
        for _ in range(count):
            self.sign_once(message, canonicalization)
        return (time.process_time() - start) / count

    def verify(self, signed: bytes, count: int) -> float:
        """See `Contender`."""
        self._resolver.asked.clear()
        start = time.process_time()
        for _ in range(count):
            (verdict,) = run(api.verify(signed, self._resolver, now=NOW))
        spent = time.process_time() - start
        if verdict.result.value != "pass":
            raise AssertionError(verdict.explanation)
        return spent / count


class LibOpenDkim:
    """libopendkim, in a process of its own."""

    name = "libopendkim"

    def __init__(self, keys: Keys, worker: OpenDkim) -> None:
        self._keys = keys
        self._worker = worker
        worker.set_keys({keys.name: keys.record})

    def sign(self, message: bytes, canonicalization: str, count: int) -> float:
        """See `Contender`."""
        signed = self._worker.sign(
            message,
            key=self._keys.pem,
            domain=DOMAIN,
            selector=SELECTOR,
            canonicalization=(canonicalization, canonicalization),
            names=NAMES,
            now=NOW,
            count=count,
        )
        if not signed.field:
            raise AssertionError(f"libopendkim could not sign: DKIM_STAT {signed.status}")
        return signed.seconds

    def verify(self, signed: bytes, count: int) -> float:
        """See `Contender`."""
        verified = self._worker.verify(signed, NOW, count)
        if [signature.good for signature in verified.signatures] != [True]:
            raise AssertionError(f"libopendkim: {verified}")
        return verified.seconds


class Dkimpy:
    """dkimpy."""

    name = "dkimpy"

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def _find(self, name: bytes, timeout: int = 5) -> bytes:
        return self._keys.record

    def sign(self, message: bytes, canonicalization: str, count: int) -> float:
        """See `Contender`."""
        canonicalize = (canonicalization.encode(), canonicalization.encode())
        present: Sequence[bytes] = [name.encode() for name in NAMES]
        start = time.process_time()
        for _ in range(count):
            dkim.sign(
                message,
                SELECTOR.encode(),
                DOMAIN.encode(),
                self._keys.pem,
                canonicalize=canonicalize,
                include_headers=present,
            )
        return (time.process_time() - start) / count

    def verify(self, signed: bytes, count: int) -> float:
        """See `Contender`."""
        start = time.process_time()
        for _ in range(count):
            good = dkim.verify(signed, dnsfunc=self._find)
        spent = time.process_time() - start
        if not good:
            raise AssertionError("dkimpy does not accept the message")
        return spent / count
