"""The DKIM-Signature field (RFC 6376 §3.5): syntax, and what can be judged of it alone (§6.1.1).

A signature that cannot be used is not an exception: it carries the `fault`, and as many of its tags as could be read,
so that one can still say whose signature it claims to be.
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Iterable
from typing import Final, NamedTuple

from exim_dkim.canonical import LEGACY_HEADERS
from exim_dkim.errors import ParseError
from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.message import HeaderField, field_name
from exim_dkim.names import Domain, Selector, split_address
from exim_dkim.outcome import DkimReason
from exim_dkim.taglist import DuplicateTagError, parse_tag_list, split_values, without_blanks

FIELD_NAME: Final = b"dkim-signature"
REQUIRED_TAGS: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
ALGORITHMS: Final = {
    b"rsa-sha256": ("rsa-sha256", "rsa", "sha256"),
    b"ed25519-sha256": ("ed25519-sha256", "ed25519", "sha256"),
    b"rsa-sha512": ("rsa-sha512", "rsa", "sha512"),  # not in RFC 6376; Exim can be told to make them
    b"rsa-sha1": ("rsa-sha1", "rsa", "sha1"),
}
_QUERY_METHODS: Final = frozenset((b"dns/txt", b"dns"))
_CANONICALIZATIONS: Final = {b"simple": "simple", b"relaxed": "relaxed"}
_MAX_DIGITS: Final = 76  # RFC 6376 §3.5, l=
_B_TAG: Final = lazy_pattern(rb";[ \t\r\n]*b[ \t\r\n]*=")
_B_TAG_FIRST: Final = lazy_pattern(rb"^[^:]*:[ \t\r\n]*b[ \t\r\n]*=")
_USUAL_LENGTH: Final = 1024  # of h=; what is longer is not kept, or hostile mail could fill the memory
_QUOTED_PRINTABLE: Final = lazy_pattern(rb"=([0-9A-F]{2})")


class Signature(NamedTuple):
    """One DKIM signature as read. What could not be read is empty or None; `fault` and `detail` say why."""

    field: HeaderField
    fault: DkimReason | None = None
    detail: str = ""
    algorithm: str = ""
    key_type: str = ""
    hash_name: str = ""
    header_canonicalization: str = "simple"
    body_canonicalization: str = "simple"
    domain: Domain | None = None
    selector: Selector | None = None
    identity_local: bytes = b""
    identity_domain: Domain | None = None
    names: tuple[bytes, ...] = ()
    body_length: int | None = None
    timestamp: int | None = None
    expiration: int | None = None
    body_hash: bytes = b""
    data: bytes = b""
    wants_reports: bool = False
    """r=y: the signer wants to hear when the signature fails (RFC 6651 §3.1)."""

    @property
    def legacy(self) -> bool:
        """It is one of 2005 (`dkim.legacy`), without a body hash of its own."""
        return not self.body_hash and self.fault is None

    @property
    def key_name(self) -> str:
        """The DNS name of the key (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def identity(self) -> str:
        """The AUID (i=) for people, such as `@example.org`; empty when unknown."""
        if self.identity_domain is None:
            return ""
        return f"{self.identity_local.decode('utf-8', 'backslashreplace')}@{self.identity_domain}"

    def without_data(self) -> HeaderField:
        """The field with the value of b= removed, as it is hashed (RFC 6376 §3.7)."""
        raw = self.field.raw
        tag = _B_TAG.search(raw) or _B_TAG_FIRST.search(raw)
        if tag is None:
            return self.field
        end = raw.find(b";", tag.end())
        return HeaderField(self.field.name, raw[: tag.end()] + (raw[end:] if end >= 0 else b""))


class _FaultError(Exception):
    """Internal: reading ends here, for this reason."""

    def __init__(self, reason: DkimReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail


class _Signer:
    """Whose signature it claims to be. Read first, so that a fault further on can be laid at somebody's door."""

    __slots__ = ("domain", "identity_domain", "identity_local", "selector", "wants_reports")

    def __init__(self) -> None:
        self.domain: Domain | None = None
        self.selector: Selector | None = None
        self.identity_local = b""
        self.identity_domain: Domain | None = None
        self.wants_reports = False


def parse_signature(field: HeaderField, legacy: bool = False) -> Signature:
    """The signature that `field` holds. Never raises for what is in the field.

    `legacy`: one that has neither v= nor bh= is read as in 2005 (`dkim.legacy`).
    """
    signer = _Signer()
    try:
        tags = parse_tag_list(field.value)
        _read_signer(tags, signer)
        if legacy and b"v" not in tags and b"bh" not in tags:
            return _read_legacy(field, tags, signer)
        return _read_rest(field, tags, signer)
    except DuplicateTagError as error:
        return Signature(field, DkimReason.DUPLICATE_TAG, str(error))
    except ParseError as error:
        return Signature(field, DkimReason.BAD_TAG_LIST, str(error))
    except _FaultError as fault:
        return Signature(
            field,
            fault.reason,
            fault.detail,
            domain=signer.domain,
            selector=signer.selector,
            identity_local=signer.identity_local,
            identity_domain=signer.identity_domain,
            wants_reports=signer.wants_reports,
        )


def _read_signer(tags: dict[bytes, bytes], signer: _Signer) -> None:
    if b"d" not in tags:
        raise _FaultError(DkimReason.MISSING_TAG, "d= is missing")
    signer.wants_reports = tags.get(b"r") == b"y"
    try:
        signer.domain = signer.identity_domain = Domain.parse(tags[b"d"])
    except ParseError:
        raise _FaultError(DkimReason.BAD_TAG_VALUE, "d= is not a domain name") from None
    if b"i" in tags:
        try:
            local, signer.identity_domain = split_address(without_blanks(tags[b"i"]))
        except ParseError:
            raise _FaultError(DkimReason.BAD_TAG_VALUE, "i= is not [local part]@domain") from None
        signer.identity_local = _QUOTED_PRINTABLE.sub(lambda match: bytes.fromhex(match[1].decode()), local)
    if b"s" in tags:
        try:
            signer.selector = Selector.parse(tags[b"s"])
        except ParseError:
            raise _FaultError(DkimReason.BAD_TAG_VALUE, "s= is not a selector") from None


def _read_rest(field: HeaderField, tags: dict[bytes, bytes], signer: _Signer) -> Signature:
    _require(tags, REQUIRED_TAGS)
    if tags[b"v"] != b"1":
        raise _FaultError(DkimReason.UNKNOWN_VERSION, f"v={_shown(tags[b'v'])}")
    algorithm = ALGORITHMS.get(tags[b"a"].lower())
    if algorithm is None:
        raise _FaultError(DkimReason.UNKNOWN_ALGORITHM, f"a={_shown(tags[b'a'])}")
    if tags.get(b"q", b"dns/txt") != b"dns/txt" and not _QUERY_METHODS.intersection(split_values(tags[b"q"].lower())):
        raise _FaultError(DkimReason.UNKNOWN_QUERY_METHOD, f"q={_shown(tags[b'q'])}")
    canonicalizations = _canonicalizations(tags.get(b"c", b"simple/simple"))
    return _checked(field, tags, signer, algorithm, canonicalizations, _base64(tags, b"bh"))


def _read_legacy(field: HeaderField, tags: dict[bytes, bytes], signer: _Signer) -> Signature:
    """draft-allman-dkim-base-00 §3.5: no v=, no bh=, one canonicalisation, one algorithm."""
    _require(tags, (b"a", b"b", b"h", b"s"))
    if tags[b"a"].lower() != b"rsa-sha1":
        raise _FaultError(DkimReason.UNKNOWN_ALGORITHM, f"a={_shown(tags[b'a'])}")
    canonicalization = tags.get(b"c", b"simple").lower().decode("ascii", "replace")
    if canonicalization not in LEGACY_HEADERS:
        raise _FaultError(DkimReason.UNKNOWN_CANONICALIZATION, f"c={_shown(tags[b'c'])}")
    if not _QUERY_METHODS.intersection(split_values(tags.get(b"q", b"dns").lower())):
        raise _FaultError(DkimReason.UNKNOWN_QUERY_METHOD, f"q={_shown(tags[b'q'])}")
    return _checked(field, tags, signer, ALGORITHMS[b"rsa-sha1"], (canonicalization, canonicalization), b"")


def _require(tags: dict[bytes, bytes], names: Iterable[bytes]) -> None:
    for name in names:
        if name not in tags:
            raise _FaultError(DkimReason.MISSING_TAG, f"{name.decode()}= is missing")


def _checked(
    field: HeaderField,
    tags: dict[bytes, bytes],
    signer: _Signer,
    algorithm: tuple[str, str, str],
    canonicalizations: tuple[str, str],
    body_hash: bytes,
) -> Signature:
    """The signature with the tags that both kinds have."""
    signature = Signature(
        field,
        None,
        "",
        *algorithm,
        *canonicalizations,
        signer.domain,
        signer.selector,
        signer.identity_local,
        signer.identity_domain,
        _names(tags[b"h"]),
        _number(tags, b"l") if b"l" in tags else None,
        _number(tags, b"t") if b"t" in tags else None,
        _number(tags, b"x") if b"x" in tags else None,
        body_hash,
        _base64(tags, b"b"),
        signer.wants_reports,
    )
    _check(signature)
    return signature


def _check(signature: Signature) -> None:
    """What RFC 6376 §6.1.1 wants of the tags together."""
    made, expires = signature.timestamp, signature.expiration
    if made is not None and expires is not None and expires <= made:  # §3.5, x=: must be greater
        raise _FaultError(DkimReason.BAD_TAG_VALUE, "x= is not after t=")
    domain, identity_domain = signature.domain, signature.identity_domain
    assert domain is not None
    assert identity_domain is not None
    if not identity_domain.is_under(domain):
        raise _FaultError(DkimReason.IDENTITY_NOT_UNDER_DOMAIN, f"i=@{identity_domain}, d={domain}")
    if b"from" not in signature.names:
        raise _FaultError(DkimReason.FROM_NOT_SIGNED)


def _names(value: bytes) -> tuple[bytes, ...]:
    return _usual_names(value) if len(value) <= _USUAL_LENGTH else _split_names(value)


def _split_names(value: bytes) -> tuple[bytes, ...]:
    return tuple(map(field_name, value.split(b":")))


_usual_names = functools.lru_cache(maxsize=1024)(_split_names)  # one sender signs the same fields every day


@functools.lru_cache(maxsize=64)
def _canonicalizations(value: bytes) -> tuple[str, str]:
    header, _, body = value.lower().partition(b"/")
    header, body = header.strip(), body.strip() or b"simple"
    if header not in _CANONICALIZATIONS or body not in _CANONICALIZATIONS:
        raise _FaultError(DkimReason.UNKNOWN_CANONICALIZATION, f"c={_shown(value)}")
    return _CANONICALIZATIONS[header], _CANONICALIZATIONS[body]


def _number(tags: dict[bytes, bytes], name: bytes) -> int:
    value = tags[name]
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise _FaultError(DkimReason.BAD_TAG_VALUE, f"{name.decode()}= is not a number")
    return int(value)


def _base64(tags: dict[bytes, bytes], name: bytes) -> bytes:
    try:
        data = binascii.a2b_base64(without_blanks(tags[name]), strict_mode=True)
    except ValueError:
        data = b""
    if not data:
        raise _FaultError(DkimReason.BAD_TAG_VALUE, f"{name.decode()}= is not base64")
    return data


def _shown(value: bytes) -> str:
    """A tag value for people: printable, not long."""
    return " ".join(value[:40].decode("ascii", "backslashreplace").split())
