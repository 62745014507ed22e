"""Makes the databases that look-ups ask."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path


def read_pairs(path: Path) -> list[tuple[bytes, bytes]]:
    """The lines `key=value` of a file."""
    return [(key, value) for key, _, value in (line.partition(b"=") for line in path.read_bytes().splitlines())]


def make_cdb(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A constant database, as https://cr.yp.to/cdb/cdb.txt describes it."""
    records = b""
    tables: list[list[tuple[int, int]]] = [[] for _ in range(256)]
    for key, value in pairs:
        number = 5381
        for byte in key:
            number = ((number << 5) + number & 0xFFFFFFFF) ^ byte
        tables[number % 256].append((number, 2048 + len(records)))
        records += struct.pack("<II", len(key), len(value)) + key + value
    header = slots = b""
    for table in tables:
        header += struct.pack("<II", 2048 + len(records) + len(slots), 2 * len(table))
        places = [(0, 0)] * (2 * len(table))
        for number, position in table:
            place = (number >> 8) % len(places)
            while places[place] != (0, 0):
                place = (place + 1) % len(places)
            places[place] = (number, position)
        slots += b"".join(struct.pack("<II", *place) for place in places)
    return header + records + slots


def make_sqlite(path: Path, script: str) -> None:
    """An SQLite database from SQL statements."""
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
