"""Text for people: one line."""

from __future__ import annotations

import pytest

from exim_dkim.printable import one_line


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        (" two\r\n lines\x00\x1b ", 80, "two  lines"),
        ("caf\u00e9\u2028next", 80, "caf\u00e9 next"),
        ("x" * 20, 10, "x" * 7 + "..."),
        ("x" * 10, 10, "x" * 10),
    ],
)
def test_one_line(text: str, limit: int, line: str) -> None:
    assert one_line(text, limit) == line
