"""Look-up in a constant database (https://cr.yp.to/cdb/cdb.txt; Exim specification §9.3, cdb).

The file begins with 256 pairs of 32-bit numbers, position and slots of a hash table each. A slot is a hash and the
position of a record, 0 if it is free; a record is the lengths of key and value, and both. These lines are here instead
of a library because the one that is kept up is compiled C, and because every number in the file is to be checked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain

_PAIR: Final = struct.Struct("<II")
_TABLES: Final = 256
_HEADER: Final = _TABLES * _PAIR.size


def find(request: Request) -> Value | None:
    """The value of the first record with this key. The case of keys counts."""
    shown = printable(request.file)
    try:
        data = request.files.read(request.file)
    except FileTrouble as error:
        if str(error) == "not a regular file":
            raise LookupFailed(f"{shown} is not a regular file (cdb lookup)") from None
        raise LookupFailed(f"failed to open {shown} for cdb lookup: {error}") from None
    if len(data) < _HEADER:
        raise LookupFailed(f"failed to open {shown} too short for cdb lookup: Success")
    try:
        return next((plain(value) for key, value in _candidates(data, request.key) if key == request.key), None)
    except struct.error:
        raise LookupDeferred(f"{shown} is damaged: it points outside of itself") from None


def _candidates(data: bytes, key: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records whose key has the same hash. Raises struct.error for a position outside the file."""
    wanted = hash_of(key)
    table, slots = _PAIR.unpack_from(data, wanted % _TABLES * _PAIR.size)
    start = (wanted >> 8) % slots if slots else 0
    for slot in range(min(slots, len(data) // _PAIR.size)):
        found, position = _PAIR.unpack_from(data, table + (start + slot) % slots * _PAIR.size)
        if not position:
            return
        if found == wanted:
            key_length, length = _PAIR.unpack_from(data, position)
            begin = position + _PAIR.size + key_length
            if begin + length > len(data):
                raise struct.error
            yield data[begin - key_length : begin], data[begin : begin + length]


def hash_of(key: bytes) -> int:
    """The hash of a key."""
    value = 5381
    for byte in key:
        value = (value * 33 & 0xFFFFFFFF) ^ byte
    return value


LOOKUP: Final = Lookup(find)
