"""Keys, a message and short ways to sign it, for tests of the engine."""

from __future__ import annotations

import functools

from exim_dkim import crypto
from exim_dkim.dkim.sign import SigningRequest, sign
from exim_dkim.hashing import BodyHasher
from exim_dkim.keyrecord import format_key_record
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector

NOW = 1_700_000_000.0
HEADER = (
    b"Received: from somewhere\r\n\tby elsewhere; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"From: Alice <alice@example.org>\r\n"
    b"To: Bob <bob@example.com>\r\n"
    b"Subject:  A   folded\r\n\tsubject\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
)
BODY = b"Hello  Bob, \r\n\r\nthis is it.\t\r\n\r\n\r\n"
MESSAGE = HEADER + b"\r\n" + BODY
NAMES = (b"From", b"To", b"Subject", b"Date", b"Message-ID")


def pem(key_type: str = "rsa", number: int = 0, bits: int = 1024) -> bytes:
    """A private key, made once a run; `number` tells several apart."""
    return _pem(key_type, number, bits)


@functools.cache
def _pem(key_type: str, _number: int, bits: int) -> bytes:
    return crypto.generate_private_key(key_type, bits)


def record(key_type: str = "rsa", number: int = 0, bits: int = 1024) -> str:
    """The key record of `pem`."""
    return format_key_record(key_type, crypto.load_private_key(pem(key_type, number, bits)).public_der())


def request(domain: str = "example.org", selector: str = "sel", **changes: object) -> SigningRequest:
    """What to sign as; `changes` are fields of SigningRequest."""
    plain = SigningRequest(Domain.parse(domain.encode()), Selector.parse(selector.encode()), NAMES)
    return plain._replace(**changes)  # type: ignore[arg-type]  # the names are those of the tuple


def signed(message: bytes = MESSAGE, key_type: str = "rsa", number: int = 0, **changes: object) -> bytes:
    """`message` with a signature on top."""
    wanted = request(**changes)  # type: ignore[arg-type]
    parsed = parse_message(message)
    hasher = BodyHasher()
    body_hash = hasher.want(wanted.hash_name, wanted.body_canonicalization)
    hasher.update(parsed.body)
    hasher.finish()
    key = crypto.load_private_key(pem(key_type, number))
    return sign(parsed.fields, body_hash.digest(), wanted, key) + message


def resolver(**more: object) -> MemoryResolver:
    """One with the key of `signed` at sel._domainkey.example.org; `more` replaces `_` by `.` in names."""
    records: dict[str, object] = {"sel._domainkey.example.org": record()}
    records.update({name.replace("__", "."): value for name, value in more.items()})
    return MemoryResolver(records)  # type: ignore[arg-type]
