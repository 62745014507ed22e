"""The engine for other programs: verify a message, sign a message (README, "Python API").

DNS, policy and clock are arguments; nothing here reads a file or asks the time. A message is bytes with CRLF or LF line
ends (`message.to_wire`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from exim_dkim.canonical import BODY_CANONICALIZATIONS
from exim_dkim.config.options import DEFAULT_SIGN_HEADERS
from exim_dkim.crypto import load_private_key
from exim_dkim.dkim import verify as _verify
from exim_dkim.dkim.sign import SigningRequest, choose_names
from exim_dkim.dkim.sign import sign as _sign
from exim_dkim.dkim.verify import Verdict
from exim_dkim.errors import SigningError
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import parse_message, to_wire
from exim_dkim.names import Domain, Selector, split_address
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Resolver

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
