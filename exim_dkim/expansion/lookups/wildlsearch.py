"""Look-up in a file whose keys are patterns (Exim specification §9.3, wildlsearch and nwildlsearch).

Each key is a list of one item: `*suffix`, `^regex`, text, or one of them behind an exclamation mark. wildlsearch
expands it before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.lookups.lsearch import search_lines
from exim_dkim.expansion.patterns import match_key
from exim_dkim.expansion.value import Value


def find(request: Request) -> Value | None:
    """The value of the first line whose expanded key matches."""
    from exim_dkim.expansion.parse import parse_template

    state = request.state
    assert state is not None
    return _search(request, lambda key: parse_template(key).run(state).text if b"$" in key or b"\\" in key else key)


def find_unexpanded(request: Request) -> Value | None:
    """The value of the first line whose key, as it is, matches."""
    return _search(request, lambda key: key)


def _search(request: Request, prepare: Callable[[bytes], bytes]) -> Value | None:
    state, subject = request.state, Value(request.key, request.tainted)
    assert state is not None

    def matches(key: bytes) -> bool:
        try:
            return match_key(subject, prepare(key).strip(), state)
        except ExpansionError as error:
            raise LookupDeferred(f"failed to expand or match a key: {error.message}") from None

    return search_lines(request, matches)


WILDLSEARCH: Final = Lookup(find, proves_key=False)
NWILDLSEARCH: Final = Lookup(find_unexpanded, proves_key=False)
