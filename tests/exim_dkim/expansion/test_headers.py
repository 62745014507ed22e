"""Header variables; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.expansion import EmptyEnvironment
from exim_dkim.expansion.headers import MAX_LENGTH, find_header, header_exists


class Fields(EmptyEnvironment):
    """An environment with header fields."""

    def __init__(self, *fields: bytes) -> None:
        self.fields = fields

    def header_fields(self) -> Sequence[bytes]:
        return self.fields


def text(form: bytes, name: bytes, *fields: bytes) -> bytes | None:
    value = find_header(form, name, Fields(*fields))
    assert value is None or value.tainted
    return None if value is None else value.text


@pytest.mark.parametrize(
    ("form", "joined"),
    [
        (b"h", b"one,\ntwo"),
        (b"bh", b"one,\ntwo"),
        (b"rh", b" one \n  \n two\n"),
        (b"lh", b" one :  : two"),
    ],
)
def test_addresses_are_joined_with_commas(form: bytes, joined: bytes) -> None:
    assert text(form, b"to:", b"To: one \n", b"TO:  \n", b"X: y\n", b"to: two\n") == joined


def test_other_fields_are_joined_with_newlines() -> None:
    assert text(b"h", b"x:", b"X: a\n b\n", b"X: c\n") == b"a\n b\nc"


def test_names_must_be_whole() -> None:
    fields = (b"X-Y: a\n", b"X : b\n")
    assert text(b"h", b"x:", *fields) is None
    assert not header_exists(b"x:", Fields(*fields))
    assert header_exists(b"x-y:", Fields(*fields))


@pytest.mark.parametrize("form", [b"h", b"rh", b"bh", b"lh"])
def test_a_joined_value_is_bounded(form: bytes) -> None:
    fields = [b"X: " + b"a" * 5000 + b"\n"] * 40
    joined = text(form, b"x:", *fields)
    assert joined is not None
    assert MAX_LENGTH <= len(joined) <= MAX_LENGTH + 2 * len(fields)


@given(st.sampled_from([b"h", b"rh", b"bh", b"lh"]), st.lists(st.binary(max_size=30), max_size=4))
def test_any_fields_have_a_value(form: bytes, contents: list[bytes]) -> None:
    fields = [b"From:" + content + b"\n" for content in contents]
    assert (text(form, b"from:", *fields) is None) == (not contents)
