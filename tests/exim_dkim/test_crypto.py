"""Keys, signatures, hashes; the quick reader of private keys against the library's."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim import crypto, der
from exim_dkim.errors import KeyFormatError

RSA_KEY = rsa.generate_private_key(65537, 2048)
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()
SMALL_KEY = rsa.generate_private_key(65537, 1024)


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


GOOD = [
    pem(RSA_KEY, PrivateFormat.PKCS8),
    pem(RSA_KEY, PrivateFormat.TraditionalOpenSSL),
    pem(ED25519_KEY, PrivateFormat.PKCS8),
    pem(SMALL_KEY, PrivateFormat.PKCS8),
]
GOOD_IDS = ["rsa", "rsa PKCS#1", "ed25519", "rsa 1024"]


@pytest.mark.parametrize("text", GOOD, ids=GOOD_IDS)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512", "sha1"])
def test_sign_and_verify(text: bytes, hash_name: str) -> None:
    private = crypto.load_private_key(text)
    public = crypto.load_public_key(private.type, private.public_der())
    signature = private.sign(b"data", hash_name)
    assert public.verify(signature, b"data", hash_name)
    assert not public.verify(signature, b"date", hash_name)
    assert not public.verify(signature[:-1] + bytes([signature[-1] ^ 1]), b"data", hash_name)
    assert not public.verify(b"", b"data", hash_name)
    assert not public.verify(signature + b"\0", b"data", hash_name)
    assert public.bits == private.bits


@pytest.mark.parametrize("text", GOOD, ids=GOOD_IDS)
def test_the_usual_forms_are_read_quickly(text: bytes) -> None:
    quick = crypto._load_quickly(text)
    assert quick is not None
    assert pem(quick, PrivateFormat.PKCS8) == pem(crypto._load_by_library(text), PrivateFormat.PKCS8)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"# a comment\n\n" + text + b"\n\ntrailing text\n",
        lambda text: text.replace(b"\n", b" \n"),
        lambda text: text.rstrip(b"\n"),
    ],
)
def test_pem_as_people_have_it(change: object) -> None:
    assert callable(change)
    assert crypto.load_private_key(change(GOOD[0])).bits == 2048


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not a private key"),
        (b"junk", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (b"-----END PRIVATE KEY-----\nAAAA\n-----BEGIN PRIVATE KEY-----\n", "not a private key"),
        (GOOD[0][: len(GOOD[0]) // 2], "not a private key"),
        (b"x" * 70000, "too long"),
        (RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")), "encrypted"),
        (pem(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.PKCS8), "neither RSA nor Ed25519"),
    ],
    ids=["empty", "junk", "short", "the wrong way round", "cut", "long", "encrypted", "another type"],
)
def test_no_private_key(text: bytes, message: str) -> None:
    with pytest.raises(KeyFormatError, match=message):
        crypto.load_private_key(text)


def test_a_key_too_small_to_sign_with() -> None:
    # 512 bits: what gentxt.csh made in 2005. The library makes none, so: numbers from primes that are known.
    p, q, e = 2**255 - 19, 2**256 - 189, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = [0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]
    body = b"".join(integer(number) for number in numbers)
    text = (
        b"-----BEGIN RSA PRIVATE KEY-----\n" + base64.encodebytes(sequence(body)) + b"-----END RSA PRIVATE KEY-----\n"
    )
    with pytest.raises(KeyFormatError, match=r"bits|not a private key"):
        crypto.load_private_key(text)


def integer(number: int) -> bytes:
    data = number.to_bytes(number.bit_length() // 8 + 1)
    return b"\x02" + length(data) + data


def sequence(body: bytes) -> bytes:
    return b"\x30" + length(body) + body


def length(data: bytes) -> bytes:
    return bytes([len(data)]) if len(data) < 128 else b"\x82" + len(data).to_bytes(2)


def test_a_damaged_key_signs_nothing() -> None:
    numbers = RSA_KEY.private_numbers()
    body = b"".join(
        integer(number)
        for number in (
            0, numbers.public_numbers.n, numbers.public_numbers.e, numbers.d, numbers.p, numbers.q,
            numbers.dmp1 - 2, numbers.dmq1, numbers.iqmp,
        )
    )  # fmt: skip
    text = (
        b"-----BEGIN RSA PRIVATE KEY-----\n" + base64.encodebytes(sequence(body)) + b"-----END RSA PRIVATE KEY-----\n"
    )
    try:
        key = crypto.load_private_key(text)
    except KeyFormatError:
        return
    try:
        signature = key.sign(b"data", "sha256")
    except KeyFormatError as error:
        assert "damaged" in str(error)  # noqa: PT017  refusing is right, and so is a signature that holds
        return
    assert crypto.load_public_key("rsa", crypto.load_private_key(GOOD[0]).public_der()).verify(
        signature, b"data", "sha256"
    )


@pytest.mark.parametrize(
    ("key_type", "data"),
    [
        ("rsa", b""), ("rsa", b"junk"), ("rsa", b"\x30\x03\x02\x01\x01"), ("ed25519", b"x" * 31), ("ed25519", b""),
        ("rsa", crypto.load_private_key(GOOD[2]).public_der()),
    ],
    ids=["empty", "junk", "another sequence", "short", "none", "ed25519 as rsa"],
)  # fmt: skip
def test_no_public_key(key_type: str, data: bytes) -> None:
    with pytest.raises(KeyFormatError):
        crypto.load_public_key(key_type, data)


def test_a_bare_rsa_public_key_is_taken_too() -> None:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    bare = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert crypto.load_public_key("rsa", bare).bits == 2048


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512"])
def test_hashes(name: str) -> None:
    assert crypto.digest(name, b"data") == hashlib.new(name, b"data").digest()


@pytest.mark.parametrize(("key_type", "bits"), [("rsa", 2048), ("ed25519", 256)])
def test_generate(key_type: str, bits: int) -> None:
    key = crypto.load_private_key(crypto.generate_private_key(key_type, bits))
    assert (key.type, key.bits) == (key_type, bits)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_as_keys(data: bytes) -> None:
    """Returns a key, or raises KeyFormatError."""
    for load in (
        lambda: crypto.load_public_key("rsa", data),
        lambda: crypto.load_public_key("ed25519", data),
        lambda: crypto.load_private_key(data),
        lambda: crypto.load_private_key(b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(data) + b"-----END X"),
    ):
        try:
            assert load().bits
        except KeyFormatError as error:
            assert str(error)  # noqa: PT017


RSA_DER = RSA_KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@settings(deadline=None)
@given(st.integers(0, len(RSA_DER) - 1), st.integers(0, 255), st.booleans())
def test_damaged_der(position: int, byte: int, cut: bool) -> None:
    """The quick reader gives the numbers or None, and never other numbers than were written."""
    data = RSA_DER[:position] if cut else RSA_DER[:position] + bytes([byte]) + RSA_DER[position + 1 :]
    numbers = der.rsa_numbers(data)
    if data == RSA_DER:
        assert numbers is not None
    assert der.ed25519_seed(data) is None
    if cut:
        assert numbers is None


def test_digests() -> None:
    """What is signed by its digest is the same as what is signed whole."""
    key = crypto.load_private_key(pem(SMALL_KEY, PrivateFormat.PKCS8))
    public = crypto.load_public_key("rsa", key.public_der())
    digest = hashlib.sha1(b"data", usedforsecurity=False).digest()
    signature = key.sign_digest(digest, "sha1")
    assert signature == key.sign(b"data", "sha1")
    assert public.verify_digest(signature, digest, "sha1") is True
    assert public.verify_digest(signature, digest[::-1], "sha1") is False
    assert public.verify_digest(b"", digest, "sha1") is False


class Refusing:
    """A key of a library that was told not to use SHA-1."""

    def verify(self, *arguments: object) -> None:
        """As such a library does."""
        raise UnsupportedAlgorithm("sha1")

    def sign(self, *arguments: object) -> bytes:
        """As such a library does."""
        raise UnsupportedAlgorithm("sha1")


def test_a_library_that_refuses_sha1(monkeypatch: pytest.MonkeyPatch) -> None:
    key = crypto.load_private_key(pem(SMALL_KEY, PrivateFormat.PKCS8))
    public = crypto.load_public_key("rsa", key.public_der())
    monkeypatch.setattr(rsa, "RSAPublicKey", Refusing)
    monkeypatch.setattr(rsa, "RSAPrivateKey", Refusing)
    monkeypatch.setattr(public, "_key", Refusing())
    monkeypatch.setattr(public, "_check", Refusing().verify)
    monkeypatch.setattr(key, "_key", Refusing())
    assert public.verify_digest(b"x", b"x" * 20, "sha1") is None
    assert public.verify(b"x", b"x", "sha1") is None
    with pytest.raises(KeyFormatError, match="refuses to sign with sha1"):
        key.sign_digest(b"x" * 20, "sha1")
    with pytest.raises(KeyFormatError, match="refuses to sign with sha1"):
        key.sign(b"x", "sha1")
