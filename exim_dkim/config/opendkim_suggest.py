"""What to write in place of an OpenDKIM table that is in a database server or an LDAP directory.

OpenDKIM asks such a table for the author's address, then for the domain, and for others that lead nowhere in most
tables; these two are what is suggested, as look-ups of Exim strings. Nothing is connected to, and no password is shown.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from exim_dkim.config.opendkim import DataSet

BACKENDS: Final = {"mysql": "mysql", "pgsql": "pgsql", "postgresql": "pgsql"}
ADDRESS: Final = "${lc:${address:$h_from:}}"
DOMAIN: Final = "${lc:${domain:$h_from:}}"
KEY: Final = "DKIM_KEY"
"""The macro with the name of the key, as the SigningTable has it."""

_DSN = re.compile(r"(\w+)::?//(?:([^:@/]*)(?::([^@/]*))?@)?(?:(\d+)\+)?([^/]*)/([^/]*)/(.*)")
_LDAP = re.compile(r"(ldap[si]?://[^?\s]*)\?([^?\s]*)(\?\S*)?")


class _Source(NamedTuple):
    """A table in a server. `look_up`: the type; `servers`: a line that says where, if the look-up does not itself."""

    look_up: str
    servers: str
    columns: tuple[str, ...]
    query: str
    """With `{column}` and `{key}`."""

    def ask(self, column: str, key: str, otherwise: str = "") -> str:
        """The look-up of a key."""
        query = self.query.replace("{column}", column).replace("{key}", f"${{quote_{self.look_up}:{key}}}")
        return f"${{lookup {self.look_up} {{{query}}}{{$value}}{{{otherwise}}}}}"


def suggestion(signing: DataSet, keys: DataSet) -> str:
    """Lines of a configuration, each after a line end; empty when nothing can be said of such tables."""
    tables, key_table = _source(signing), _source(keys)
    if tables is None or key_table is None or not tables.columns or len(key_table.columns) < 3:
        return ""
    domain, selector, key = key_table.columns[:3]
    name = tables.ask(tables.columns[0], ADDRESS, tables.ask(tables.columns[0], DOMAIN))
    lines = sorted({table.servers for table in (tables, key_table)} - {""})
    lines += [
        f"{KEY} = {name}",
        f"dkim_domain = {key_table.ask(domain, KEY)}",
        f"dkim_selector = {key_table.ask(selector, KEY)}",
        f"dkim_private_key = {key_table.ask(key, KEY)}",
    ]
    return "".join(f"\n{line}" for line in lines)


def _source(data_set: DataSet) -> _Source | None:
    whole = f"{data_set.kind}:{data_set.rest}"
    if data_set.kind == "dsn":
        return _of_dsn(data_set.rest)
    if data_set.kind in ("ldap", "ldaps", "ldapi"):
        return _of_ldap(whole)
    return None


def _of_dsn(text: str) -> _Source | None:
    match = _DSN.fullmatch(text)
    if match is None or match[1] not in BACKENDS:
        return None
    backend, user, password, port, host, base, parameters = match.groups("")
    values = dict(part.partition("=")[::2] for part in parameters.split("?"))
    if not {"table", "keycol", "datacol"} <= values.keys():
        return None
    look_up = BACKENDS[backend]
    place = f"{_plain(host)}::{port}" if port else _plain(host)
    servers = f"hide {look_up}_servers = {place}/{_plain(base)}/{_plain(user)}/{'PASSWORD' if password else ''}"
    condition = f" and {_plain(values['filter'])}" if "filter" in values else ""
    of = f"from {_plain(values['table'])} where {_plain(values['keycol'])} = '{{key}}'{condition}"
    return _Source(look_up, servers, tuple(map(_plain, values["datacol"].split(","))), f"select {{column}} {of}")


def _of_ldap(text: str) -> _Source | None:
    """The first URL; `$d` in it is the key. `$D` (its labels as dc=) has no equivalent."""
    match = _LDAP.match(text)
    if match is None or "$D" in text or "$d" not in text:
        return None
    url, attributes, rest = match.groups("")
    return _Source(
        "ldap", "", tuple(filter(None, attributes.split(","))), f"{url}?{{column}}{rest}".replace("$d", "{key}")
    )


def _plain(text: str) -> str:
    """A value of a DSN without its encoding (`=20` is a blank), on one line."""
    decoded = re.sub(r"=([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
    return (
        "".join(character for character in decoded if character.isprintable()).replace("\\", "\\\\").replace("$", "\\$")
    )
