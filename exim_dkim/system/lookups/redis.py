"""Look-up in Redis (Exim specification §9.28): the query is a command, its words separated by blanks.

A backslash protects the next character. Strings come as they are, a number as `true` if it is not 0, else `false`, the
elements of an array on lines; nil is "not found".
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.value import Value
from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.system.lookups.connections import Driver, connected
from exim_dkim.system.lookups.servers import SECONDS, Kind, Server, ServerTrouble, ask_servers

KIND: Final = Kind("Redis", "redis_servers", has_users=False)
PORT: Final = 6379
MAX_WORDS: Final = 32  # as in Exim

_WORD = lazy_pattern(rb"(?:\\[\x00-\xff]|[^\s\\])+")
_PROTECTED = lazy_pattern(rb"\\([\x00-\xff])")
_TO_PROTECT = lazy_pattern(rb"([\s\\])")


def find(request: Request) -> Value | None:
    """The reply to a command."""
    return ask_servers(request, KIND, _ask)


def words_of(command: bytes) -> list[bytes]:
    """The words of a command."""
    return [_PROTECTED.sub(rb"\1", match[0]) for match in _WORD.finditer(command)][:MAX_WORDS]


def _ask(server: Server, command: bytes) -> bytes | None:
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import RedisError, ResponseError
    from redis.exceptions import TimeoutError as RedisTimeoutError

    words = words_of(command)
    if not words:
        raise LookupDeferred("an empty Redis command")
    with connected((KIND, server), partial(_open, server), _DRIVER) as client:
        try:
            return _text(client.execute_command(*words))
        except ResponseError as error:
            if str(error).startswith("MOVED"):
                raise ServerTrouble(str(error)) from None
            raise LookupDeferred(f"REDIS: lookup result failed: {error}") from None
        except (RedisConnectionError, RedisTimeoutError) as error:
            raise ServerTrouble(str(error)) from None
        except (RedisError, OSError) as error:
            raise LookupDeferred(f"REDIS: query failed: {error}") from None


def _open(server: Server) -> Any:
    """A client, which connects when it is asked."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client: Any = Redis(
        server.host,
        server.port or PORT,
        password=server.password or None,
        unix_socket_path=server.socket or None,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    client.response_callbacks.clear()  # replies as they are
    if server.database:
        client.connection_pool.connection_kwargs["db"] = server.database
    return client


_DRIVER: Final = Driver(check=lambda client: client.ping(), close=lambda client: client.close())


def _text(reply: Any) -> bytes | None:
    if isinstance(reply, int):
        return b"true" if reply else b"false"
    if isinstance(reply, list):
        return b"\n".join(_element(element) for element in reply) if reply else None
    return None if reply is None else _element(reply)


def _element(reply: Any) -> bytes:
    if isinstance(reply, list):
        return b"\n".join(_element(element) for element in reply if not isinstance(element, list))
    if isinstance(reply, bytes):
        return reply
    return b"" if reply is None else str(reply).encode()


def quote(text: bytes, option: bytes) -> bytes | None:
    """White space and backslashes protected."""
    return None if option else _TO_PROTECT.sub(rb"\\\1", text)


LOOKUP: Final = Lookup(find, "query", quote, proves_key=False)
