"""What a request asks for: the query, its key, and the methods of authentication that it takes to answer.

| query | key |
|---|---|
| `dkim`, `domainkeys` | a domain or an identity |
| `spf` | nothing, or `helo` |
| `senderid` | nothing, `pra` or `mfrom` |
| `all`, `json` | nothing, or a domain or an identity |
| `authres` | nothing, or the methods that the field shall tell of, such as `dkim spf` |
| `forged`, `foreign` | nothing |
| `why` and one of `dkim`, `domainkeys`, `spf`, `senderid` | as there; `dkim` and `domainkeys` may go without |
| `smtp` and one of `spf`, `senderid` | as there |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from exim_dkim.authentication import Method
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError, ParseError
from exim_dkim.printable import one_line
from exim_dkim.words import Key, parse_key
from lookup_server.request import Request, RequestError

METHODS: Final[Mapping[str, Method]] = {
    "dkim": Method.DKIM,
    "domainkeys": Method.DOMAINKEYS,
    "spf": Method.SPF,
    "spf_helo": Method.SPF_HELO,
    "senderid": Method.SENDERID,
    "senderid_mfrom": Method.SENDERID_MFROM,
}
"""The methods by the names that they have in keys, in `lookup_methods`, and in the replies `all` and `json`."""

NAMES: Final[Mapping[Method, str]] = {method: name for name, method in METHODS.items()}

_WITH_KEY: Final = ("dkim", "domainkeys")
_IDENTITIES: Final[Mapping[str, Mapping[bytes, Method]]] = {
    "spf": {b"": Method.SPF, b"helo": Method.SPF_HELO},
    "senderid": {b"": Method.SENDERID, b"pra": Method.SENDERID, b"mfrom": Method.SENDERID_MFROM},
}
_EXPLAINED: Final = tuple(f"why {name}" for name in (*_WITH_KEY, *_IDENTITIES))
QUERIES: Final = (*_WITH_KEY, *_IDENTITIES, "authres", "all", "json", "forged", "foreign", *_EXPLAINED, "smtp spf",
                  "smtp senderid")  # fmt: skip
"""The queries about a message or an envelope."""


class Query(NamedTuple):
    """`name` is one of `QUERIES`. `methods`: what has to be known for the reply."""

    name: str
    key: Key | None = None
    methods: tuple[Method, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the reply is one word about one method."""
        return self.name in METHODS


def parse_query(request: Request, methods: tuple[Method, ...], others: tuple[str, ...] = ()) -> Query:
    """The query of a request, or `RequestError`. `methods`: those of the option. `others`: queries besides these."""
    name = request.query
    if name not in QUERIES:
        known = ", ".join([*QUERIES, *others])
        raise RequestError(f"unknown query {one_line(name, 60)!r}; there are: {known}")
    subject = name.removeprefix("why ").removeprefix("smtp ")
    if subject in _IDENTITIES:
        return Query(name, None, (_identity(request, subject),))
    if subject == "authres":
        return Query(name, None, _chosen(request, methods))
    if subject in ("forged", "foreign"):
        return Query(name)
    return Query(name, _key(request), (METHODS[subject],) if subject in _WITH_KEY else methods)


def methods_option(settings: Settings) -> tuple[Method, ...]:
    """The methods of `lookup_methods`, in the order of `Method`; `ConfigurationError`.

    DomainKeys is not among them where it is not verified: it would always be `unsigned` or `unverified`.
    """
    unknown = [name for name in settings.items("lookup_methods") if name not in METHODS]
    if unknown:
        text = f"lookup_methods: {unknown[0]!r} is no method; there are: {' : '.join(METHODS)}"
        raise ConfigurationError(text, *settings.place("lookup_methods"))
    chosen = {METHODS[name] for name in settings.items("lookup_methods")}
    if not settings.boolean("domainkeys_verify"):
        chosen.discard(Method.DOMAINKEYS)
    return tuple(method for method in Method if method in chosen)


def _identity(request: Request, subject: str) -> Method:
    method = _IDENTITIES[subject].get(request.key.lower())
    if method is None:
        known = " or ".join(key.decode() for key in _IDENTITIES[subject] if key)
        raise RequestError(f"{request.query}: {_shown(request.key)} is no identity; write {known}, or nothing")
    return method


def _chosen(request: Request, methods: tuple[Method, ...]) -> tuple[Method, ...]:
    names = request.key.decode("utf-8", "backslashreplace").lower().replace(":", " ").split()
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise RequestError(f"authres: {one_line(unknown[0], 60)!r} is no method; there are: {', '.join(METHODS)}")
    chosen = {METHODS[name] for name in names}
    return tuple(method for method in Method if method in chosen) if names else methods


def _key(request: Request) -> Key | None:
    if not request.key:
        if request.query in _WITH_KEY:
            raise RequestError(f"{request.query} needs a key: a domain, or an identity such as user@example.org")
        return None
    try:
        return parse_key(request.key)
    except ParseError:
        raise RequestError(f"{request.query}: {_shown(request.key)} is neither a domain nor an identity") from None


def _shown(key: bytes) -> str:
    return repr(one_line(key.decode("utf-8", "backslashreplace"), 100))
