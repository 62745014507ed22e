"""Messages, keys, signatures and zones for tests with real servers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from exim_dkim.crypto import PrivateKey, load_private_key
from exim_dkim.dkim.sign import SigningRequest, sign
from exim_dkim.domainkeys import sign as domainkeys
from exim_dkim.hashing import BodyHasher
from exim_dkim.keyrecord import format_key_record
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector, split_address

KEY_DIRECTORY = Path(__file__).parents[1] / "vectors" / "keys"
SIGNED_NAMES = (b"From", b"To", b"Subject", b"Date", b"From")
BODY = b"Hello Bob,\r\n\r\n  two  blanks, one at the end \r\n.a dot\r\n..two dots\r\n.\r\nAlice\r\n"


def private_key(name: str) -> PrivateKey:
    """A test key: rsa2048, rsa1024, rsa768 or ed25519."""
    return load_private_key((KEY_DIRECTORY / f"{name}.pem").read_bytes())


def key_record(name: str, *, testing: bool = False) -> str:
    """The text of the key's TXT record."""
    key = private_key(name)
    return format_key_record(key.type, key.public_der(), testing=testing)


def message(
    author: str = "Alice <alice@example.org>", *, header: bytes = b"", body: bytes = BODY, subject: str = "A  test"
) -> bytes:
    """A message in wire form; `header` are more fields, each with its CRLF."""
    fields = f"From: {author}\r\nTo: bob@rx.example\r\nSubject: {subject}\r\nDate: Mon, 2 Nov 2026 09:15:39 +0000\r\n"
    return fields.encode() + header + b"\r\n" + body


def signed(
    text: bytes,
    domain: str = "example.org",
    selector: str = "rsa",
    *,
    key: str = "rsa2048",
    canonicalization: str = "relaxed/relaxed",
    identity: str = "",
    names: tuple[bytes, ...] = SIGNED_NAMES,
    timestamp: int | None = None,
    expiration: int | None = None,
) -> bytes:
    """`text`, a message in wire form, with a signature on top."""
    parsed = parse_message(text)
    header_form, _, body_form = canonicalization.partition("/")
    hasher = BodyHasher()
    body_hash = hasher.want("sha256", body_form)
    hasher.update(parsed.body)
    hasher.finish()
    request = SigningRequest(
        domain=Domain.parse(domain.encode()),
        selector=Selector.parse(selector.encode()),
        names=names,
        header_canonicalization=header_form,
        body_canonicalization=body_form,
        identity=split_address(identity.encode()) if identity else None,
        timestamp=timestamp,
        expiration=expiration,
    )
    return sign(parsed.fields, body_hash.digest(), request, private_key(key)) + text


def domainkeys_signed(text: bytes, domain: str = "example.org", selector: str = "rsa") -> bytes:
    """`text`, a message in wire form, with a DomainKeys signature on top."""
    parsed = parse_message(text)
    hasher = BodyHasher()
    request = domainkeys.SigningRequest(Domain.parse(domain.encode()), Selector.parse(selector.encode()))
    signing = domainkeys.MessageSigning(parsed.fields, request, private_key("rsa2048"))
    signing.begin(hasher)
    hasher.update(parsed.body)
    hasher.finish()
    return signing.field() + text


def txt_data(text: str) -> str:
    """A TXT record's data as zone files and unbound want it: strings of at most 255 bytes."""
    return " ".join(f'"{part}"' for part in textwrap.wrap(text, 250, drop_whitespace=False))


def zone_text(records: Mapping[str, str], broken: tuple[str, ...] = (), silent: tuple[str, ...] = ()) -> str:
    """A zone file with these TXT records, and names that fail for a while."""
    lines = ["$TTL 3600", *(f"{name}. IN TXT {txt_data(text)}" for name, text in records.items())]
    lines += [f";! SERVFAIL {name}." for name in broken]
    lines += [f";! TIMEOUT {name}." for name in silent]
    return "\n".join([*lines, ""])


RECORDS = {
    "rsa._domainkey.example.org": key_record("rsa2048"),
    "ed._domainkey.example.org": key_record("ed25519"),
    "testing._domainkey.example.org": key_record("rsa2048", testing=True),
    "revoked._domainkey.example.org": "v=DKIM1; p=",
    "rsa._domainkey.xn--mller-kva.example": key_record("rsa2048"),
    "rsa._domainkey.bank.example": key_record("rsa2048"),
    "rsa._domainkey.other.example": key_record("rsa1024"),
    "example.org": "v=spf1 ?all",
    "permitted.example": "v=spf1 ip4:127.0.0.1 -all",
    "forbidden.example": "v=spf1 ip4:192.0.2.1 -all",
    "explained.example": "v=spf1 -all exp=why.explained.example",
    "why.explained.example": "%{i} may not send mail for %{d}",
    "doubtful.example": "v=spf1 ~all",
    "two.example": "v=spf1 all all:x",
}
BROKEN = ("broken._domainkey.example.org", "broken._domainkey.bank.example", "failing.example")
SILENT = ("silent._domainkey.example.org",)
RECORDS_ZONE = zone_text(RECORDS, BROKEN, SILENT)
"""What the look-up server of the tests knows."""
