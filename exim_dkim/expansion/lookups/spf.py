"""Look-up of an SPF result (RFC 7208): `pass`, `fail`, `softfail`, `neutral`, `none`, `permerror` or `temperror`.

    ${lookup {alice@example.org} spf {192.0.2.1}}    as in Exim: may this address send mail for that one?
    ${lookup spf {}}                                 the message at hand: $sender_address, $sender_helo_name
    ${lookup spf {helo}}                             the same for the HELO name itself

The client of the message is $sender_host_address; without one the result is `none`. As in Exim the look-up fails when
the key is empty or what stands for the file is no IP address; unlike there, that may be tainted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.errors import ParseError
from exim_dkim.expansion.environment import ServiceTrouble
from exim_dkim.expansion.lookups import Lookup, LookupDeferred, LookupFailed, Request
from exim_dkim.expansion.value import Value, plain

if TYPE_CHECKING:
    from exim_dkim.expansion.environment import Environment

_IDENTITIES: Final = {b"": "spf", b"mailfrom": "spf", b"helo": "spf helo"}


def find(request: Request) -> Value | None:
    """The word for an address as the key and a client as the file; None when they are no such things."""
    if not request.key:
        return None
    try:
        client = parse_client(request.file)
    except ParseError:
        return None
    return judge(request, "spf", Envelope(client, b"", request.key))


def find_of_message(request: Request) -> Value | None:
    """The word for the message at hand."""
    identity = _IDENTITIES.get(request.key.strip())
    if identity is None:
        raise LookupFailed("a query for spf is empty, mailfrom or helo")
    assert request.state is not None
    return judge(request, identity, envelope_of(request.state.environment))


def judge(request: Request, identity: str, envelope: Envelope, fields: Sequence[bytes] = ()) -> Value:
    """What the environment says of an identity."""
    assert request.state is not None
    try:
        return plain(request.state.environment.services.judge(identity, envelope, fields))
    except ServiceTrouble as error:
        raise LookupDeferred(str(error)) from None


def envelope_of(environment: Environment) -> Envelope:
    """The envelope that the variables of the message tell of."""
    client, helo, sender = (
        None if value is None else value.text
        for value in map(environment.variable, (b"sender_host_address", b"sender_helo_name", b"sender_address"))
    )
    try:
        return Envelope(parse_client(client) if client else None, helo or b"", sender)
    except ParseError:
        raise LookupDeferred("$sender_host_address is not an IP address") from None


LOOKUP: Final = Lookup(find, "key or query", proves_key=False, ask=find_of_message)
