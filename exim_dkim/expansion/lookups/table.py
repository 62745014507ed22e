"""Which look-up types there are, where each is, and what it takes.

Ours stand in a table, so that nothing is searched for when the filter starts; a type that is not in it is sought among
the entry points of the installed packages (group `exim_dkim.lookups`, in which ours are too, for others to find). What
opens connections or databases by itself is in `exim_dkim.system.lookups`, and imported when a message asks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from exim_dkim.errors import ExpansionError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from exim_dkim.expansion.lookups import Lookup

Style = Literal["key", "query", "file query", "key or query"]


class Entry:
    """Where a type is (`module:object`), what it takes, and the client library that it needs.

    `library` is the library's module; the option of our package that installs it has the name of the type, or `extra`.
    """

    __slots__ = ("extra", "library", "place", "style")

    def __init__(self, place: str, style: Style = "key", library: str = "", extra: str = "") -> None:
        self.place = place
        self.style = style
        self.library = library
        self.extra = extra


_PURE: Final = "exim_dkim.expansion.lookups."
_IMPURE: Final = "exim_dkim.system.lookups."

LOOKUPS: Final[dict[bytes, Entry]] = {
    b"lsearch": Entry(_PURE + "lsearch:LOOKUP"),
    b"wildlsearch": Entry(_PURE + "wildlsearch:WILDLSEARCH"),
    b"nwildlsearch": Entry(_PURE + "wildlsearch:NWILDLSEARCH"),
    b"iplsearch": Entry(_PURE + "iplsearch:LOOKUP"),
    b"dsearch": Entry(_PURE + "dsearch:LOOKUP"),
    b"cdb": Entry(_PURE + "cdb:LOOKUP"),
    b"dbm": Entry(_PURE + "dbm:DBM"),
    b"dbmnz": Entry(_PURE + "dbm:DBMNZ"),
    b"dbmjz": Entry(_PURE + "dbm:DBMJZ"),
    b"json": Entry(_PURE + "json:LOOKUP"),
    b"dkim": Entry(_PURE + "dkim:LOOKUP", "query"),
    b"domainkeys": Entry(_PURE + "dkim:DOMAINKEYS", "query"),
    b"spf": Entry(_PURE + "spf:LOOKUP", "key or query"),
    b"senderid": Entry(_PURE + "senderid:LOOKUP", "query"),
    b"dnsdb": Entry(_PURE + "dnsdb:LOOKUP", "query"),
    b"passwd": Entry(_IMPURE + "passwd:LOOKUP", "query"),
    b"ldap": Entry(_IMPURE + "ldap:LDAP", "query", "ldap", "ldap"),
    b"ldapdn": Entry(_IMPURE + "ldap:LDAPDN", "query", "ldap", "ldap"),
    b"ldapm": Entry(_IMPURE + "ldap:LDAPM", "query", "ldap", "ldap"),
    b"mysql": Entry(_IMPURE + "mysql:LOOKUP", "query", "pymysql"),
    b"pgsql": Entry(_IMPURE + "pgsql:LOOKUP", "query", "pg8000"),
    b"redis": Entry(_IMPURE + "redis:LOOKUP", "query", "redis"),
    b"sqlite": Entry(_IMPURE + "sqlite:LOOKUP", "file query"),
}
GROUP: Final = "exim_dkim.lookups"

# Types that Exim has and we have not.
_MISSING: Final = frozenset(
    b"""ibase lmdb nis nis0 nisplus nmh oracle psl readsock regdom testdb
    whoson""".split()
)


def style_of(name: bytes) -> Style:
    """What a type takes. Raises ExpansionError for one that is not there, or whose library is not installed."""
    entry = LOOKUPS.get(name)
    if entry is None:
        return load(name).style
    if entry.library:
        _require(name.decode(), entry)
    return entry.style


@lru_cache
def load(name: bytes) -> Lookup:
    """A look-up type by its name. Raises ExpansionError."""
    entry = LOOKUPS.get(name)
    if entry is None:
        return _plug_in(name)
    module, _, attribute = entry.place.partition(":")
    found: Lookup = getattr(__import__(module, fromlist=[attribute]), attribute)
    return found


def _require(name: str, entry: Entry) -> None:
    from importlib.util import find_spec

    if find_spec(entry.library) is None:
        raise ExpansionError(
            f'lookup type "{name}" needs the Python package {entry.library}: '
            f"pip install 'exim-dkim[{entry.extra or name}]'"
        )


@lru_cache
def _entry_point(name: str) -> EntryPoint | None:
    """Where a type that is not ours is; the search takes milliseconds, also if it finds nothing."""
    from importlib.metadata import entry_points

    return next(iter(entry_points(group=GROUP, name=name)), None)


def _plug_in(name: bytes) -> Lookup:
    """A type that another package brings."""
    shown = name.decode()
    point = _entry_point(shown)
    if point is not None:
        try:
            found: Lookup = point.load()
        except Exception as error:  # noqa: BLE001  somebody else's code
            raise ExpansionError(f'lookup type "{shown}" ({point.value}) cannot be loaded: {error}') from None
        return found
    if name in _MISSING:
        raise ExpansionError(f'lookup type "{shown}" is not supported')
    raise ExpansionError(f'unknown lookup type "{shown}"')
