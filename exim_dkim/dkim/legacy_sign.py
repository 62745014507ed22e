"""Making a DKIM-Signature field of 2005 (`dkim.legacy`), for receivers of that time; to others it is no signature."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from exim_dkim.canonical import CRLF, LEGACY_HEADERS
from exim_dkim.crypto import PrivateKey
from exim_dkim.dkim.legacy import ALGORITHM, HASH_NAME, LegacyHash
from exim_dkim.dkim.sign import SigningRequest, choose_signed, format_field
from exim_dkim.errors import SigningError
from exim_dkim.folding import append_data
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import HeaderField


class LegacySigning:
    """The signature of one message: make it, `begin`, feed the body to the hasher, then ask for the `field`."""

    __slots__ = ("_chosen", "_hash", "_key", "_request")

    def __init__(self, fields: Sequence[HeaderField], request: SigningRequest, key: PrivateKey) -> None:
        """The header canonicalisation of `request` counts for the body, too, and is nowsp or simple. `SigningError`."""
        if request.header_canonicalization not in LEGACY_HEADERS:
            raise SigningError(f"unknown canonicalisation {request.header_canonicalization!r}: use nowsp or simple")
        if key.type != "rsa":
            raise SigningError(f"c=nowsp goes with rsa-sha1 only, and this is an {key.type} key")
        self._chosen = choose_signed(fields, request.names)
        self._request = request
        self._key = key
        self._hash: LegacyHash | None = None

    def begin(self, hasher: BodyHasher) -> None:
        """Hash the header, and ask for the body."""
        self._hash = LegacyHash(self._chosen, self._request.header_canonicalization, hasher)

    def field(self) -> bytes:
        """The whole field in wire form, with its final CRLF, when the body is complete. `KeyFormatError`: the key."""
        assert self._hash is not None
        tags = [b"a=" + ALGORITHM.encode(), b"c=" + self._request.header_canonicalization.encode()]
        unsigned = format_field(tags, self._request, b"")
        digest = self._hash.digest(HeaderField(b"dkim-signature", unsigned))
        return (
            append_data(unsigned, binascii.b2a_base64(self._key.sign_digest(digest, HASH_NAME), newline=False)) + CRLF
        )
