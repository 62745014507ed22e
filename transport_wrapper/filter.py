"""The filter: message in, signed message out (Exim specification, "Transport filters"; RFC 6376 §5).

The message comes with LF line ends, as Exim will send it but for CRLF; what is signed is that wire form. All of it is
read before anything is written, and it goes out as it came, with the signature fields on top. Whenever that cannot be
promised, `FilterError` says so and nothing is written: Exim keeps the message.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from exim_dkim.config.settings import Settings
from exim_dkim.errors import SigningError
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import HeaderField, parse_header
from exim_dkim.signing import SigningPlan, is_strict, plan_signatures, signature_fields
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.files import read_configuration, read_private_key
from transport_wrapper.arguments import Arguments
from transport_wrapper.store import MessageStore

READ_SIZE = 65536  # what a pipe holds
MAX_HEADER = 16 << 20
"""Bytes of header that are looked at; Exim's own limit (header_maxsize) is 1 MiB."""


class FilterError(Exception):
    """The message must stay where it is; the text says why and what to do."""


class _Header:
    """The beginning of a message: its fields, and what has been read of the body."""

    __slots__ = ("body", "complete", "fields")

    def __init__(self, fields: tuple[HeaderField, ...], body: bytes, complete: bool) -> None:
        self.fields = fields
        self.body = body
        self.complete = complete


class Filter:
    """One run of the filter."""

    def __init__(self, arguments: Arguments) -> None:
        """Read the configuration; raises `ConfigurationError`."""
        path = arguments.configuration
        settings = read_configuration(path, arguments.macros) if path else Settings()
        if arguments.profile:
            settings = settings.with_profile(arguments.profile)
        values = {name: os.fsencode(value) for name, value in arguments.options.items()}
        self._settings = settings.replaced(values) if values else settings
        self._arguments = arguments
        self._store = MessageStore(self._settings.size("message_memory_limit"))

    def run(self, source: int, target: int) -> Sequence[str]:
        """Filter from descriptor to descriptor; the lines for the log. Raises `FilterError`."""
        try:
            header = self._read_header(source)
            environment = self._environment(header.fields)
            try:
                signatures, notes = self._sign(source, header, environment)
            except SigningError as error:
                self._read_rest(source, lambda chunk: None)
                signatures, notes = b"", self._unsigned(error, environment)
            self._store.write_to(target, signatures.replace(b"\r\n", b"\n"))
        except OSError as error:
            raise FilterError(f"{self._name()}: the message stays queued: {error}") from error
        return notes

    def _sign(self, source: int, header: _Header, environment: MessageEnvironment) -> tuple[bytes, Sequence[str]]:
        """The signature fields, after all of the message was read."""
        if not header.complete:
            raise SigningError(f"the header is longer than {MAX_HEADER} bytes")
        plan = self._plan(header.fields, environment)
        if not plan.signs:
            self._read_rest(source, lambda chunk: None)
            return b"", [f"{self._name()}: {note}" for note in plan.notes]
        hasher = BodyHasher()
        body_hashes = plan.body_hashes(hasher)
        hasher.update(header.body.replace(b"\n", b"\r\n"))
        self._read_rest(source, lambda chunk: hasher.update(chunk.replace(b"\n", b"\r\n")))
        hasher.finish()
        signatures = signature_fields(plan, header.fields, body_hashes)
        return signatures, [
            f"{self._name()}: signed {plan.signers}",
            *(f"{self._name()}: {note}" for note in plan.notes),
        ]

    def _plan(self, fields: tuple[HeaderField, ...], environment: MessageEnvironment) -> SigningPlan:
        directory = self._settings.string("key_directory") or None

        def read_key(path: str) -> bytes:
            return read_private_key(path, directory)

        return plan_signatures(self._settings, environment, fields, time.time(), read_key)

    def _unsigned(self, error: SigningError, environment: MessageEnvironment) -> Sequence[str]:
        """What dkim_strict makes of an error: `FilterError`, or a line for the log."""
        if is_strict(self._settings, environment):
            raise FilterError(
                f"{self._name()}: message could not be signed, and dkim_strict is set: {error}; it stays queued"
            ) from error
        return [f"{self._name()}: sent unsigned (dkim_strict is not set): {error}"]

    def _read_header(self, source: int) -> _Header:
        """Read up to the empty line, or to the end."""
        text = bytearray()
        searched = 0
        while len(text) <= MAX_HEADER:
            if text.startswith(b"\n"):
                return _Header((), bytes(text[1:]), True)
            end = text.find(b"\n\n", searched)
            if end >= 0:
                return _Header(_fields(bytes(text[: end + 1])), bytes(text[end + 2 :]), True)
            searched = max(0, len(text) - 1)
            chunk = os.read(source, READ_SIZE)
            if not chunk:
                return _Header(_fields(bytes(text)), b"", True)
            self._store.append(chunk)
            text += chunk
        return _Header((), b"", False)

    def _read_rest(self, source: int, take: Callable[[bytes], object]) -> None:
        while chunk := os.read(source, READ_SIZE):
            self._store.append(chunk)
            take(chunk)

    def _environment(self, fields: tuple[HeaderField, ...]) -> MessageEnvironment:
        return MessageEnvironment(
            self._settings,
            fields,
            message_id=self._arguments.message_id,
            spool_directory=self._arguments.spool_directory,
            queue_name=self._arguments.queue_name,
            in_spool=True,
        )

    def _name(self) -> str:
        return self._arguments.message_id or "message"


def _fields(text: bytes) -> tuple[HeaderField, ...]:
    return parse_header(text.replace(b"\n", b"\r\n"))
