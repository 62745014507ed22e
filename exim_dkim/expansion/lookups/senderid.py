"""Look-up of a Sender ID result (RFC 4406) for the message at hand: `pass`, `fail`, `none` and so on, as for SPF.

`${lookup senderid {}}` or `{pra}` judges who the header says is responsible (RFC 4407), `{mfrom}` $sender_address. The
client is $sender_host_address; without one the result is `none`.
"""

from __future__ import annotations

from typing import Final

from exim_dkim.expansion.lookups import Lookup, LookupFailed, Request
from exim_dkim.expansion.lookups.spf import envelope_of, judge
from exim_dkim.expansion.value import Value

_SCOPES: Final = {b"": "senderid pra", b"pra": "senderid pra", b"mfrom": "senderid mfrom"}


def find(request: Request) -> Value | None:
    """The word for the message at hand."""
    identity = _SCOPES.get(request.key.strip().lower())
    if identity is None:
        raise LookupFailed("a query for senderid is empty, pra or mfrom")
    assert request.state is not None
    environment = request.state.environment
    return judge(request, identity, envelope_of(environment), environment.header_fields())


LOOKUP: Final = Lookup(find, "query", proves_key=False)
