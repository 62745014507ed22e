"""The look-up protocol: replies. Exim takes a reply as it is: no newline, no NUL, and never nothing."""

from __future__ import annotations

import re
from typing import Final

MAX_REPLY: Final = 64 * 1024
"""Bytes of a reply: what an Exim variable can reasonably hold."""

DEFER: Final = b"defer"
PONG: Final = b"pong"

_NOT_PRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str, limit: int = MAX_REPLY) -> str:
    """`text` in one printable line of at most `limit` characters."""
    text = _NOT_PRINTABLE.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 3] + "..."


def format_reply(text: str) -> bytes:
    """The bytes of a reply; `defer` for an empty one."""
    return one_line(text).encode("utf-8", "backslashreplace")[:MAX_REPLY] or DEFER


def format_error(text: str) -> bytes:
    """The reply to a request that is wrong: it is never a verdict."""
    return format_reply(f"error: {one_line(text, 500)}")
