"""Berkeley DB files, as Oracle's own db_load makes them, in every layout."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support import peers

Pairs = Sequence[tuple[bytes, bytes]]


def make_berkeley_db(path: Path, pairs: Pairs, kind: str = "hash", page: int = 4096, **options: int) -> bytes:
    """The content of a new file. `kind`: hash or btree; `options`: lines of db_load's header (db_lorder=4321 …)."""
    lines = ["VERSION=3", "format=bytevalue", f"type={kind}", f"db_pagesize={page}"]
    lines += [f"{name}={value}" for name, value in options.items()]
    lines += ["HEADER=END", *(f" {text.hex()}" for pair in pairs for text in pair), "DATA=END", ""]
    path.unlink(missing_ok=True)
    command = [peers.program("db5.3_load", "db5.3-util"), str(path)]
    subprocess.run(command, input="\n".join(lines), text=True, check=True, timeout=60)
    return path.read_bytes()


def small_berkeley_db(pairs: Pairs, order: str = "<") -> bytes:
    """A hash of one page of 512 bytes, in this byte order (`<` or `>`); it needs no program."""
    meta = struct.pack(order + "8xIIIIBBBxII", 0, 0x061561, 9, 512, 0, 8, 0, 0, 1)
    offsets, items = [], b""
    for text in (text for pair in pairs for text in pair):
        items = b"\x01" + text + items
        offsets.append(512 - len(items))
    table = struct.pack(f"{order}{len(offsets)}H", *offsets)
    head = struct.pack(order + "8xIIIHHBB", 1, 0, 0, len(offsets), 512 - len(items), 0, 13) + table
    return meta.ljust(512, b"\0") + head.ljust(512 - len(items), b"\0") + items
