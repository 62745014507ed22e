"""Look-up in LDAP directories (Exim specification §9.16-9.20, RFC 4511, RFC 4516), over python-ldap.

    query = *( name "=" ( word / quoted string ) ) URL

ldap wants one entry, ldapm takes several, ldapdn gives the name of one. One attribute asked for: its values between
commas; several, or all: `name="values" name="values"`; entries on lines of their own. A comma in a value is doubled.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.expansion.escapes import printable, unescape
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.system.lookups.connections import Driver, connected
from exim_dkim.system.lookups.servers import SECONDS

_PARAMETER = lazy_pattern(rb'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))\s*')
_SCHEMES: Final = (b"ldap://", b"ldaps://", b"ldapi://")
# connect and netservers are old words for our own limit and for servers; taken, as in Exim.
_PARAMETERS: Final = frozenset(b"user pass size time connect dereference referrals servers netservers".split())
_DEREFERENCES: Final = {b"never": 0, b"searching": 1, b"finding": 2, b"always": 3}
_LITERAL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!$'-._()*+")

_Entry = tuple[str, dict[str, list[bytes]]]


class Query(NamedTuple):
    """The parameters before the URL, and the URL."""

    parameters: dict[bytes, bytes]
    url: bytes

    def number(self, name: bytes) -> int:
        """A parameter that is a number; 0 if it is none."""
        text = self.parameters.get(name, b"")
        return int(text[:9]) if text.isdigit() else 0


def parse_query(text: bytes) -> Query:
    """A query in its parts. Raises LookupDeferred with Exim's words."""
    parameters: dict[bytes, bytes] = {}
    rest = text.lstrip()
    while rest[:4].lower() != b"ldap":
        match = _PARAMETER.match(rest)
        if match is None:
            raise LookupDeferred("malformed parameter setting precedes LDAP URL")
        name = match[1].lower()
        if name not in _PARAMETERS:
            raise LookupDeferred(f'unknown parameter "{printable(name)}=" precedes LDAP URL')
        parameters[name] = unescape(match[2]) if match[2] is not None else match[3]
        rest = rest[match.end() :]
    if not rest.lower().startswith(_SCHEMES):
        start = printable(rest[:16])
        schemes = '"ldap://", "ldaps://", or "ldapi://"'
        raise LookupDeferred(f'LDAP URL does not start with {schemes} (it starts with "{start}...")')
    return Query(parameters, rest)


def find(kind: str, request: Request) -> Value | None:
    """What the entries say, or their names."""
    from ldapurl import LDAPUrl

    query = parse_query(request.key)
    try:
        url: Any = LDAPUrl(query.url.decode())
    except (ValueError, UnicodeError) as error:
        raise LookupDeferred(f"malformed LDAP URL: {error}") from None
    trouble = "no LDAP server: name one in the URL, with servers=, or in ldap_default_servers"
    for place in [url.hostport] if url.hostport else _servers(request, query):
        try:
            entries = _search(f"{url.urlscheme}://{place}", url, query)
        except ServiceTrouble as error:
            trouble = f"failed to bind the LDAP connection to server {place} - {error}"
            continue
        return _value(kind, url, entries)
    raise LookupDeferred(trouble)


def _servers(request: Request, query: Query) -> list[str]:
    given = query.parameters.get(b"servers") or query.parameters.get(b"netservers")
    if given is None:
        assert request.state is not None
        try:
            given = request.state.environment.services.setting("ldap_default_servers")
        except ServiceTrouble as error:
            raise LookupDeferred(str(error)) from None
    return [server.decode("utf-8", "surrogateescape") for server in split_list(given) if server]


def _search(place: str, url: Any, query: Query) -> list[_Entry]:
    """The entries that a server finds; none below a name that does not exist. Raises ServiceTrouble without server."""
    import ldap

    user, password = query.parameters.get(b"user", b""), query.parameters.get(b"pass", b"")
    with connected((place, user, password), partial(_open, place, user, password), _DRIVER) as connection:
        try:
            connection.set_option(ldap.OPT_REFERRALS, query.parameters.get(b"referrals") != b"nofollow")
            connection.set_option(ldap.OPT_DEREF, _DEREFERENCES.get(query.parameters.get(b"dereference", b""), 0))
            return _entries(connection, url, query)
        except ldap.NO_SUCH_OBJECT:
            return []
        except ldap.LDAPError as error:
            raise LookupDeferred(f"ldap_search failed: {_message(error)}") from None


