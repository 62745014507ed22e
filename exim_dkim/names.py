"""Domains, selectors and addresses (RFC 5321 §4.1.2, RFC 5890): validated once, compared case-blind.

A `Domain` or `Selector` is a `str` in lower-case A-label form, so that it can be compared, hashed and asked of DNS as
it is. U-labels (RFC 8616) are converted to A-labels on the way in. Underscores are let through, since DNS has them and
real selectors do; `is_host_name` is the strict form.
"""

from __future__ import annotations

import functools
from typing import Self

from exim_dkim.errors import ParseError

MAX_NAME = 253
"""Longest name in text form that DNS can carry (RFC 1035 §2.3.4)."""
_MAX_U_LABELS = 4 * MAX_NAME
"""Bytes of a name in UTF-8; more cannot be meant, but could be mapped to a short name and then be kept in the cache."""

_HOST_NAME_CHARACTERS = b"abcdefghijklmnopqrstuvwxyz0123456789-."
_CHARACTERS = b"_" + _HOST_NAME_CHARACTERS


class _Name(str):
    """What `Domain` and `Selector` share: labels separated by dots."""

    __slots__ = ()

    @classmethod
    @functools.lru_cache(maxsize=4096)
    def parse(cls, text: bytes) -> Self:
        """The name, or `ParseError`. A final dot is removed."""
        name = _to_a_labels(text).removesuffix(".")
        if len(name) > MAX_NAME or not _consists_of(name, _CHARACTERS) or not all(map(_is_label, name.split("."))):
            raise ParseError("not a domain name", text, 0, len(text))
        return cls(name)


class Domain(_Name):
    """A domain name such as `example.org`."""

    __slots__ = ()

    @property
    def is_host_name(self) -> bool:
        """True for letters, digits and hyphens only, with a letter in the last label (RFC 1123 §2.1)."""
        labels = self.split(".")
        return all(labels) and _consists_of(self, _HOST_NAME_CHARACTERS) and not labels[-1].isdigit()

    def is_under(self, other: Domain) -> bool:
        """True when this is `other` or a subdomain of it."""
        return self == other or self.endswith("." + other)


class Selector(_Name):
    """A selector (RFC 6376 §3.1): one or more labels below `_domainkey`."""

    __slots__ = ()


def _consists_of(name: str, characters: bytes) -> bool:
    """Whether no other characters are in it."""
    return not name.encode("ascii", "replace").translate(None, characters)


def _is_label(text: str) -> bool:
    return 0 < len(text) < 64 and text[0] != "-" and text[-1] != "-"


def _to_a_labels(text: bytes) -> str:
    if text.isascii():
        return text.decode("ascii").lower()
    if len(text) > _MAX_U_LABELS:
        raise ParseError("longer than a domain name can be", text, 0, len(text))
    import idna  # only for the rare name that needs it

    try:
        return idna.encode(text.decode("utf-8"), uts46=True).decode("ascii").lower()
    except (UnicodeError, idna.IDNAError) as error:
        raise ParseError(f"not an internationalised domain name ({error})", text, 0, len(text)) from None


def split_address(text: bytes) -> tuple[bytes, Domain]:
    """The local part as written and the domain of `[local]@domain`; `ParseError` when there is no `@`."""
    local, at, domain = text.rpartition(b"@")
    if not at:
        raise ParseError("an address needs an @", text, 0, len(text))
    return local, Domain.parse(domain)
