"""The DomainKey-Signature field (RFC 4870 §3.3).

A signature that cannot be used is not an exception: it carries the `fault`, and as many of its tags as could be read.
Tags that the RFC wants but signers left out have the value that all verifiers gave them: a=rsa-sha1, c=simple, q=dns.
"""

from __future__ import annotations

import binascii
from typing import Final, NamedTuple

from exim_dkim.canonical import DOMAINKEYS_HEADERS
from exim_dkim.errors import ParseError
from exim_dkim.message import HeaderField, field_name
from exim_dkim.names import Domain, Selector
from exim_dkim.outcome import DomainKeysReason
from exim_dkim.taglist import DuplicateTagError, parse_tag_list, split_values, without_blanks

FIELD_NAME: Final = b"domainkey-signature"
HASH_NAME: Final = "sha1"


class Signature(NamedTuple):
    """One DomainKeys signature as read. What could not be read is empty or None; `fault` and `detail` say why.

    `names` is h= in lower case; None: the signature is about every field below it.
    """

    field: HeaderField
    fault: DomainKeysReason | None = None
    detail: str = ""
    canonicalization: str = "simple"
    domain: Domain | None = None
    selector: Selector | None = None
    names: tuple[bytes, ...] | None = None
    data: bytes = b""

    @property
    def key_name(self) -> str:
        """The DNS name of the key (RFC 4870 §3.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


class _FaultError(Exception):
    """Internal: reading ends here, for this reason."""

    def __init__(self, reason: DomainKeysReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail


def parse_signature(field: HeaderField) -> Signature:
    """The signature that `field` holds. Never raises for what is in the field."""
    signature = Signature(field)
    try:
        tags = parse_tag_list(field.value)
        signature = signature._replace(domain=_domain(tags))
        signature = signature._replace(selector=_selector(tags))
        return _read_rest(signature, tags)
    except DuplicateTagError as error:
        return signature._replace(fault=DomainKeysReason.DUPLICATE_TAG, detail=str(error))
    except ParseError as error:
        return signature._replace(fault=DomainKeysReason.BAD_TAG_LIST, detail=str(error))
    except _FaultError as fault:
        return signature._replace(fault=fault.reason, detail=fault.detail)


def _domain(tags: dict[bytes, bytes]) -> Domain:
    try:
        return Domain.parse(_value(tags, b"d"))
    except ParseError:
        raise _FaultError(DomainKeysReason.BAD_TAG_VALUE, "d= is not a domain name") from None


def _selector(tags: dict[bytes, bytes]) -> Selector:
    try:
        return Selector.parse(_value(tags, b"s"))
    except ParseError:
        raise _FaultError(DomainKeysReason.BAD_TAG_VALUE, "s= is not a selector") from None


def _read_rest(signature: Signature, tags: dict[bytes, bytes]) -> Signature:
    if tags.get(b"a", b"rsa-sha1").lower() != b"rsa-sha1":
        raise _FaultError(DomainKeysReason.UNKNOWN_ALGORITHM, f"a={_shown(tags[b'a'])}")
    if tags.get(b"q", b"dns").lower() != b"dns":
        raise _FaultError(DomainKeysReason.UNKNOWN_QUERY_METHOD, f"q={_shown(tags[b'q'])}")
    canonicalization = tags.get(b"c", b"simple").lower().decode("ascii", "replace")
    if canonicalization not in DOMAINKEYS_HEADERS:
        raise _FaultError(DomainKeysReason.UNKNOWN_CANONICALIZATION, f"c={_shown(tags[b'c'])}")
    try:
        data = binascii.a2b_base64(without_blanks(_value(tags, b"b")), strict_mode=True)
    except ValueError:
        data = b""
    if not data:
        raise _FaultError(DomainKeysReason.BAD_TAG_VALUE, "b= is not base64")
    names = None
    if b"h" in tags:
        names = tuple([field_name(name) for name in split_values(tags[b"h"])])
        if not any(names):
            raise _FaultError(DomainKeysReason.BAD_TAG_VALUE, "h= names no field")
    return signature._replace(canonicalization=canonicalization, names=names, data=data)


def _value(tags: dict[bytes, bytes], name: bytes) -> bytes:
    if name not in tags:
        raise _FaultError(DomainKeysReason.MISSING_TAG, f"{name.decode()}= is missing")
    return tags[name]


def _shown(value: bytes) -> str:
    """A tag value for people: printable, not long."""
    return " ".join(value[:40].decode("ascii", "backslashreplace").split())
