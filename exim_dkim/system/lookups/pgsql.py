"""Look-up in PostgreSQL (Exim specification §9.25), over pg8000."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.value import Value
from exim_dkim.system.lookups.connections import Driver, connected
from exim_dkim.system.lookups.rows import rows_text
from exim_dkim.system.lookups.servers import SECONDS, Kind, Server, ServerTrouble, ask_servers

KIND: Final = Kind("PostgreSQL", "pgsql_servers")
PORT: Final = 5432

_ESCAPES: Final = {
    ord("\n"): b"\\n",
    ord("\t"): b"\\t",
    ord("\r"): b"\\r",
    ord("\b"): b"\\b",
    ord("'"): b"''",
    ord('"'): b'\\"',
    ord("\\"): b"\\\\",
}


def find(request: Request) -> Value | None:
    """The rows of a query or, for other statements, how many rows it changed."""
    return ask_servers(request, KIND, _ask)


def _ask(server: Server, query: bytes) -> bytes | None:
    from pg8000.exceptions import Error

    with connected((KIND, server), partial(_open, server), _DRIVER) as connection:
        try:
            cursor = connection.cursor()
            cursor.execute(query.decode("utf-8", "surrogateescape"))
            if cursor.description is None:
                return b"%d" % max(cursor.rowcount, 0)
            names = [column[0].encode() for column in cursor.description]
            return rows_text(names, ([_bytes(value) for value in row] for row in cursor.fetchall()))
        except (Error, OSError, UnicodeError) as error:
            raise LookupDeferred(f"PGSQL: query failed: {_message(error)}") from None


def _open(server: Server) -> Any:
    from pg8000.converters import PG_TYPES
    from pg8000.dbapi import Connection
    from pg8000.exceptions import Error

    try:
        connection: Any = Connection(
            server.user,
            host=server.host,
            port=server.port or PORT,
            unix_sock=server.socket or None,
            database=server.database or None,
            password=server.password or None,
            timeout=SECONDS,
        )
    except (Error, OSError) as error:
        raise ServerTrouble(_message(error)) from None
    connection.autocommit = True
    for kind in PG_TYPES:  # values as the server writes them
        connection.register_in_adapter(kind, str)
    return connection


def _close(connection: Any) -> None:
    """Close it, and the file over its socket, which pg8000 leaves to the garbage collector, and with it the socket."""
    file = connection._sock
    try:
        connection.close()
    finally:
        file.close()


_DRIVER: Final = Driver(check=lambda connection: connection.cursor().execute("select 1"), close=_close)


def _bytes(value: str | None) -> bytes:
    return b"" if value is None else value.encode()


def _message(error: Exception) -> str:
    """The M field of the server's message, or what there is."""
    first = error.args[0] if error.args else ""
    return str(first["M"]) if isinstance(first, dict) and "M" in first else str(error)


def quote(text: bytes, option: bytes) -> bytes | None:
    """Escapes for a string within quotes."""
    return None if option else b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in text)


LOOKUP: Final = Lookup(find, "query", quote, proves_key=False)
