"""dnspython's names and record data as this package's: what `zone` and `dns` share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dns.name
import dns.rdata

from exim_dkim.resolver import RecordType


def text_of_name(name: dns.name.Name) -> str:
    """A name in lower case without its final dot, unusual bytes escaped as in zone files; the root is empty."""
    return name.canonicalize().to_text(omit_final_dot=True) if len(name) > 1 else ""


def pack_records(records: Iterable[dns.rdata.Rdata], record_type: RecordType) -> tuple[bytes, ...]:
    """Record data in the form that `resolver.Answer` documents."""
    return tuple(_pack(record, record_type) for record in records)


def _pack(record: Any, record_type: RecordType) -> bytes:
    match record_type:
        case RecordType.TXT:
            return b"".join(record.strings)
        case RecordType.A | RecordType.AAAA:
            return bytes(record.to_wire())
        case RecordType.PTR:
            return text_of_name(record.target).encode("ascii")
        case RecordType.MX:
            return f"{record.preference} {text_of_name(record.exchange)}".encode("ascii")
