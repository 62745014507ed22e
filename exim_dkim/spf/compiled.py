"""Records as they are evaluated, kept from one evaluation to the next by the text of the TXT records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from threading import Lock
from typing import Final

from exim_dkim.outcome import SpfReason
from exim_dkim.spf.record import MAX_RECORD, Fault, Record, Select, parse_record

MAX_KEPT: Final = 16 << 20
"""How much is kept, in bytes of memory: some thousands of domains."""
_PER_RECORD: Final = 500
_PER_TERM: Final = 400
"""What is made of a record, and of one of its terms, takes no more than so many bytes beside its text."""
MAX_TERM: Final = 300
MAX_ODD: Final = 1024
"""How long a term, and all of them, may be where pyspf has to tell what they mean: it can be made to take its time."""

_ZERO: Final = re.compile(r"%\{[A-Za-z]0+[^0-9]")

Compiled = Record | Fault | None
"""What the records of a domain come to; None when only pyspf can tell, and not before it evaluates them."""


class RecordCache:
    """What was made of records before; the oldest are forgotten. May be used by several threads."""

    def __init__(self, largest: int = MAX_KEPT) -> None:
        self._kept: dict[tuple[Select, Sequence[bytes]], Compiled] = {}
        self._size = 0
        self._largest = largest
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, records: Sequence[bytes], select: Select) -> Compiled:
        """What the TXT records of a domain come to."""
        key = (select, records)
        try:
            return self._kept[key]
        except KeyError:
            compiled = compile_records(records, select)
        with self._lock:
            if key not in self._kept:
                self._size += _size_of(records, compiled)
                self._kept[key] = compiled
            while self._size > self._largest:
                oldest = next(iter(self._kept))
                self._size -= _size_of(oldest[1], self._kept.pop(oldest))
        return compiled


def _size_of(records: Sequence[bytes], compiled: Compiled) -> int:
    return (
        sum(map(len, records)) + _PER_RECORD + (_PER_TERM * len(compiled.terms) if isinstance(compiled, Record) else 0)
    )


def compile_records(records: Sequence[bytes], select: Select) -> Compiled:
    """What the TXT records of a domain come to (RFC 7208 §4.5, §4.6)."""
    selected = select(records)
    if len(selected) != 1:
        return Fault(SpfReason.SEVERAL_RECORDS if selected else SpfReason.NO_RECORD)
    record = selected[0]
    if len(record) > MAX_RECORD:
        return Fault(SpfReason.RECORD_TOO_LONG, f"{len(record)} bytes; the limit is {MAX_RECORD}")
    if not record.isascii():
        return Fault(SpfReason.NOT_ASCII)
    text = record.decode("ascii")
    plain = parse_record(text)
    if plain is not None:
        return plain
    longest = max(map(len, text.split(" ")))
    if longest > MAX_TERM:
        return Fault(SpfReason.BAD_SYNTAX, f"a term of {longest} characters; the limit is {MAX_TERM}")
    if _ZERO.search(text):
        return Fault(SpfReason.BAD_SYNTAX, "a macro keeps no part (RFC 7208 §7.3)")
    from exim_dkim.spf.pyspf import syntax_fault

    wrong = syntax_fault(text)
    if wrong is not None:
        return Fault(SpfReason.BAD_SYNTAX, wrong)
    if len(text) > MAX_ODD:
        return Fault(SpfReason.RECORD_TOO_LONG, f"{len(text)} bytes; the limit for an unusual record is {MAX_ODD}")
    return None
