"""The DKIM-Signature field (RFC 6376 §3.5): syntax, and what can be judged of it alone (§6.1.1).

A signature that cannot be used is not an exception: it carries the `fault`, and as many of its tags as could be read,
so that one can still say whose signature it claims to be.
"""

from __future__ import annotations

import binascii
import re
from typing import Final, NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain, Selector, split_address
from exim_dkim.outcome import DkimReason
from exim_dkim.taglist import DuplicateTagError, parse_tag_list, split_values, without_blanks

FIELD_NAME: Final = b"dkim-signature"
REQUIRED_TAGS: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
ALGORITHMS: Final = {
    b"rsa-sha256": ("rsa", "sha256"),
    b"ed25519-sha256": ("ed25519", "sha256"),
    b"rsa-sha512": ("rsa", "sha512"),  # not in RFC 6376; Exim can be told to make them
    b"rsa-sha1": ("rsa", "sha1"),
}
_CANONICALIZATIONS: Final = {b"simple": "simple", b"relaxed": "relaxed"}
_DIGITS: Final = re.compile(rb"[0-9]{1,76}")
_B_VALUE: Final = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_QUOTED_PRINTABLE: Final = re.compile(rb"=([0-9A-F]{2})")


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
        name, _, value = self.field.raw.partition(b":")
        return HeaderField(self.field.name, name + b":" + _B_VALUE.sub(rb"\1", value, count=1))


class _FaultError(Exception):
    """Internal: reading ends here, for this reason."""

    def __init__(self, reason: DkimReason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail


def parse_signature(field: HeaderField) -> Signature:
    """The signature that `field` holds. Never raises for what is in the field."""
    try:
        tags = parse_tag_list(field.value)
    except DuplicateTagError as error:
        return Signature(field, DkimReason.DUPLICATE_TAG, str(error))
    except ParseError as error:
        return Signature(field, DkimReason.BAD_TAG_LIST, str(error))
    # Whose signature it claims to be is read first, so that a fault further on can be laid at somebody's door.
    signature = Signature(field)
    try:
        signature = _read_names(signature, tags)
        return _read_rest(signature, tags)
    except _FaultError as fault:
        return signature._replace(fault=fault.reason, detail=fault.detail)


def _read_names(signature: Signature, tags: dict[bytes, bytes]) -> Signature:
    if b"d" not in tags:
        raise _FaultError(DkimReason.MISSING_TAG, "d= is missing")
    try:
        domain = Domain.parse(tags[b"d"])
    except ParseError:
        raise _FaultError(DkimReason.BAD_TAG_VALUE, "d= is not a domain name") from None
    signature = signature._replace(domain=domain, identity_domain=domain)
    if b"i" in tags:
        try:
            local, identity_domain = split_address(without_blanks(tags[b"i"]))
        except ParseError:
            raise _FaultError(DkimReason.BAD_TAG_VALUE, "i= is not [local part]@domain") from None
        local = _QUOTED_PRINTABLE.sub(lambda match: bytes.fromhex(match[1].decode()), local)
        signature = signature._replace(identity_local=local, identity_domain=identity_domain)
    if b"s" in tags:
        try:
            signature = signature._replace(selector=Selector.parse(tags[b"s"]))
        except ParseError:
            raise _FaultError(DkimReason.BAD_TAG_VALUE, "s= is not a selector") from None
    return signature


def _read_rest(signature: Signature, tags: dict[bytes, bytes]) -> Signature:
    for name in REQUIRED_TAGS:
        if name not in tags:
            raise _FaultError(DkimReason.MISSING_TAG, f"{name.decode()}= is missing")
    if tags[b"v"] != b"1":
        raise _FaultError(DkimReason.UNKNOWN_VERSION, f"v={_shown(tags[b'v'])}")
    algorithm = tags[b"a"].lower()
    if algorithm not in ALGORITHMS:
        raise _FaultError(DkimReason.UNKNOWN_ALGORITHM, f"a={_shown(algorithm)}")
    key_type, hash_name = ALGORITHMS[algorithm]
    header_canonicalization, body_canonicalization = _canonicalizations(tags.get(b"c", b"simple/simple"))
    methods = split_values(tags.get(b"q", b"dns/txt").lower())
    if b"dns/txt" not in methods and b"dns" not in methods:
        raise _FaultError(DkimReason.UNKNOWN_QUERY_METHOD, f"q={_shown(tags[b'q'])}")
    names = tuple(name.lower() for name in split_values(tags[b"h"]))
    signature = signature._replace(
        algorithm=algorithm.decode(),
        key_type=key_type,
        hash_name=hash_name,
        header_canonicalization=header_canonicalization,
        body_canonicalization=body_canonicalization,
        names=names,
        body_length=_number(tags, b"l"),
        timestamp=_number(tags, b"t"),
        expiration=_number(tags, b"x"),
        body_hash=_base64(tags, b"bh"),
        data=_base64(tags, b"b"),
    )
    _check(signature)
    return signature


def _check(signature: Signature) -> None:
    """What RFC 6376 §6.1.1 wants of the tags together."""
    made, expires = signature.timestamp, signature.expiration
    if made is not None and expires is not None and expires <= made:  # §3.5, x=: must be greater
        raise _FaultError(DkimReason.BAD_TAG_VALUE, "x= is not after t=")
    assert signature.domain is not None
    assert signature.identity_domain is not None
    if not signature.identity_domain.is_under(signature.domain):
        raise _FaultError(DkimReason.IDENTITY_NOT_UNDER_DOMAIN, f"i=@{signature.identity_domain}, d={signature.domain}")
    if b"from" not in signature.names:
        raise _FaultError(DkimReason.FROM_NOT_SIGNED)


def _canonicalizations(value: bytes) -> tuple[str, str]:
    header, _, body = value.lower().partition(b"/")
    header, body = header.strip(), body.strip() or b"simple"
    if header not in _CANONICALIZATIONS or body not in _CANONICALIZATIONS:
        raise _FaultError(DkimReason.UNKNOWN_CANONICALIZATION, f"c={_shown(value)}")
    return _CANONICALIZATIONS[header], _CANONICALIZATIONS[body]


def _number(tags: dict[bytes, bytes], name: bytes) -> int | None:
    value = tags.get(name)
    if value is None:
        return None
    if not _DIGITS.fullmatch(value):
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
    return value[:40].decode("ascii", "backslashreplace").replace("\r", " ").replace("\n", " ")
