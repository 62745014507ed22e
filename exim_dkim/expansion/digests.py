"""Digests (md5, sha1, sha256, sha2, sha3, hmac) and Exim's own `hash` and `nhash` (Exim specification §11.7, §11.8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from hmac import digest as hmac_digest
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable

# `s` and `t` have changed places, as in Exim.
_LETTERS: Final = b"abcdefghijklmnopqrtsuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_PRIMES: Final = bytes((
    *(2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47),
    *(53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113),
))  # fmt: skip
_USUAL_LETTERS: Final = 26


def hmac(algorithm: bytes, secret: bytes, text: bytes) -> bytes:
    """RFC 2104 with MD5 or SHA-1, in lower-case hexadecimal."""
    if algorithm not in (b"md5", b"sha1"):
        raise ExpansionError(f'hmac algorithm "{printable(algorithm)}" is not recognised')
    return hmac_digest(secret, text, algorithm.decode()).hex().encode()


def _plain(name: str, *, upper: bool = True) -> Callable[[bytes, bytes | None], bytes]:
    def compute(text: bytes, arguments: bytes | None) -> bytes:
        hexadecimal = hashlib.new(name, text, usedforsecurity=False).hexdigest()
        return (hexadecimal.upper() if upper else hexadecimal).encode()

    return compute


def _family(family: str, names: dict[bytes, str]) -> Callable[[bytes, bytes | None], bytes]:
    """A hash whose length is the operator's argument; 256 without one."""

    def compute(text: bytes, arguments: bytes | None) -> bytes:
        name = names.get(b"256" if arguments is None else arguments)
        if name is None:
            raise ExpansionError(f"unrecognised {family} variant")
        return hashlib.new(name, text, usedforsecurity=False).hexdigest().upper().encode()

    return compute


DIGESTS: Final = {
    b"md5": _plain("md5", upper=False),
    b"sha1": _plain("sha1"),
    b"sha256": _plain("sha256"),
    b"sha2": _family("sha2", {b"256": "sha256", b"384": "sha384", b"512": "sha512"}),
    b"sha3": _family("sha3", {b"224": "sha3_224", b"256": "sha3_256", b"384": "sha3_384", b"512": "sha3_512"}),
}


def text_hash(text: bytes, length: int, letters: int | None) -> bytes:
    """`${hash`: `length` of the first `letters` (26) letters, digits after letters; a shorter text stays as it is."""
    count = _USUAL_LETTERS if letters is None else letters
    if count > len(_LETTERS):
        raise ExpansionError(f'hash count "{count}" too big')
    if length >= len(text):
        return text
    if length == 0:
        return b""
    if count == 0 or length < 0:
        raise ExpansionError("hash needs a length that is not negative and at least one letter")
    octets = bytearray(text[:length])
    for place in range(length, len(text)):
        byte = text[place]
        shift = (byte + place) & 7
        octets[place % length] ^= (byte << shift | byte >> (8 - shift)) & 0xFF
    return bytes(_LETTERS[octet % count] for octet in octets)


def number_hash(text: bytes, first: int, second: int | None) -> bytes:
    """`${nhash`: a number below `first`, or two, below `first` and `second`."""
    if first <= 0 or second == 0:
        raise ExpansionError("nhash needs numbers that are greater than 0")
    # From the last prime to the second; the first is never used.
    weights = _PRIMES[:0:-1]
    total = sum(weights[place % len(weights)] * byte for place, byte in enumerate(text))
    if second is None:
        return b"%d" % (total % first)
    total %= first * second
    return b"%d/%d" % divmod(total, second)
