"""RFC 6376 in its own words, without regard to speed: the reference that the engine is compared with.

Nothing of the engine is used here. A signer that signs whatever it is told, sensible or not, makes the test vectors.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Key = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def simple_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.3."""
    end = len(body)
    while end >= 2 and body[end - 2 : end] == b"\r\n":
        end -= 2
    return body[:end] + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.4, line by line. A last line without CRLF gets one before its blanks are looked at."""
    lines = body.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def simple_header(raw: bytes) -> bytes:
    """RFC 6376 §3.4.1; `raw` and the result are without the final CRLF."""
    return raw


def relaxed_header(raw: bytes) -> bytes:
    """RFC 6376 §3.4.2; `raw` and the result are without the final CRLF."""
    name, _, value = raw.partition(b":")
    value = re.sub(rb"\r\n(?=[ \t])", b"", value)
    value = re.sub(rb"[ \t]+", b" ", value).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value


BODY = {"simple": simple_body, "relaxed": relaxed_body}
HEADER = {"simple": simple_header, "relaxed": relaxed_header}


def split_message(message: bytes) -> tuple[list[bytes], bytes]:
    """The header fields without their final CRLF, and the body."""
    header, _, body = message.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", header), body


def body_hash(body: bytes, canonicalization: str, hash_name: str = "sha256", length: int | None = None) -> bytes:
    """The value of bh=, in base64."""
    canonical = BODY[canonicalization](body)[:length]
    return base64.b64encode(hashlib.new(hash_name, canonical).digest())


def chosen_fields(fields: Sequence[bytes], names: Sequence[bytes]) -> list[bytes]:
    """RFC 6376 §5.4.2: for each name the last field of that name that is not taken yet; nothing if there is none."""
    left = list(fields)
    chosen = []
    for name in names:
        for index in range(len(left) - 1, -1, -1):
            if name and left[index].partition(b":")[0].strip(b" \t").lower() == name.lower():
                chosen.append(left.pop(index))
                break
    return chosen


def signed_text(message: bytes, signature: bytes, names: Sequence[bytes], canonicalization: str) -> bytes:
    """RFC 6376 §3.7: what is signed. `signature` is the whole field with an empty b=, without its final CRLF."""
    canonicalize = HEADER[canonicalization]
    fields, _ = split_message(message)
    return b"".join(canonicalize(field) + b"\r\n" for field in chosen_fields(fields, names)) + canonicalize(signature)


def _sign(key: Key, text: bytes, hash_name: str) -> bytes:
    digest = hashlib.new(hash_name, text).digest()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(digest)
    hash_algorithm = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}[hash_name]
    return key.sign(text, padding.PKCS1v15(), hash_algorithm)


def sign(
    message: bytes,
    key: Key,
    tags: str,
    *,
    canonicalization: tuple[str, str] = ("simple", "simple"),
    hash_name: str = "sha256",
    length: int | None = None,
    names: str = "from:to:subject:date",
    tail: str = "",
) -> bytes:
    """A DKIM-Signature field, with CRLF, that says just what `tags` says; what is computed goes by the keywords.

    In `tags`, `{bh}` stands for the body hash, `{h}` for `names` and `{b}` for the signature; without `{b}` the b= tag
    and `tail` come last.
    """
    _, body = split_message(message)
    computed = body_hash(body, canonicalization[1], hash_name, length)
    if "{b}" not in tags:
        tags += "; b={b}" + tail
    written = tags.format(bh=computed.decode(), h=names, b="\0")
    start, _, tail = f"DKIM-Signature: {written}".partition("\0")
    # §3.7: the value of b= is deleted "including all surrounding whitespace"
    unsigned = (start.rstrip(" \t\r\n") + tail.lstrip(" \t\r\n")).encode()
    text = signed_text(message, unsigned, names.encode().split(b":"), canonicalization[0])
    value = base64.b64encode(_sign(key, text, hash_name))
    # simple canonicalisation keeps whatever surrounds the value of b=, so nothing is folded here
    return start.encode() + value + tail.encode() + b"\r\n"


def legacy_text(
    message: bytes, signature: bytes, names: Sequence[bytes], canonicalization: str, length: int | None
) -> bytes:
    """draft-allman-dkim-base-00 §3.4: header, empty line, body, line end, signature field with an empty b=."""
    fields, body = split_message(message)
    chosen = chosen_fields(fields, names)
    if canonicalization == "simple":
        return (
            b"".join(field + b"\r\n" for field in chosen) + b"\r\n" + simple_body(body)[:length] + b"\r\n" + signature
        )

    def without_white_space(text: bytes) -> bytes:
        return bytes(byte for byte in text if byte not in b" \t\r\n")

    def header(raw: bytes) -> bytes:
        name, _, value = raw.partition(b":")
        return without_white_space(name).lower() + b":" + without_white_space(value)

    text = b"".join(header(field) + b"\r\n" for field in chosen) + b"\r\n"
    return text + without_white_space(body)[:length] + b"\r\n" + header(signature)


def sign_legacy(
    message: bytes,
    key: Key,
    tags: str,
    *,
    canonicalization: str = "nowsp",
    length: int | None = None,
    names: str = "from:to:subject:date",
) -> bytes:
    """A DKIM-Signature field of 2005, with CRLF, that says just what `tags` says; b= comes last."""
    start = f"DKIM-Signature: {tags.format(h=names)}; b=".encode()
    text = legacy_text(message, start, names.encode().split(b":"), canonicalization, length)
    value = base64.b64encode(_sign(key, text, "sha1"))
    return start + b"\r\n\t".join(value[at : at + 60] for at in range(0, len(value), 60)) + b"\r\n"


def load_key(pem: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    """An RSA or Ed25519 key from PEM text."""
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
    return key
