"""Backslash escapes, the same in expansion strings, quoted option values, `${extract` and look-up tables.

escape = "\\" ( 1*3octal / "x" *2hex / "b" / "f" / "n" / "r" / "t" / "v" / any )
"""

from __future__ import annotations

import re
from typing import Final

from exim_dkim.lazypattern import lazy_pattern

ESCAPE: Final = lazy_pattern(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{0,2})|(.))", re.DOTALL)
_CONTROL: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def resolve(match: re.Match[bytes]) -> bytes:
    """The byte that a match of ESCAPE stands for."""
    octal, hexadecimal, other = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal is not None:
        return bytes([int(hexadecimal or b"0", 16)])
    return _CONTROL.get(other, other)


def unescape(text: bytes) -> bytes:
    """`text` with its escapes resolved; a last lone backslash stays."""
    return ESCAPE.sub(resolve, text) if b"\\" in text else text


def printable(text: bytes) -> str:
    """Bytes for a message: on one line, whatever they are."""
    shown = text.decode("utf-8", "backslashreplace")
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
