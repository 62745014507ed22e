"""DKIM signatures as dkim-milter 0.1.1 made them (draft-allman-dkim-base-00, 2005): a=rsa-sha1, c=simple or nowsp, and
neither v= nor bh=. Only where `dkim_legacy` is set.

One SHA-1 covers all: the fields of h=, an empty line, the body, another line end, and the signature field itself with
an empty b=. So such a signature can be checked only when the body has come. What the tags mean has not changed since.

Where the draft leaves room: under simple, empty lines at the end of the body are ignored, as in all later versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exim_dkim.canonical import CRLF, LEGACY_HEADERS
from exim_dkim.crypto import new_hash
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import HeaderField

HASH_NAME: Final = "sha1"
ALGORITHM: Final = "rsa-sha1"


class LegacyHash:
    """The hash of one signature; it gets the body from the hasher. `total`: bytes of the canonical body so far."""

    __slots__ = ("_canonicalization", "_hash", "_length", "total")

    def __init__(
        self, chosen: Sequence[HeaderField], canonicalization: str, hasher: BodyHasher, length: int | None = None
    ) -> None:
        """`chosen`: the fields of h=; `length`: l=."""
        self._canonicalization = canonicalization
        self._length = length
        self._hash = new_hash(HASH_NAME)
        self._hash.update(LEGACY_HEADERS[canonicalization](chosen) + CRLF + CRLF)
        self.total = 0
        hasher.add(canonicalization, self._update)

    def _update(self, text: bytes) -> None:
        wanted = text if self._length is None else text[: max(0, self._length - self.total)]
        self._hash.update(wanted)
        self.total += len(text)

    def digest(self, signature: HeaderField) -> bytes:
        """The digest, once the body is complete; `signature` is the field with an empty b=."""
        self._hash.update(CRLF + LEGACY_HEADERS[self._canonicalization]([signature]))
        return self._hash.finalize()
