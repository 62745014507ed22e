"""Look-up of an IP address in a file whose keys are addresses and networks (Exim specification §9.3, iplsearch)."""

from __future__ import annotations

from typing import Final

from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.ip import address_in_network, ip_version
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, Request
from exim_dkim.expansion.lookups.lsearch import search_lines
from exim_dkim.expansion.value import Value


def find(request: Request) -> Value | None:
    """The value of the first line whose key holds the address; a key `*` is found only by `*`."""
    key = request.key
    if key == b"*":
        return search_lines(request, lambda line: line == b"*")
    if key and not ip_version(key):
        shown = printable(key)
        raise LookupDeferred(
            f'"{shown}" is not a valid iplsearch key (an IP address, with optional CIDR mask, is wanted): '
            "in a host list, use net-iplsearch as the search type"
        )
    return search_lines(request, lambda line: address_in_network(key, line))


LOOKUP: Final = Lookup(find, proves_key=False)
