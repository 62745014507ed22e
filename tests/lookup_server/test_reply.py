"""Replies: one line, no NUL, never nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookup_server.reply import MAX_REPLY, format_error, format_reply, one_line


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("good", b"good"),
        ("", b"defer"),
        ("\n\0", b"defer"),
        ("two\r\nlines\n", b"two lines"),
        ("caf\u00e9 \udcff", b"caf\xc3\xa9 \\udcff"),
        ("a\u2028b\x85c", b"a b c"),
    ],
)
def test_format_reply(text: str, reply: bytes) -> None:
    assert format_reply(text) == reply


def test_limits() -> None:
    assert one_line("x" * 10, 8) == "xxxxx..."
    assert len(format_reply("\u00e9" * MAX_REPLY)) == MAX_REPLY
    assert format_error("line 2\nis wrong") == b"error: line 2 is wrong"


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    reply = format_reply(text)
    assert reply
    assert not set(reply) & {0, 10, 13}
