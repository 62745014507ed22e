"""RFC 4870 in its own words, without regard to speed: the reference that the engine is compared with.

Nothing of the engine is used here. A signer that signs whatever it is told, sensible or not, makes the test vectors.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from tests.support.naive import split_message

_FOLDING_WHITE_SPACE = b"\t\n\r "  # RFC 4870 §3.4.2.2: 9, 10, 13 and 32


def chosen_fields(fields: Sequence[bytes], names: Sequence[bytes] | None) -> list[bytes]:
    """What is signed of `fields`, those below the signature. With h=, all fields that are named, in its order."""
    if names is None:
        return list(fields)
    left = list(fields)
    chosen: list[bytes] = []
    for place in range(len(names) - 1, -1, -1):
        name = names[place].strip().lower()
        ours = [field for field in left if field.partition(b":")[0].strip(b" \t").lower() == name]
        again = any(other.strip().lower() == name for other in names[:place])
        taken = ours[-1:] if again else ours
        for field in taken:
            for index in range(len(left) - 1, -1, -1):
                if left[index] is field:
                    del left[index]
                    break
        chosen = taken + chosen
    return chosen


def signed_text(message: bytes, names: Sequence[bytes] | None, canonicalization: str) -> bytes:
    """RFC 4870 §3.4.2: header and body as one text, line by line. `message` begins below the signature."""
    fields, body = split_message(message)
    lines: list[bytes] = []
    for field in chosen_fields(fields, names):
        lines.extend([field] if canonicalization == "nofws" else field.split(b"\r\n"))
    lines.append(b"")
    lines.extend(body.split(b"\r\n"))
    if canonicalization == "nofws":
        lines = [bytes(byte for byte in line if byte not in _FOLDING_WHITE_SPACE) for line in lines]
    while lines and lines[-1] == b"":
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def sign(
    message: bytes,
    key: rsa.RSAPrivateKey,
    tags: str,
    *,
    canonicalization: str = "nofws",
    names: str | None = None,
    hash_name: str = "sha1",
) -> bytes:
    """A DomainKey-Signature field, with CRLF, that says just what `tags` says; in it `{b}` stands for the signature.

    Without `{b}` the b= tag comes last.
    """
    text = signed_text(message, None if names is None else names.encode().split(b":"), canonicalization)
    digest = hashlib.new(hash_name, text).digest()
    hash_algorithm = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[hash_name]
    value = base64.b64encode(key.sign(digest, padding.PKCS1v15(), Prehashed(hash_algorithm))).decode()
    if "{b}" not in tags:
        tags += "; b={b}"
    folded = "\r\n\t".join(value[start : start + 60] for start in range(0, len(value), 60))
    return f"DomainKey-Signature: {tags.format(b=folded)}\r\n".encode()
