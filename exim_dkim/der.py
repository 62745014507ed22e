"""The DER of unencrypted private keys: RSAPrivateKey (RFC 8017 §A.1.2) and PrivateKeyInfo (RFC 5958) for RSA, Ed25519.

Only to keep the signing filter's start short: `cryptography`'s key loader takes as long to import as all the rest of
the filter. Whatever is not exactly the expected shape gives None, and the caller asks the library instead.
"""

from __future__ import annotations

from typing import Final

_RSA_ALGORITHM: Final = bytes.fromhex("300d06092a864886f70d0101010500")
_ED25519_ALGORITHM: Final = bytes.fromhex("300506032b6570")
_INTEGER: Final = 0x02
_OCTET_STRING: Final = 0x04
_SEQUENCE: Final = 0x30
_RSA_INTEGERS: Final = 9  # version, n, e, d, p, q, d mod p-1, d mod q-1, q^-1 mod p

RsaNumbers = tuple[int, int, int, int, int, int, int, int]
"""n, e, d, p, q, d mod (p-1), d mod (q-1), q^-1 mod p."""


def _element(data: bytes, tag: int) -> tuple[bytes, bytes] | None:
    """The contents of the element that `data` begins with, and what follows; None when it is not a `tag`."""
    if len(data) < 2 or data[0] != tag:
        return None
    length, start = data[1], 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 3 or len(data) < 2 + size:
            return None
        length, start = int.from_bytes(data[2 : 2 + size]), 2 + size
    if len(data) < start + length:
        return None
    return data[start : start + length], data[start + length :]


def _whole(data: bytes, tag: int) -> bytes | None:
    """The contents of the element that is all of `data`."""
    found = _element(data, tag)
    return None if found is None or found[1] else found[0]


def _private_key_info(data: bytes, algorithm: bytes) -> bytes | None:
    contents = _whole(data, _SEQUENCE)
    start = b"\x02\x01\x00" + algorithm  # version 0: no attributes, no public key
    if contents is None or not contents.startswith(start):
        return None
    return _whole(contents[len(start) :], _OCTET_STRING)


def rsa_numbers(data: bytes) -> RsaNumbers | None:
    """The numbers of an RSA private key in either form, or None."""
    inner = _private_key_info(data, _RSA_ALGORITHM)
    rest = _whole(data if inner is None else inner, _SEQUENCE)
    if rest is None:
        return None
    numbers: list[int] = []
    while rest:
        found = _element(rest, _INTEGER)
        if found is None or not found[0] or len(numbers) == _RSA_INTEGERS:
            return None
        numbers.append(int.from_bytes(found[0], signed=True))
        rest = found[1]
    if len(numbers) != _RSA_INTEGERS or numbers[0] != 0 or min(numbers[1:]) <= 0:
        return None
    _, n, e, d, p, q, dp, dq, qi = numbers
    return n, e, d, p, q, dp, dq, qi


def ed25519_seed(data: bytes) -> bytes | None:
    """The 32-byte seed of an Ed25519 private key (RFC 8410 §7), or None."""
    inner = _private_key_info(data, _ED25519_ALGORITHM)
    seed = None if inner is None else _whole(inner, _OCTET_STRING)
    return seed if seed is not None and len(seed) == 32 else None
