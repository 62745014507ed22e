"""The text of signature fields."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.folding import FOLD, add_part, append_data, is_field_name, name_parts, shown_name


@pytest.mark.parametrize(
    ("name", "right"),
    [
        *((name, True) for name in (b"From", b"X-a_b!", b"x" * 900)),
        *((name, False) for name in (b"", b"a b", b"a:b", b"a;b", b"a\xff", b"x" * 901)),
    ],
)
def test_names(name: bytes, right: bool) -> None:
    assert is_field_name(name) is right
    assert shown_name(name).isprintable()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 70), min_size=1), st.integers(1, 400))
def test_lines_are_short_and_nothing_is_lost(lengths: list[int], data: int) -> None:
    names = [b"n" * length for length in lengths]
    lines: list[bytes] = []
    line = b"DKIM-Signature:"
    for part in (*name_parts(names), b" b="):
        line = add_part(lines, line, part)
    field = append_data(FOLD.join([*lines, line]), b"A" * data)
    assert max(map(len, field.split(b"\r\n"))) <= 78
    wanted = b"DKIM-Signature:h=" + b":".join(names) + b";b=" + b"A" * data
    assert field.translate(None, b" \t\r\n") == wanted
