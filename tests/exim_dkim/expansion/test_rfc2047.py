"""Encoded words; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.expansion.rfc2047 import decode

PIECES = st.sampled_from(
    [b"=?", b"?=", b"?", b"utf-8", b"q", b"b", b"=41", b"=", b"YWJj", b" ", b"x", b"\xff", b"hex", b"rot13"]
)


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        (b"=?utf-8?q?a_b=21?=", b"a b!"),
        (b"=?UTF-8?B?w6k=?= =?iso-8859-1?Q?=E9?= x", b"\xc3\xa9\xc3\xa9 x"),
        (b"a =?utf-8?q?b?= c", b"a b c"),
        (b"=?utf-8?q?a=zz?=", b"=?utf-8?q?a=zz?="),
        (b"=?utf-8?x?a?=", b"=?utf-8?x?a?="),
        (b"=?nonesuch?q?=FF?=", b"\xff"),
        (b"=?hex?q?6162?=", b"6162"),
        (b"=?utf-8?q?a=00b?=", b"a?b"),
        (b"=?=?utf-8?q?a?=", b"=?a"),
    ],
)
def test_decoded(text: bytes, decoded: bytes) -> None:
    assert decode(text, "UTF-8") == decoded


def test_long_words_are_left_alone_when_the_length_is_checked() -> None:
    word = b"=?utf-8?q?" + b"a" * 70 + b"?="
    assert decode(word, "UTF-8") == word
    assert decode(word, "UTF-8", check_length=False) == b"a" * 70


def test_octets_without_a_character_set() -> None:
    assert decode(b"=?iso-8859-1?q?=E9?=", None) == b"\xe9"


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=20).map(b"".join)),
    st.sampled_from(["UTF-8", "ascii", "no", ""]),
)
def test_any_bytes_are_decoded_somehow(text: bytes, charset: str) -> None:
    decoded = decode(text, charset)
    if b"=?" not in text:
        assert decoded == text


@pytest.mark.parametrize("text", [b"=?" * 30000, b"=?a?q?" * 10000, b"=?a?q?x" * 9000 + b"?="])
def test_long_texts_take_no_long_time(text: bytes) -> None:
    start = time.process_time()
    decode(text, "UTF-8")
    assert time.process_time() - start < 5
