"""Look-up in an SQLite database (Exim specification §9.25), `sqlite,file=/path {select …}` or `sqlite {/path …}`.

The database is opened for reading only, one statement is allowed, and it must end in time: unlike in Exim, a value that
gets out of its quotes cannot change anything.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final
from urllib.parse import quote_from_bytes

from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain
from exim_dkim.system.lookups.rows import rows_text

MAX_ROWS: Final = 100_000
MAX_SECONDS: Final = 5.0  # for one statement; also how long we wait for somebody else's lock, as Exim does
_INSTRUCTIONS: Final = 10_000  # of SQLite's machine, between looks at the clock


def find(request: Request) -> Value | None:
    """The rows that a statement gives."""
    try:
        if request.files.kind(request.file, True) != "file":
            raise LookupFailed("unable to open database file")
        connection = sqlite3.connect(
            f"file:{quote_from_bytes(request.file)}?mode=ro", uri=True, timeout=MAX_SECONDS, isolation_level=None
        )
    except (FileTrouble, sqlite3.Error) as error:
        raise LookupFailed(str(error)) from None
    try:
        return _ask(connection, request.key)
    except (sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
        raise LookupDeferred(str(error)) from None
    finally:
        connection.close()


def _ask(connection: sqlite3.Connection, query: bytes) -> Value | None:
    deadline = time.monotonic() + MAX_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS)
    connection.text_factory = bytes
    cursor = connection.execute(query.decode())
    names = [column[0].encode() for column in cursor.description or ()]
    rows = cursor.fetchmany(MAX_ROWS + 1)
    if len(rows) > MAX_ROWS:
        raise LookupDeferred(f"more than {MAX_ROWS} rows")
    text = rows_text(names, ([_text(value) for value in row] for row in rows))
    return None if text is None else plain(text)


def _text(value: object) -> bytes:
    """A value as SQLite itself would write it."""
    if value is None:
        return b"<NULL>"
    if isinstance(value, bytes):
        return value.partition(b"\0")[0]
    if isinstance(value, float):
        return _real(value)
    return str(value).encode()


def _real(value: float) -> bytes:
    """15 digits, always with a point."""
    if value in (float("inf"), float("-inf")):
        return b"Inf" if value > 0 else b"-Inf"
    mantissa, exponent, power = f"{value:.15g}".partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}".encode()


def quote(text: bytes, option: bytes) -> bytes | None:
    """Single quotes doubled."""
    return None if option else text.replace(b"'", b"''")


LOOKUP: Final = Lookup(find, "file query", quote, proves_key=False)
