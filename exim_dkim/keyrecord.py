"""Key records: the TXT record at `<selector>._domainkey.<domain>` (RFC 6376 §3.6.1, RFC 8463 §4)."""

from __future__ import annotations

import binascii
import functools
from typing import Final, NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.taglist import parse_tag_list, split_values, without_blanks

MAX_RECORD: Final = 8192
"""Bytes; a record with a 16,384-bit key has under 3,000."""


class KeyRecord(NamedTuple):
    """A key record. `data` is what p= holds; empty means revoked (RFC 6376 §3.6.1)."""

    type: str
    data: bytes
    hashes: tuple[str, ...] | None
    services: tuple[str, ...]
    flags: tuple[str, ...]
    notes: bytes
    version_known: bool
    granularity: bytes = b""

    @property
    def revoked(self) -> bool:
        """p= is empty."""
        return not self.data

    @property
    def testing(self) -> bool:
        """t=y: the domain is trying DKIM out; a bad signature must be treated as none."""
        return "y" in self.flags

    @property
    def strict_identity(self) -> bool:
        """t=s: the domain of i= must be d= itself, not one below it."""
        return "s" in self.flags

    def permits(self, local: bytes) -> bool:
        """g= permits this local part (RFC 4870 §3.2.3, RFC 4871 §3.6.1; RFC 6376 has no g=).

        An empty g= permits all, as in DomainKeys; early DKIM took it to permit none, and generators wrote it for years.
        """
        begin, asterisk, end = self.granularity.partition(b"*")
        if not asterisk:
            return begin in (b"", local)
        return len(local) >= len(begin) + len(end) and local.startswith(begin) and local.endswith(end)

    @property
    def for_mail(self) -> bool:
        """s= permits mail."""
        return "*" in self.services or "email" in self.services


@functools.lru_cache(maxsize=1024)  # of at most MAX_RECORD bytes
def parse_key_record(record: bytes) -> KeyRecord:
    """The key record from the text of a TXT record; `ParseError` when it is none.

    v= must be DKIM1 (otherwise `version_known` is False). It ought to stand first, but where it does not the record
    still says what it is, and every other verifier takes it. Unknown tags, flags and services are ignored.
    """
    if len(record) > MAX_RECORD:
        raise ParseError("the key record is too long", record, 0, len(record))
    tags = parse_tag_list(record)
    if b"p" not in tags:
        raise ParseError("the key record has no p= tag", record, 0, len(record))
    try:
        data = binascii.a2b_base64(without_blanks(tags[b"p"]), strict_mode=True) if tags[b"p"] else b""
    except ValueError:
        start = record.find(tags[b"p"])
        raise ParseError("p= is not base64", record, start, start + len(tags[b"p"])) from None
    return KeyRecord(
        type=_word(tags.get(b"k", b"rsa")),
        data=data,
        hashes=_words(tags[b"h"]) if b"h" in tags else None,
        services=_words(tags.get(b"s", b"*")),
        flags=_words(tags.get(b"t", b"")),
        notes=tags.get(b"n", b""),
        version_known=tags.get(b"v", b"DKIM1") == b"DKIM1",
        granularity=tags.get(b"g", b""),
    )


def format_key_record(key_type: str, data: bytes, *, testing: bool = False, notes: str = "") -> str:
    """The text of a key record for the public key `data` (what p= is to hold, not yet in base64)."""
    tags = ["v=DKIM1", f"k={key_type}"]
    if testing:
        tags.append("t=y")
    if notes:
        tags.append(f"n={notes}")
    tags.append("p=" + binascii.b2a_base64(data, newline=False).decode("ascii"))
    return "; ".join(tags)


def format_domainkeys_record(data: bytes, *, testing: bool = False) -> str:
    """The text of a record for DomainKeys (RFC 4870 §3.2.3), which serves DKIM as well.

    It has no v=, which DomainKeys did not know, and no g=: the empty one of old generators permitted every sending
    address to DomainKeys and none to early DKIM.
    """
    tags = ["k=rsa", *(["t=y"] if testing else []), "p=" + binascii.b2a_base64(data, newline=False).decode("ascii")]
    return "; ".join(tags)


def _word(value: bytes) -> str:
    return value.decode("ascii", "replace").lower()


def _words(value: bytes) -> tuple[str, ...]:
    return tuple(_word(element) for element in split_values(value) if element)
