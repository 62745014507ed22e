"""Backslash escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.expansion.escapes import printable, unescape


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (rb"\n\t\r\b\f\v", b"\n\t\r\b\f\v"),
        (rb"\101\7\400", b"A\7\0"),
        (rb"\x41\x4\xg", b"A\x04\0g"),
        (rb"\q\\\$", rb"q\$"),
        (b"a\\", b"a\\"),
    ],
)
def test_escapes(text: bytes, result: bytes) -> None:
    assert unescape(text) == result


@given(st.binary(max_size=30))
def test_anything_is_printable_on_one_line(text: bytes) -> None:
    assert printable(text).isprintable()
    assert len(unescape(text)) <= len(text)
