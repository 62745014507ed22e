"""Exim's time intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.expansion.intervals import format_interval, parse_interval


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"0s", 0), (b"1h30m", 5400), (b"5s1h", 3605), (b"1w2d", 777600), (b"1s1s", 2), (b"9" * 12 + b"s", 10**12 - 1)],
)
def test_intervals(text: bytes, seconds: int) -> None:
    assert parse_interval(text) == seconds


@pytest.mark.parametrize(
    "text", [b"", b"5", b"5x", b"1h 5m", b" 1h", b"1h ", b"-1h", b"1.5h", b"h", b"9" * 5000 + b"s"]
)
def test_what_is_none(text: bytes) -> None:
    assert parse_interval(text) is None


@given(st.integers(0, 1 << 40))
def test_they_are_printed_as_they_are_read(seconds: int) -> None:
    assert parse_interval(format_interval(seconds).encode()) == seconds
