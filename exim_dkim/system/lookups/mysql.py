"""Look-up in MySQL or MariaDB (Exim specification §9.24), over PyMySQL."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.value import Value
from exim_dkim.system.lookups.connections import Driver, connected
from exim_dkim.system.lookups.rows import rows_text
from exim_dkim.system.lookups.servers import SECONDS, Kind, Server, ServerTrouble, ask_servers

KIND: Final = Kind("MySQL", "mysql_servers")
PORT: Final = 3306

_ESCAPES: Final = {
    ord("\n"): b"\\n",
    ord("\t"): b"\\t",
    ord("\r"): b"\\r",
    ord("\b"): b"\\b",
    ord("'"): b"\\'",
    ord('"'): b'\\"',
    ord("\\"): b"\\\\",
}


def find(request: Request) -> Value | None:
    """The rows of a query or, for other statements, how many rows it changed."""
    return ask_servers(request, KIND, _ask)


def _ask(server: Server, query: bytes) -> bytes | None:
    import pymysql

    with connected((KIND, server), partial(_open, server), _DRIVER) as connection:
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                if cursor.description is None:
                    return b"%d" % cursor.rowcount
                names = [column[0].encode() for column in cursor.description]
                return rows_text(names, ([value or b"" for value in row] for row in cursor.fetchall()))
        except (pymysql.Error, OSError) as error:
            raise LookupDeferred(f"MYSQL: query failed: {_message(error)}") from None


def _open(server: Server) -> Any:
    import pymysql

    try:
        return pymysql.connect(
            host=server.host,
            port=server.port or PORT,
            unix_socket=server.socket or None,
            database=server.database or None,
            user=server.user,
            password=server.password,
            connect_timeout=int(SECONDS),
            read_timeout=SECONDS,
            write_timeout=SECONDS,
            autocommit=True,
            use_unicode=False,
            conv={},
        )
    except (pymysql.Error, OSError, RuntimeError) as error:
        raise ServerTrouble(_message(error)) from None


_DRIVER: Final = Driver(
    check=lambda connection: connection.ping(reconnect=False), close=lambda connection: connection.close()
)


def _message(error: Exception) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)


def quote(text: bytes, option: bytes) -> bytes | None:
    """Escapes for a string within quotes."""
    return None if option else b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in text)


LOOKUP: Final = Lookup(find, "query", quote, proves_key=False)
