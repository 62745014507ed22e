"""milter_server.wildcard: patterns with stars."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server.wildcard import Wildcard


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("*", "anything", True),
        ("a*", "a", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*b*c", "abbc", True),
        ("*.example", "a.example", True),
        ("*.example", ".example", True),
        ("*.example", "a.example.", False),
        ("a**b", "ab", True),
        ("[x]?*", "[x]?", True),
        ("[x]?*", "xy", False),
    ],
)
def test_matches(pattern: str, text: str, fits: bool) -> None:
    assert Wildcard(pattern).matches(text) is fits


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="ab*", max_size=8).filter(lambda text: "*" in text), st.text(alphabet="ab", max_size=10))
def test_as_a_regular_expression(pattern: str, text: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert Wildcard(pattern).matches(text) is bool(re.fullmatch(expression, text, re.DOTALL))