def _open(place: str, user: bytes, password: bytes) -> Any:
    """A connection on which this user is known."""
    import ldap

    connection: Any = ldap.initialize(place)
    try:
        connection.set_option(ldap.OPT_PROTOCOL_VERSION, 3)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, SECONDS)
        connection.set_option(ldap.OPT_TIMEOUT, SECONDS)
        connection.simple_bind_s(unquote_to_bytes(user).decode(), password.decode())
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT) as error:
        raise ServiceTrouble(_message(error)) from None
    except (ldap.LDAPError, UnicodeError) as error:
        text = (
            f"failed to bind the LDAP connection to server {place.partition('://')[2]} - LDAP error: {_message(error)}"
        )
        raise LookupDeferred(text) from None
    return connection


_DRIVER: Final = Driver(check=lambda connection: connection.whoami_s(), close=lambda connection: connection.unbind_s())


def _entries(connection: Any, url: Any, query: Query) -> list[_Entry]:
    """The entries one by one, so that a limit of the size cuts and does not fail."""
    import ldap

    scope = ldap.SCOPE_BASE if url.scope is None else url.scope
    number = connection.search_ext(
        url.dn,
        scope,
        url.filterstr or "(objectClass=*)",
        url.attrs or None,
        timeout=query.number(b"time") or SECONDS,
        sizelimit=query.number(b"size"),
    )
    entries: list[_Entry] = []
    try:
        while True:
            kind, found = connection.result(number, 0)
            if kind == ldap.RES_SEARCH_RESULT:
                return entries
            entries.extend(entry for entry in found if kind == ldap.RES_SEARCH_ENTRY)
    except ldap.SIZELIMIT_EXCEEDED:
        return entries


def _value(kind: str, url: Any, entries: list[_Entry]) -> Value | None:
    if kind != "ldapm" and len(entries) > 1:
        raise LookupDeferred(
            f"LDAP search: more than one entry ({len(entries)}) was returned (filter not specific enough?)"
        )
    if kind == "ldapdn":
        return plain(entries[0][0].encode()) if entries else None
    single = len(url.attrs or ()) == 1
    texts = [_attributes(attributes, single) for _, attributes in entries if attributes]
    return plain(b"\n".join(texts)) if texts else None


def _attributes(attributes: dict[str, list[bytes]], single: bool) -> bytes:
    """One entry."""
    joined = {name: b",".join(value.replace(b",", b",,") for value in values) for name, values in attributes.items()}
    if single:
        return b"".join(joined.values())
    return b" ".join(name.encode() + b'="' + _in_quotes(text) + b'"' for name, text in joined.items())


def _in_quotes(text: bytes) -> bytes:
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


def _message(error: Exception) -> str:
    details = error.args[0] if error.args else ""
    return str(details.get("desc", details)) if isinstance(details, dict) else str(error)


def quote(text: bytes, option: bytes) -> bytes | None:
    """For a filter or, `_dn`, for a part of a name (RFC 4514 §2.4, RFC 4515 §3); then for the URL."""
    if option == b"dn":
        return _in_url(_for_name(text))
    if option:
        return None
    special = {byte: b"\\%02X" % byte for byte in b"*()\\"}
    return _in_url(b"".join(special.get(byte, bytes([byte])) for byte in text))


def _for_name(text: bytes) -> bytes:
    inner = text.rstrip(b" ")
    start = len(inner) - len(inner.lstrip(b" #"))
    special = b',+"\\<>;'
    escaped = [
        b"\\%c" % byte if number < start or byte in special else b"%c" % byte for number, byte in enumerate(inner)
    ]
    return b"".join(escaped) + b"\\ " * (len(text) - len(inner))


def _in_url(text: bytes) -> bytes:
    return b"".join(bytes([byte]) if byte in _LITERAL else b"%%%02X" % byte for byte in text)


LDAP: Final = Lookup(partial(find, "ldap"), "query", quote, proves_key=False)
LDAPM: Final = Lookup(partial(find, "ldapm"), "query", quote, proves_key=False)
LDAPDN: Final = Lookup(partial(find, "ldapdn"), "query", quote, proves_key=False)
