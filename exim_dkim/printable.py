"""Text for people and logs: one line, whatever came in."""

from __future__ import annotations

from typing import Final

from exim_dkim.lazypattern import lazy_pattern

_NOT_PRINTABLE: Final = lazy_pattern("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str, limit: int) -> str:
    """`text` in one printable line of at most `limit` characters."""
    text = _NOT_PRINTABLE.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 3] + "..."
