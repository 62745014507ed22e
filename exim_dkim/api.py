"""The engine for other programs: verify, authenticate, sign a message (README, "Python API").

DNS, policy and clock are arguments; nothing here reads a file or asks the time. A message is bytes with CRLF or LF line
ends (`message.to_wire`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from exim_dkim.authentication import Authentication, Method
from exim_dkim.canonical import BODY_CANONICALIZATIONS
from exim_dkim.config.options import DEFAULT_SIGN_HEADERS
from exim_dkim.crypto import load_private_key
from exim_dkim.dkim import verify as _verify
from exim_dkim.dkim.sign import SigningRequest, choose_names
from exim_dkim.dkim.sign import sign as _sign
from exim_dkim.dkim.verify import Verdict
from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.errors import SigningError
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import Message, parse_message, to_wire
from exim_dkim.names import Domain, Selector, split_address
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Resolver

if TYPE_CHECKING:
    from exim_dkim.system.authenticate import Authenticator, Policies

_POLICY = VerificationPolicy()


def verify(
    message: bytes, resolver: Resolver, *, now: float, policy: VerificationPolicy = _POLICY
) -> Coroutine[Any, Any, tuple[Verdict, ...]]:
    """To be awaited: the verdicts on all DKIM signatures of `message`, in the order they stand.

    There are none for an unsigned message. `now` is in seconds since the epoch. Nothing is raised for what is in the
    message or in DNS.
    """
    return _verify.verify(parse_message(to_wire(message)), resolver, policy, now)


def verify_blocking(
    message: bytes, resolver: Resolver, *, now: float, policy: VerificationPolicy = _POLICY
) -> tuple[Verdict, ...]:
    """`verify` for code without an event loop. Inside of one, `await verify(…)` instead."""
    from exim_dkim.system.blocking import run

    return run(verify(message, resolver, now=now, policy=policy))


def authenticate(
    message: bytes,
    resolver: Resolver,
    *,
    now: float,
    client: str | None = None,
    helo: str = "",
    sender: str | None = None,
    policies: Policies | None = None,
) -> Coroutine[Any, Any, Authentication]:
    """To be awaited: what all methods say of `message`. `authentication_results` makes a header field of it.

    `client` is the address of the host that brought it, `helo` and `sender` what it said (the null sender is empty).
    With a client there are SPF of the sender and Sender ID; DKIM always; DomainKeys when `policies` accept SHA-1. `now`
    is in seconds since the epoch. Raises `ParseError` for a client that is no address; nothing for what is in the
    message or in DNS.
    """
    from exim_dkim.system.authenticate import Authenticator, Policies

    policies = policies or Policies()
    methods = [Method.DKIM]
    if policies.domainkeys.accept_sha1:
        methods.append(Method.DOMAINKEYS)
    if client is not None:
        methods += [Method.SPF, Method.SENDERID]
    address = None if client is None else parse_client(client.encode())
    envelope = Envelope(address, helo.encode(), None if sender is None else sender.encode())
    authenticator = Authenticator(resolver, policies, lambda: now)
    return _authenticate(authenticator, parse_message(to_wire(message)), envelope, methods)


async def _authenticate(
    authenticator: Authenticator, message: Message, envelope: Envelope, methods: Sequence[Method]
) -> Authentication:
    begun = await authenticator.begin(message.fields, envelope, methods)
    if begun.wants_body:
        for chunk in message.body_chunks():
            begun.update(chunk)
    return begun.finish()


def sign(
    message: bytes,
    *,
    domain: str,
    selector: str,
    private_key: bytes,
    now: float | None = None,
    lifetime: int | None = None,
    identity: str | None = None,
    headers: Iterable[str] | None = None,
    canonicalization: str = "relaxed/relaxed",
) -> bytes:
    """The DKIM-Signature field for `message`, to be put in front of it; its line ends are those of the message.

    `private_key` is PEM text (RSA or Ed25519). With `now` (seconds since the epoch) the signature has t=, with
    `lifetime` (seconds) x= too. `headers` are names as in dkim_sign_headers: `X`, `=X`, `+X`. Raises `KeyFormatError`
    for the key, `ParseError` for a name, `SigningError` for what RFC 6376 does not permit.
    """
    wire = parse_message(to_wire(message))
    header_canonicalization, _, body_canonicalization = canonicalization.partition("/")
    wanted = DEFAULT_SIGN_HEADERS.split(":") if headers is None else headers
    request = SigningRequest(
        Domain.parse(domain.encode()),
        Selector.parse(selector.encode()),
        choose_names([name.encode() for name in wanted], wire.fields),
        header_canonicalization=header_canonicalization,
        body_canonicalization=body_canonicalization or header_canonicalization,
        identity=None if identity is None else split_address(identity.encode()),
        timestamp=None if now is None else int(now),
        expiration=None if now is None or lifetime is None else int(now) + lifetime,
    )
    if request.body_canonicalization not in BODY_CANONICALIZATIONS:
        raise SigningError(f"unknown canonicalisation {canonicalization!r}: use relaxed, simple or HEADER/BODY")
    hasher = BodyHasher()
    body_hash = hasher.want(request.hash_name, request.body_canonicalization)
    for chunk in wire.body_chunks():
        hasher.update(chunk)
    hasher.finish()
    field = _sign(wire.fields, body_hash.digest(), request, load_private_key(private_key))
    return field if to_wire(message) is message else field.replace(b"\r\n", b"\n")
