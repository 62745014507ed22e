"""Numbers and arithmetic; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.numbers import calculate, parse_integer
from tests.support.expansion import attempt

EXPRESSIONS = st.lists(st.sampled_from(list("0123456789+-*/%&|^~<>()kmg x")), max_size=30).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(EXPRESSIONS.map(str.encode), st.binary(max_size=30)))
def test_any_text_is_a_64_bit_number_or_an_error(text: bytes) -> None:
    for evaluate in (calculate, parse_integer):
        value = attempt(evaluate, text)
        assert value.message if isinstance(value, ExpansionError) else -(1 << 63) <= value < 1 << 63


@given(st.integers(-(1 << 61), 1 << 61), st.integers(-(1 << 20), 1 << 20))
def test_sums_are_what_they_are(left: int, right: int) -> None:
    assert calculate(b"(%d)+(%d)" % (left, right)) == left + right


@pytest.mark.parametrize("text", [b"(" * 5000, b"-" * 5000 + b"1", b"9" * 100000, b"1" + b"+1" * 20000])
def test_long_expressions_are_bounded(text: bytes) -> None:
    value = attempt(calculate, text)
    assert "in each other" in value.message if isinstance(value, ExpansionError) else value > 0


def test_a_number_of_a_condition() -> None:
    assert [parse_integer(text) for text in (b"", b" ", b" 12 ", b"-1k", b"+2M", b"1G")] == [
        0,
        0,
        12,
        -1024,
        2 << 20,
        1 << 30,
    ]
    for text, message in [
        (b"0x10", 'invalid integer "0x10"'),
        (b"abc", 'integer expected but "abc" found'),
        (b"9" * 5000, "too large"),
    ]:
        with pytest.raises(ExpansionError, match=message):
            parse_integer(text)
