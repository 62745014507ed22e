"""Making a DomainKey-Signature field (RFC 4870 §3.5). A pure function of header, body, request and key.

The signature is about the fields below it, so ours goes directly on top of the header that was given; what is put above
it later (DKIM-Signature, Received) does not matter to it. It has no date, and a=rsa-sha1 is all there is.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from exim_dkim.canonical import CRLF, DOMAINKEYS_HEADERS
from exim_dkim.crypto import PrivateKey, new_hash
from exim_dkim.domainkeys.fields import choose_fields
from exim_dkim.domainkeys.sender import Sender, find_sender
from exim_dkim.domainkeys.signature import HASH_NAME
from exim_dkim.errors import SigningError
from exim_dkim.folding import FOLD, add_part, append_data, is_field_name, name_parts, shown_name
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import HeaderField, is_well_formed
from exim_dkim.names import Domain, Selector

ALL_FIELDS: Final = b"*"


class SigningRequest(NamedTuple):
    """What to sign as. `names` is h= as it will stand; None: no h=, and every field is signed."""

    domain: Domain
    selector: Selector
    names: tuple[bytes, ...] | None = None
    canonicalization: str = "nofws"


def choose_names(wanted: Iterable[bytes], fields: Sequence[HeaderField]) -> tuple[bytes, ...] | None:
    """What h= will hold, for the elements of domainkeys_sign_headers; None when there are none.

    Every field of a name that is wanted is signed (there is no other way), so h= has them in the order of the message,
    which no reader can misunderstand; `*` stands for all. The field that says who sends is always signed. The prefixes
    `=` and `+` of dkim_sign_headers are permitted and mean nothing.
    """
    names = {element.lstrip(b"=+").strip().lower() for element in wanted}
    names.discard(b"")
    if not names:
        return None
    sender = find_sender(fields)
    names.add(sender.field.encode() if isinstance(sender, Sender) else b"from")
    if ALL_FIELDS in names:
        names = {name for name, _ in fields if name}
    return tuple([raw.partition(b":")[0].rstrip(b" \t") for name, raw in fields if name in names])


class MessageSigning:
    """The signature of one message: make it, `begin`, feed the body to the hasher, then ask for the `field`."""

    __slots__ = ("_digest", "_fields", "key", "request")

    def __init__(self, fields: Sequence[HeaderField], request: SigningRequest, key: PrivateKey) -> None:
        """`fields`: the header that is signed. `SigningError`: the signature could not verify."""
        _check(fields, request, key)
        self.request = request
        self._fields = fields
        self.key = key
        self._digest: Callable[[], bytes] | None = None

    def begin(self, hasher: BodyHasher) -> None:
        """Hash the header, and ask for the body."""
        names = None if self.request.names is None else [name.lower() for name in self.request.names]
        digest = new_hash(HASH_NAME)
        chosen = choose_fields(names, self._fields)
        digest.update(DOMAINKEYS_HEADERS[self.request.canonicalization](chosen) + CRLF)
        hasher.add(f"domainkeys-{self.request.canonicalization}", digest.update)
        self._digest = digest.finalize

    def field(self) -> bytes:
        """The whole field in wire form, with its final CRLF, when the body is complete. `KeyFormatError`: the key."""
        assert self._digest is not None
        data = self.key.sign_digest(self._digest(), HASH_NAME)
        return append_data(_format(self.request), binascii.b2a_base64(data, newline=False)) + CRLF


def _check(fields: Sequence[HeaderField], request: SigningRequest, key: PrivateKey) -> None:
    if request.canonicalization not in DOMAINKEYS_HEADERS:
        raise SigningError(f"unknown canonicalisation {request.canonicalization!r}: use simple or nofws")
    if key.type != "rsa":
        raise SigningError(f"DomainKeys needs an RSA key, and this is an {key.type} key")
    for name in request.names or ():
        if not is_field_name(name):
            raise SigningError(f"not a header field name that can be signed: {shown_name(name)}")
    if not is_well_formed(fields):
        raise SigningError("the header has a line that is no field; no verifier would accept the signature")
    sender = find_sender(fields)
    if not isinstance(sender, Sender):
        raise SigningError(f"{sender.reason.text}{f' ({sender.detail})' if sender.detail else ''}")
    if not any(name == b"from" for name, _ in fields):
        raise SigningError("a message without From must not be signed (RFC 4870 §3.1)")
    if request.names is not None and sender.field.encode() not in [name.lower() for name in request.names]:
        raise SigningError(f"{sender.field.title()} says who sends and must be signed (RFC 4870 §3.3)")
    if not sender.domain.is_under(request.domain):
        raise SigningError(f"the sending address is at {sender.domain}, which is not under {request.domain}")


def _format(request: SigningRequest) -> bytes:
    """The field up to and including `b=`."""
    line = b"DomainKey-Signature:"
    lines: list[bytes] = []
    for tag in (
        b"a=rsa-sha1",
        b"q=dns",
        b"c=" + request.canonicalization.encode(),
        b"d=" + request.domain.encode(),
        b"s=" + request.selector.encode(),
    ):
        line = add_part(lines, line, b" " + tag + b";")
    for part in name_parts(request.names) if request.names else ():
        line = add_part(lines, line, part)
    line = add_part(lines, line, b" b=")
    return FOLD.join([*lines, line])
