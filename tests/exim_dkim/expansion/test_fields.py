"""Fields of texts by number and by key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.expansion.fields import field_number, numbered_field, value_of_key


@pytest.mark.parametrize(
    ("number", "separators", "field"),
    [(1, b":", b"a"), (3, b":", b"c,d"), (4, b":,", b"d"), (-1, b":,", b"d"), (0, b":", b"a::c,d"), (9, b":", None)],
)
def test_by_number(number: int, separators: bytes, field: bytes | None) -> None:
    assert numbered_field(number, separators, b"a::c,d") == field


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"a", b"1"), (b"B", b"2 x"), (b"c", b"3"), (b"d", b'q"!'), (b"e", b""), (b"f", None)],
)
def test_by_key(key: bytes, value: bytes | None) -> None:
    assert value_of_key(key, b'a=1 b = "2 x" c 3 d="q\\"\\x21" e=') == value


def test_a_field_number() -> None:
    assert [field_number(text) for text in (b"1", b"-12", b"x", b"1x", b"-", b"9" * 50)] == [
        1,
        -12,
        None,
        None,
        0,
        int("9" * 10),
    ]


@given(st.integers(-9, 9), st.binary(max_size=4), st.binary(max_size=30))
def test_any_separators(number: int, separators: bytes, text: bytes) -> None:
    field = numbered_field(number, separators, text)
    assert field is None or field in text


@given(st.binary(min_size=1, max_size=4), st.binary(max_size=30))
def test_any_text_has_a_value_or_none(key: bytes, text: bytes) -> None:
    value = value_of_key(key, text)
    assert value is None or len(value) <= len(text)
