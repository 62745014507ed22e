"""Encodings: there and back; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, expand, parse_template
from exim_dkim.expansion.encodings import (
    ENCODINGS,
    base32,
    base32d,
    base62,
    base62d,
    base64,
    base64d,
    escape,
    utf8clean,
)
from exim_dkim.expansion.escapes import unescape
from exim_dkim.expansion.rfc2047 import decode, encode
from tests.support.expansion import attempt


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_there_and_back(text: bytes) -> None:
    assert base64d(base64(text)) == text
    assert unescape(ENCODINGS[b"hexquote"](text.replace(b"\\", b""))) == text.replace(b"\\", b"")
    assert unescape(escape(text.replace(b"\\", b""))) == text.replace(b"\\", b"")
    assert unescape(ENCODINGS[b"escape8bit"](text)) == text


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 62**6 - 1))
def test_numbers_there_and_back(number: int) -> None:
    assert base62d(base62(b"%d" % number)) == b"%d" % number
    assert base32d(base32(b"%d" % number)) == b"%d" % number


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_what_is_cleaned_is_clean(text: bytes) -> None:
    clean = utf8clean(text)
    assert utf8clean(clean) == clean
    assert len(clean) <= len(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_encoded_words_can_be_decoded(text: str) -> None:
    octets = text.encode().replace(b"\0", b"")
    encoded = encode(octets, b"UTF-8")
    assert all(len(word) <= 95 for word in encoded.split(b" ") if word.startswith(b"=?"))
    assert decode(encoded, "UTF-8", check_length=False) == octets or b"=" in octets or encoded == octets


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(ENCODINGS)), st.binary(max_size=30))
def test_any_text_is_encoded_or_wrong(name: bytes, text: bytes) -> None:
    found = attempt(ENCODINGS[name], text)
    assert found.message if isinstance(found, ExpansionError) else isinstance(found, bytes)


@pytest.mark.parametrize("template", [b"${mask:%s}", b"${ipv6norm:%s}", b"${ipv6denorm:%s}", b"${reverse_ip:%s}"])
@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(st.sampled_from([b":", b"::", b"1", b"ff", b".", b"255", b"/", b"24", b"x", b"0"]), max_size=12))
def test_any_address_has_a_form_or_is_wrong(template: bytes, pieces: list[bytes]) -> None:
    parsed = parse_template(template % b"".join(pieces))
    found = attempt(expand, parsed, EmptyEnvironment())
    assert "IP address" in found.message or "mask" in found.message if isinstance(found, ExpansionError) else found.text
