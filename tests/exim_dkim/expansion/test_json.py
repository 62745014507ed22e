"""JSON without decoding it; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.json import find_json, json_items
from tests.support.expansion import attempt

SCALARS = st.one_of(st.integers(), st.booleans(), st.none(), st.text(max_size=6))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner))


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=5), st.booleans())
def test_elements_are_what_a_real_parser_finds(values: list[object], wide: bool) -> None:
    text = json.dumps(values, indent=1 if wide else None).encode()
    assert [json.loads(item) for item in json_items(text, b"[]", "array")] == values


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, max_size=5))
def test_values_are_what_a_real_parser_finds(values: dict[str, object]) -> None:
    text = json.dumps(values).encode()
    for key, value in values.items():
        found = find_json(key.encode(), None, text, strings=False)
        assert found is not None
        assert json.loads(found) == value
    assert find_json(b"d", None, text, strings=False) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"a", b":", b",", b"\\", b" "])).map(b"".join))
def test_any_text_is_read_or_wrong(text: bytes) -> None:
    for number in (None, 1):
        found = attempt(lambda number=number: find_json(b"a", number, text, strings=True))
        assert found is None or isinstance(found, bytes | ExpansionError)


def test_deep_arrays_do_not_recurse() -> None:
    assert find_json(b"", 1, b"[" * 100_000 + b"]" * 100_000, strings=False) == b"[" * 99_999 + b"]" * 99_999
    with pytest.raises(ExpansionError, match=r"missing '\]' wrapping array"):
        find_json(b"", 1, b"[" * 100_000, strings=False)
