"""What of a message's header a report tells: the fields that the domain has signed, and nobody else's mailboxes.

A signer knows what it signed; but who writes its name into a forged signature is somebody else, and so are those whom
he has written to. So local parts of addresses at other domains become a keyed hash, the same for the same address
(RFC 6590 §3), and fields that are not signed, such as Received, are left out, though RFC 6591 §3.1 would have the
whole header. The body is never told.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.reports.failure import Failure

MAX_HEADER: Final = 16 * 1024
"""Bytes of header that a report tells; further fields are left out."""

# A local part, quoted or not, and what may be its domain. It begins where a run of its characters begins, and what is
# quoted is bounded, so that the time does not grow with the square of the length.
_ADDRESS: Final = lazy_pattern(
    rb'("(?:[^"\\\r\n]|\\.){0,128}"|(?<![^\s<>()\[\],;:"@])[^\s<>()\[\],;:"@]++)'
    rb'([ \t\r\n]{0,4}@[ \t\r\n]{0,4})(\[[^\s\]]{1,64}\]|[^\s<>()\[\],;:"@|]++)'
)


def redact(text: bytes, domain: Domain, key: bytes) -> bytes:
    """`text` with the local parts of all addresses that are not at `domain` or below it replaced."""

    def replace(match: re.Match[bytes]) -> bytes:
        local, at, name = match.groups()
        written = name.decode("ascii", "replace").rstrip(".").lower()
        if written == domain or written.endswith(f".{domain}"):
            return match[0]
        digest = hashlib.blake2b(local.lower() + b"@" + name.lower(), digest_size=8, key=key[:64]).hexdigest()
        return b"redacted-" + digest.encode() + at + name

    return _ADDRESS.sub(replace, text)


def told_fields(fields: Sequence[HeaderField], failure: Failure, key: bytes) -> list[bytes]:
    """The fields that a report about `failure` tells, in their order, the signature among them, in wire form."""
    names = {name.lower() for name in failure.names}
    told, size = [], 0
    for field in fields:
        if field is not failure.field and (field.name not in names or field.name == failure.field.name):
            continue
        raw = redact(field.raw[:MAX_HEADER], failure.domain, key)
        size += len(raw)
        if size > MAX_HEADER:
            break
        told.append(raw)
    return told
