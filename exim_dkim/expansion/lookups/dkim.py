"""Look-up of a verification result: `${lookup dkim{example.org}}`, as Exim had it in 2008 (doc/experimental-spec.txt).

The query is a domain or an identity (`user@domain`), the value the word that an ACL tests: `good`, `bad`, `defer` or
`unsigned`. Who verifies is the environment's business; where nothing is verified the look-up is an error.
`${lookup domainkeys{example.org}}` is the same for DomainKeys.
"""

from __future__ import annotations

from typing import Final

from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.value import Value, plain


def find(request: Request) -> Value | None:
    """The word for the message at hand."""
    return _word("dkim", request)


def find_domainkeys(request: Request) -> Value | None:
    """The same for DomainKeys."""
    return _word("domainkeys", request)


def _word(protocol: str, request: Request) -> Value:
    assert request.state is not None
    try:
        return plain(request.state.environment.services.authenticate(protocol, request.key.strip()))
    except ServiceTrouble as error:
        raise LookupDeferred(str(error)) from None


LOOKUP: Final = Lookup(find, "query", proves_key=False)
DOMAINKEYS: Final = Lookup(find_domainkeys, "query", proves_key=False)
