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
        case RecordType.TXT | RecordType.SPF:
            return b"".join(record.strings)
        case RecordType.A | RecordType.AAAA:
            return bytes(record.to_wire())
        case RecordType.PTR | RecordType.CNAME | RecordType.NS:
            return text_of_name(record.target).encode("ascii")
        case _:
            return " ".join(map(str, _fields(record, record_type))).encode("ascii")


def _fields(record: Any, record_type: RecordType) -> tuple[int | str, ...]:
    """The fields of a record that has several."""
    match record_type:
        case RecordType.MX:
            return record.preference, text_of_name(record.exchange)
        case RecordType.SRV:
            return record.priority, record.weight, record.port, text_of_name(record.target)
        case RecordType.TLSA:
            return record.usage, record.selector, record.mtype, record.cert.hex()
        case _:
            names = text_of_name(record.mname), text_of_name(record.rname)
            return *names, record.serial, record.refresh, record.retry, record.expire, record.minimum
