"""What look-ups in database servers have in common (Exim specification §9.22): which servers, and one after the other.

    server = host [ ":" port ] [ "(" socket ")" ] "/" database [ "/" user ] "/" password

The servers are those of an option such as `mysql_servers`, or what `servers=` chooses from them: as an option of the
type or, in the old form, before the query. A server that cannot be reached gives way to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.lookups import LookupDeferred, Request
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazypattern import lazy_pattern

SECONDS: Final = 5.0
"""Longest wait for a server: to connect, and for an answer."""

_HOST = lazy_pattern(rb"(?P<host>\[[^]]*\]|[^:(/]*)(?::(?P<port>[0-9]{1,5}))?(?:\((?P<socket>[^)]*)\))?")


class Server(NamedTuple):
    """One server. `port` is 0 and the texts are empty where nothing is said."""

    host: str
    port: int
    socket: str
    database: str
    user: str
    password: str


class Kind(NamedTuple):
    """A kind of servers: its name in messages, the option that lists them, and whether they know users."""

    name: str
    option: str
    has_users: bool = True


class ServerTrouble(Exception):
    """A server that cannot be asked now; the next one may be."""


Ask = Callable[[Server, bytes], bytes | None]


def ask_servers(request: Request, kind: Kind, ask: Ask) -> Value | None:
    """What the first server that can be reached says. Raises LookupDeferred."""
    chosen, query = _chosen(request, kind)
    trouble = f"no {kind.name} servers defined ({kind.option} option)"
    for text in _servers(request, kind, chosen):
        try:
            found = ask(parse_server(text, kind), query)
        except ServerTrouble as error:
            trouble = f"{kind.name} connection failed: {error}"
            continue
        return None if found is None else plain(found)
    raise LookupDeferred(trouble)


def _chosen(request: Request, kind: Kind) -> tuple[bytes | None, bytes]:
    """The list that `servers=` gives, and the query without it."""
    chosen = request.option(b"servers")
    if chosen is not None or not request.key.startswith(b"servers="):
        return chosen, request.key
    if request.tainted:
        raise LookupDeferred(f"{kind.name} servers= in a query with data from mail: write {kind.option[:-8]},servers=…")
    servers, semicolon, query = request.key[8:].partition(b";")
    if not semicolon:
        raise LookupDeferred("missing ; after list of servers")
    return servers, query.lstrip()


def _servers(request: Request, kind: Kind, chosen: bytes | None) -> Iterator[bytes]:
    """The texts of the servers to ask; a host alone is looked up in the option."""
    assert request.state is not None
    try:
        known = split_list(request.state.environment.services.setting(kind.option))
    except ServiceTrouble as error:
        raise LookupDeferred(str(error)) from None
    for item in filter(None, known if chosen is None else split_list(chosen)):
        if b"/" in item:
            yield item
            continue
        found = [text for text in known if text.partition(b"/")[0] == item]
        if not found:
            raise LookupDeferred(f'{kind.name} server "{printable(item)}" not found in {kind.option}')
        yield found[0]


def parse_server(text: bytes, kind: Kind) -> Server:
    """A server from its text. Raises LookupDeferred, without the password."""
    parts = text.rsplit(b"/", 3 if kind.has_users else 2)
    place = _HOST.fullmatch(parts[0])
    if len(parts) != (4 if kind.has_users else 3) or place is None:
        raise LookupDeferred(f"incomplete {kind.name} server data: {printable(text.partition(b'/')[0])}")
    user = parts[2] if kind.has_users else b""
    texts = (part.decode("utf-8", "surrogateescape") for part in (place["socket"] or b"", parts[1], user, parts[-1]))
    host = place["host"].strip(b"[]").decode("ascii", "backslashreplace") or "localhost"
    return Server(host, int(place["port"] or 0), *texts)
