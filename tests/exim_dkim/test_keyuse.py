"""Keys: each reason why one cannot be used, by the names that it has in both protocols."""

from __future__ import annotations

from typing import Any

import pytest

from exim_dkim.crypto import PublicKey
from exim_dkim.keyrecord import parse_key_record
from exim_dkim.keyuse import load_key, no_key, refuse_record
from exim_dkim.outcome import DkimReason, DomainKeysReason
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from tests.support.mail import record

NAME = "s._domainkey.example.org"
QUESTION = Question(NAME, RecordType.TXT)
BOTH = pytest.mark.parametrize("reasons", [DkimReason, DomainKeysReason])


class Signed:
    """A signature, as far as its key goes."""

    key_name = NAME


@BOTH
@pytest.mark.parametrize(
    ("answer", "name", "detail"),
    [
        (Answer(QUESTION, (), Trouble.NXDOMAIN), "KEY_NXDOMAIN", NAME),
        (Answer(QUESTION, (), Trouble.NO_DATA), "KEY_NO_DATA", NAME),
        (Answer(QUESTION, ()), "KEY_NO_DATA", NAME),
        (Answer(QUESTION, (), Trouble.SERVFAIL, "refused"), "KEY_SERVFAIL", f"{NAME}: refused"),
        (Answer(QUESTION, (), Trouble.TIMEOUT), "KEY_TIMEOUT", NAME),
    ],
)
def test_no_record(reasons: Any, answer: Answer, name: str, detail: str) -> None:
    assert no_key(reasons, answer, NAME) == (reasons[name], detail)


@BOTH
@pytest.mark.parametrize(
    ("text", "name", "detail"),
    [
        (b"v=DKIM2; p=AAAA", "KEY_UNKNOWN_VERSION", ""),
        (b"p=", "KEY_REVOKED", NAME),
        (b"k=ed25519; p=AAAA", "KEY_TYPE_MISMATCH", "k=ed25519, a=rsa-sha256"),
        (b"h=sha1:sha512; p=AAAA", "KEY_HASH_MISMATCH", "h=sha1:sha512, a=rsa-sha256"),
        (b"s=tls; p=AAAA", "KEY_NOT_FOR_MAIL", "s=tls"),
    ],
)
def test_a_record_against_its_use(reasons: Any, text: bytes, name: str, detail: str) -> None:
    assert refuse_record(reasons, parse_key_record(text), Signed(), "rsa", "sha256") == (reasons[name], detail)


@BOTH
@pytest.mark.parametrize("text", [b"p=AAAA", b"v=DKIM1; k=rsa; h=sha256; s=email; t=y; p=AAAA", b"s=*; p=AAAA"])
def test_a_record_for_its_use(reasons: Any, text: bytes) -> None:
    assert refuse_record(reasons, parse_key_record(text), Signed(), "rsa", "sha256") is None


@BOTH
def test_keys(reasons: Any) -> None:
    good = parse_key_record(record().encode())
    key = load_key(reasons, good, 1024, 8192)
    assert isinstance(key, PublicKey)
    bits = key.bits
    assert load_key(reasons, good, bits, bits) == key
    small = f"{bits} bits; at least {bits + 1} are wanted"
    assert load_key(reasons, good, bits + 1, 8192) == (reasons["KEY_TOO_SMALL"], small, bits)
    large = f"{bits} bits; at most {bits - 1} are accepted"
    assert load_key(reasons, good, 512, bits - 1) == (reasons["KEY_TOO_LARGE"], large, bits)
    junk = parse_key_record(b"p=AAAA")
    assert load_key(reasons, junk, 1024, 8192) == (reasons["KEY_UNUSABLE"], "not an RSA public key", 0)
