"""The look-up protocol: replies. Exim takes a reply as it is: no newline, no NUL, and never nothing."""

from __future__ import annotations

from typing import Final

from exim_dkim.printable import one_line as one_line

MAX_REPLY: Final = 64 * 1024
"""Bytes of a reply: what an Exim variable can reasonably hold."""

DEFER: Final = b"defer"
PONG: Final = b"pong"


def format_reply(text: str) -> bytes:
    """The bytes of a reply; `defer` for an empty one."""
    return one_line(text, MAX_REPLY).encode("utf-8", "backslashreplace")[:MAX_REPLY] or DEFER


def format_error(text: str) -> bytes:
    """The reply to a request that is wrong: it is never a verdict."""
    return format_reply(f"error: {one_line(text, 500)}")
