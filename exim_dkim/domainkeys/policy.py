"""What a domain says of its outbound mail: the TXT record at `_domainkey.DOMAIN` (RFC 4870 §3.6).

Looked at when a message is unsigned or its signature fails. No record means the default: some mail is signed.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.taglist import parse_tag_list

MAX_RECORD: Final = 2048
"""Bytes; a real one has a note and an address."""


class DomainPolicy(NamedTuple):
    """A policy record. `address` (r=) is where problems may be reported, `notes` (n=) is for people."""

    signs_all: bool = False
    testing: bool = False
    address: bytes = b""
    notes: bytes = b""


def policy_name(domain: str) -> str:
    """The DNS name of the policy of `domain`."""
    return f"_domainkey.{domain}"


@functools.lru_cache(maxsize=1024)  # of at most MAX_RECORD bytes
def parse_domain_policy(record: bytes) -> DomainPolicy:
    """The policy from the text of a TXT record; `ParseError` when it is none.

    None is what has neither o= nor t=, r=, n=: other things live at such names, too. o=- is "signs all"; whatever else
    stands there (the RFC has `~` only; drafts had more) counts as "signs some". Tags that are not known are ignored.
    """
    if len(record) > MAX_RECORD:
        raise ParseError("the policy record is too long", record, 0, len(record))
    tags = parse_tag_list(record)
    if not tags.keys() & {b"o", b"t", b"r", b"n"} or b"p" in tags:
        raise ParseError("not a DomainKeys policy record", record, 0, len(record))
    return DomainPolicy(
        signs_all=tags.get(b"o", b"~") == b"-",
        testing=b"y" in tags.get(b"t", b"").lower(),
        address=tags.get(b"r", b""),
        notes=tags.get(b"n", b""),
    )


def format_domain_policy(policy: DomainPolicy) -> str:
    """The text of the record."""
    tags = ["t=y"] if policy.testing else []
    tags.append("o=-" if policy.signs_all else "o=~")
    tags.extend(
        f"{name}={value.decode('utf-8', 'replace')}"
        for name, value in (("r", policy.address), ("n", policy.notes))
        if value
    )
    return "; ".join(tags)
