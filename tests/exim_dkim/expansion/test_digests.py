"""Digests and hashes; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.digests import DIGESTS, hmac, number_hash, text_hash


def test_digests_of_rfc_2202_and_1321() -> None:
    assert hmac(b"md5", b"Jefe", b"what do ya want for nothing?") == b"750c783e6ab0b503eaa86e310a5db738"
    assert hmac(b"sha1", b"Jefe", b"what do ya want for nothing?") == b"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    assert DIGESTS[b"md5"](b"message digest", None) == b"f96b697d7cb7938d525a2f31aaf161d0"


@pytest.mark.parametrize(("name", "arguments"), [(b"sha2", b"1"), (b"sha3", b""), (b"sha3", b"256x")])
def test_lengths_that_there_are_not(name: bytes, arguments: bytes) -> None:
    with pytest.raises(ExpansionError, match=f"unrecognised {name.decode()} variant"):
        DIGESTS[name](b"x", arguments)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(1, 80), st.integers(1, 62))
def test_hashes_have_their_length_and_letters(text: bytes, length: int, letters: int) -> None:
    hashed = text_hash(text, length, letters)
    assert len(hashed) == min(length, len(text))
    assert hashed == text if len(text) <= length else hashed.isalnum()
    assert 0 <= int(number_hash(text, length, None)) < length
    one, two = map(int, number_hash(text, length, letters).split(b"/"))
    assert (one < length, two < letters) == (True, True)


def test_numbers_that_make_no_hash() -> None:
    for length, letters in ((2, 0), (-1, None)):
        with pytest.raises(ExpansionError, match="hash needs"):
            text_hash(b"abc", length, letters)
    for first, second in ((0, None), (-1, None), (1, 0)):
        with pytest.raises(ExpansionError, match="nhash needs"):
            number_hash(b"abc", first, second)
