"""Our signature field, wherever its folds happen to fall: each line fits, and the signature is good."""

from __future__ import annotations

from pathlib import Path

import pytest

from exim_dkim import crypto
from exim_dkim.dkim.sign import SigningRequest, sign
from exim_dkim.dkim.verify import verify
from exim_dkim.hashing import BodyHasher
from exim_dkim.keyrecord import format_key_record
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector
from exim_dkim.policy import VerificationPolicy
from tests.support import tricky
from tests.support.run import run

KEY = crypto.load_private_key((Path(__file__).parents[1] / "vectors/keys/rsa1024.pem").read_bytes())
MESSAGE = parse_message(tricky.HEADER + b"\r\n" + tricky.BODY)
WIDTH = 78
"""RFC 5322 §2.1.1."""


@pytest.mark.parametrize("canonicalization", ["simple", "relaxed"])
@pytest.mark.parametrize("length", range(1, 64))
def test_every_place_of_the_folds(length: int, canonicalization: str) -> None:
    """A selector one character longer moves every fold after it."""
    hasher = BodyHasher()
    body_hash = hasher.want("sha256", canonicalization)
    hasher.update(MESSAGE.body)
    hasher.finish()
    request = SigningRequest(
        domain=Domain("example.org"),
        selector=Selector("s" * length),
        names=(b"from", b"to", b"subject", b"x" * (length % 7 + 1)),
        header_canonicalization=canonicalization,
        body_canonicalization=canonicalization,
    )
    field = sign(MESSAGE.fields, body_hash.digest(), request, KEY)
    assert max(len(line) for line in field.split(b"\r\n")) <= WIDTH
    assert not any(line.isspace() for line in field.split(b"\r\n"))
    signed = MESSAGE._replace(fields=(*parse_message(field).fields, *MESSAGE.fields))
    name = f"{'s' * length}._domainkey.example.org"
    resolver = MemoryResolver({name: format_key_record("rsa", KEY.public_der())})
    (verdict,) = run(verify(signed, resolver, VerificationPolicy(), 0))
    assert verdict.result.value == "pass", verdict.explanation
