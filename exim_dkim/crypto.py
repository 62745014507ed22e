"""Hashes, keys and signatures: RSA (RFC 8017 PKCS#1 v1.5) and Ed25519 (RFC 8032, 8463).

The only module that imports `cryptography`. What is costly to import is imported where it is needed, since the
signing filter starts once for each message.
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from exim_dkim import der
from exim_dkim.errors import KeyFormatError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303  only where the configuration permits it (RFC 8301)
    "sha256": hashes.SHA256(),
    "sha512": hashes.SHA512(),
}
_PADDING: Final = padding.PKCS1v15()
MIN_SIGNING_BITS: Final = 1024
"""RFC 8301 §3.2: signers must not use smaller RSA keys."""
MAX_KEY_TEXT: Final = 65536
"""Bytes of PEM text: a 16,384-bit key has under 13,000."""


def new_hash(name: str) -> hashes.Hash:
    """A hash to `update` and `finalize`; `name` is sha1, sha256 or sha512."""
    return hashes.Hash(_HASHES[name])


def digest(name: str, data: bytes) -> bytes:
    """The digest of `data`."""
    hasher = hashes.Hash(_HASHES[name])
    hasher.update(data)
    return hasher.finalize()


def _check_rsa(key: rsa.RSAPublicKey, signature: bytes, data: bytes, hash_name: str) -> None:
    key.verify(signature, data, _PADDING, _HASHES[hash_name])


def _check_ed25519(key: ed25519.Ed25519PublicKey, signature: bytes, data: bytes, hash_name: str) -> None:
    key.verify(signature, digest(hash_name, data))


class PublicKey:
    """A public key that can verify. `type` is `rsa` or `ed25519`, `bits` its size (256 for Ed25519)."""

    __slots__ = ("_check", "_key", "bits", "type")

    def __init__(self, key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey) -> None:
        self._key = key
        self._check: Callable[[bytes, bytes, str], None]
        if isinstance(key, rsa.RSAPublicKey):
            self.type, self.bits, self._check = "rsa", key.key_size, functools.partial(_check_rsa, key)
        else:
            self.type, self.bits, self._check = "ed25519", 256, functools.partial(_check_ed25519, key)

    def verify(self, signature: bytes, data: bytes, hash_name: str) -> bool | None:
        """Whether `signature` was made over `data` (RFC 6376 §3.7; Ed25519 signs the hash, RFC 8463 §3).

        None: the cryptographic library refuses the hash, as OpenSSL may be told to do with sha1.
        """
        try:
            self._check(signature, data, hash_name)
        except (InvalidSignature, ValueError):
            return False
        except UnsupportedAlgorithm:
            return None
        return True

    def verify_digest(self, signature: bytes, digest: bytes, hash_name: str) -> bool | None:
        """As `verify` with an RSA key, for data of which only the digest is at hand."""
        assert isinstance(self._key, rsa.RSAPublicKey)
        try:
            self._key.verify(signature, digest, _PADDING, Prehashed(_HASHES[hash_name]))
        except (InvalidSignature, ValueError):
            return False
        except UnsupportedAlgorithm:
            return None
        return True


class PrivateKey:
    """A private key that can sign. `type` is `rsa` or `ed25519`, `bits` its size (256 for Ed25519)."""

    __slots__ = ("_key", "_public", "bits", "type")

    def __init__(self, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self._key = key
        self._public = PublicKey(key.public_key())
        self.type = self._public.type
        self.bits = self._public.bits

    def sign(self, data: bytes, hash_name: str) -> bytes:
        """The signature over `data`. It is verified before it is given away, so a damaged key or a computing fault
        can neither send a bad signature nor give the key away; then `KeyFormatError`.
        """
        try:
            if isinstance(self._key, rsa.RSAPrivateKey):
                signature = self._key.sign(data, _PADDING, _HASHES[hash_name])
            else:
                signature = self._key.sign(digest(hash_name, data))
        except UnsupportedAlgorithm:
            raise _refused(hash_name) from None
        if not self._public.verify(signature, data, hash_name):
            raise KeyFormatError("the private key is damaged: it makes signatures that do not verify; make a new key")
        return signature

    def sign_digest(self, digest: bytes, hash_name: str) -> bytes:
        """As `sign` with an RSA key, for data of which only the digest is at hand."""
        if not isinstance(self._key, rsa.RSAPrivateKey):
            raise KeyFormatError("the private key is not an RSA key, which this signature needs")
        try:
            signature = self._key.sign(digest, _PADDING, Prehashed(_HASHES[hash_name]))
        except UnsupportedAlgorithm:
            raise _refused(hash_name) from None
        if not self._public.verify_digest(signature, digest, hash_name):
            raise KeyFormatError("the private key is damaged: it makes signatures that do not verify; make a new key")
        return signature

    def public_der(self) -> bytes:
        """What stands in p= (RFC 6376 §3.6.1: SubjectPublicKeyInfo; RFC 8463 §4: the 32 bytes)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return public.public_bytes(Encoding.Raw, PublicFormat.Raw)

    def public_pem(self) -> str:
        """The public key as PEM text (SubjectPublicKeyInfo)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _refused(hash_name: str) -> KeyFormatError:
    return KeyFormatError(f"the cryptographic library of this system refuses to sign with {hash_name}")


@functools.lru_cache(maxsize=128)
def load_private_key(pem: bytes) -> PrivateKey:
    """A private key from PEM text, RSA or Ed25519, not encrypted; `KeyFormatError` when it is anything else."""
    if len(pem) > MAX_KEY_TEXT:
        raise KeyFormatError("the private key is too long to be one")
    key = _load_quickly(pem) or _load_by_library(pem)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < MIN_SIGNING_BITS:
        raise KeyFormatError(
            f"the RSA key has {key.key_size} bits; at least {MIN_SIGNING_BITS} are needed (RFC 8301): make a new key"
        )
    return PrivateKey(key)


def _load_quickly(pem: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | None:
    """The key where it has one of the two usual forms; None otherwise."""
    lines = pem.split(b"\n")
    begin = next((i for i, line in enumerate(lines) if line.startswith(b"-----BEGIN ")), -1)
    end = next((i for i, line in enumerate(lines) if line.startswith(b"-----END ")), -1)
    if not 0 <= begin < end:
        return None
    try:
        data = binascii.a2b_base64(b"".join(lines[begin + 1 : end]).translate(None, b" \t\r"), strict_mode=True)
        seed = der.ed25519_seed(data)
        if seed is not None:
            from cryptography.hazmat.primitives.asymmetric import ed25519

            return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        numbers = der.rsa_numbers(data)
        if numbers is None:
            return None
        n, e, d, p, q, dp, dq, qi = numbers
        public = rsa.RSAPublicNumbers(e, n)
        # The primality tests would take longer than the signature; `sign` checks what it makes instead.
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key(unsafe_skip_rsa_key_validation=True)
    except ValueError:
        return None


def _load_by_library(pem: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise KeyFormatError("the private key is encrypted; store it without a passphrase, mode 0640") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError("this is not a private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None
    if isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise KeyFormatError("the private key is neither RSA nor Ed25519, the only types DKIM has")


@functools.lru_cache(maxsize=1024)
def load_public_key(key_type: str, data: bytes) -> PublicKey:
    """A public key from the bytes of p=; `KeyFormatError` when it is none of that type."""
    if key_type == "ed25519":
        from cryptography.hazmat.primitives.asymmetric import ed25519

        if len(data) != 32:
            raise KeyFormatError(f"an Ed25519 key has 32 bytes, not {len(data)}")
        return PublicKey(ed25519.Ed25519PublicKey.from_public_bytes(data))
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        # Also takes a bare RSAPublicKey, as RFC 6376 §3.6.1 once asked for and some publish.
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormatError("not an RSA public key") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyFormatError("not an RSA public key")
    return PublicKey(key)


def generate_private_key(key_type: str, bits: int) -> bytes:
    """A new private key as PEM text (PKCS#8, not encrypted). `bits` counts for RSA only."""
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate() if key_type == "ed25519" else rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
