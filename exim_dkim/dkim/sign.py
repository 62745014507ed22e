"""Making a DKIM-Signature field (RFC 6376 §5). A pure function of header, body hash, request and key.

Ours has no l= (RFC 6376 §8.2) and is folded at 78 characters (RFC 5322 §2.1.1).
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from exim_dkim.canonical import HEADER_CANONICALIZATIONS
from exim_dkim.crypto import PrivateKey
from exim_dkim.errors import SigningError
from exim_dkim.folding import FOLD, add_part, append_data, is_field_name, name_parts, shown_name
from exim_dkim.hashing import FieldChooser, header_text
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain, Selector

_MAX_ADDRESS: Final = 253  # RFC 5321 §4.5.3.1.3, without @ and angle brackets
_LOCAL_PART_SAFE: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/?^_`{|}~.,:()<>[]\\\""
)


_HASHES: Final = {"rsa": ("sha256", "sha512", "sha1"), "ed25519": ("sha256",)}


class SigningRequest(NamedTuple):
    """What to sign as. `names` is h= as it will stand, in order, lower case or not.

    `identity` is (local part, domain) or None; `timestamp` and `expiration` are seconds since the epoch or None.
    """

    domain: Domain
    selector: Selector
    names: tuple[bytes, ...]
    hash_name: str = "sha256"
    header_canonicalization: str = "relaxed"
    body_canonicalization: str = "relaxed"
    identity: tuple[bytes, Domain] | None = None
    timestamp: int | None = None
    expiration: int | None = None
    wants_reports: bool = False
    """Asks for reports when the signature fails (RFC 6651 §3.1)."""


def choose_names(wanted: Iterable[bytes], fields: Sequence[HeaderField]) -> tuple[bytes, ...]:
    """What h= will hold, for the elements of dkim_sign_headers.

    As Exim: the header is walked from the bottom up and the first element that fits counts. A plain `X` is used up by
    one field, and what is left over is named too, which asserts its absence; `=X` takes all fields there are; `+X`
    takes all and one more. From is always signed (RFC 6376 §5.4). The absence of a DKIM-Signature cannot be asserted,
    since the signature itself is one: every verifier would call it bad.
    """
    elements = [_WantedField(element) for element in wanted]
    by_name: dict[bytes, list[_WantedField]] = {}
    for element in elements:
        by_name.setdefault(element.name.lower(), []).append(element)
    by_name.setdefault(b"from", [_WantedField(b"=From")])
    by_name.pop(b"", None)
    chosen: list[bytes] = []
    for field in reversed(fields):
        candidates = by_name.get(field.name)
        if not candidates:
            continue
        if candidates[0].prefix == b"":
            candidates.pop(0).used = True
        chosen.append(field.raw.partition(b":")[0].rstrip(b" \t"))
    leftovers = [element.name for element in elements if element.left_over]
    return (*chosen, *leftovers)


class _WantedField:
    """An element of dkim_sign_headers."""

    __slots__ = ("name", "prefix", "used")

    def __init__(self, element: bytes) -> None:
        self.prefix = element[:1] if element[:1] in (b"=", b"+") else b""
        self.name = element[len(self.prefix) :].strip()
        self.used = False

    @property
    def left_over(self) -> bool:
        if self.name.lower() in (b"", b"dkim-signature"):
            return False
        return self.prefix == b"+" or (self.prefix == b"" and not self.used)


def sign(fields: Sequence[HeaderField], body_hash: bytes, request: SigningRequest, key: PrivateKey) -> bytes:
    """A whole DKIM-Signature field in wire form, with its final CRLF.

    `body_hash` is the digest by `request.hash_name` of the body canonicalised as requested (`hashing.BodyHasher`).
    Raises `SigningError` for a request that RFC 6376 does not permit, `KeyFormatError` for a damaged key.
    """
    for canonicalization in (request.header_canonicalization, request.body_canonicalization):
        if canonicalization not in HEADER_CANONICALIZATIONS:
            raise SigningError(f"unknown canonicalisation {canonicalization!r}: use simple or relaxed")
    check_algorithm(key, request.hash_name)
    chosen = choose_signed(fields, request.names)
    tags = [
        b"v=1",
        b"a=" + f"{key.type}-{request.hash_name}".encode(),
        b"q=dns/txt",
        b"c=" + f"{request.header_canonicalization}/{request.body_canonicalization}".encode(),
    ]
    unsigned = format_field(tags, request, b" bh=" + binascii.b2a_base64(body_hash, newline=False) + b";")
    field = HeaderField(b"dkim-signature", unsigned)
    data = key.sign(header_text(chosen, field, request.header_canonicalization), request.hash_name)
    return append_data(unsigned, binascii.b2a_base64(data, newline=False)) + b"\r\n"


def check_algorithm(key: PrivateKey, hash_name: str) -> None:
    """`SigningError` for a key and a hash that make no algorithm which any verifier knows (RFC 8301, RFC 8463 §3)."""
    if hash_name not in _HASHES[key.type]:
        raise SigningError(
            f"an {key.type} key signs with {' or '.join(_HASHES[key.type])}, not {hash_name}: correct dkim_hash"
        )


def choose_signed(fields: Sequence[HeaderField], names: Sequence[bytes]) -> Sequence[HeaderField]:
    """The fields that h= means, if they make a signature that can verify; raises `SigningError`."""
    for name in names:
        if not is_field_name(name):
            shown = shown_name(name)
            raise SigningError(f"not a header field name that can be signed: {shown}; correct dkim_sign_headers")
    lowered = tuple(name.lower() for name in names)
    if b"from" not in lowered:
        raise SigningError("From must be signed (RFC 6376 §5.4): put it into dkim_sign_headers")
    chooser = FieldChooser(fields)
    if not chooser.count(b"from"):
        raise SigningError("the message has no From field, which must be signed (RFC 6376 §5.4)")
    if fields[0].raw[:1] in (b" ", b"\t"):
        raise SigningError("the message begins with a continuation line, which would become part of the signature")
    return chooser.choose(lowered)


def format_field(first: Sequence[bytes], request: SigningRequest, last: bytes) -> bytes:
    """The field up to and including `b=`: the tags of `first`, what is to be said of `request`, and `last`."""
    tags = [*first, b"d=" + request.domain.encode(), b"s=" + request.selector.encode()]
    if request.identity is not None:
        local, domain = request.identity
        if not domain.is_under(request.domain):
            raise SigningError(f"dkim_identity is at {domain}, which is not under the signing domain {request.domain}")
        if len(local) + len(domain) > _MAX_ADDRESS:
            raise SigningError(f"dkim_identity is longer than an address can be: {len(local) + len(domain)} bytes")
        tags.append(b"i=" + _quoted_local_part(local) + b"@" + domain.encode())
    if request.timestamp is not None:
        tags.append(b"t=%d" % request.timestamp)
    if request.expiration is not None:
        tags.append(b"x=%d" % request.expiration)
    if request.wants_reports:
        tags.append(b"r=y")
    line = b"DKIM-Signature:"
    lines: list[bytes] = []
    for part in (*(b" " + tag + b";" for tag in tags), *name_parts(request.names), last, b" b="):
        if part:
            line = add_part(lines, line, part)
    return FOLD.join([*lines, line])


def _quoted_local_part(local: bytes) -> bytes:
    """dkim-quoted-printable (RFC 6376 §2.11)."""
    return b"".join(bytes((byte,)) if byte in _LOCAL_PART_SAFE else b"=%02X" % byte for byte in local)
