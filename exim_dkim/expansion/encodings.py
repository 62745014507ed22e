"""Encodings of octets and numbers (Exim specification §11.8): base64, base62, base32, hexadecimal, escapes, UTF-8.

Functions of bytes, made for the table of operators; all raise ExpansionError for what they cannot decode.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable
from exim_dkim.lazypattern import lazy_pattern

_BASE32: Final = b"abcdefghijklmnopqrstuvwxyz234567"
_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE62_DIGITS: Final = 6  # as in Exim before 4.97, whose message identifiers had as many
_LARGEST: Final = (1 << 64) - 1
_DECIMAL = lazy_pattern(rb"(?:[ \t\n\r\v\f]*([+-]?)([0-9]+))?")
_NO_HEXADECIMAL = lazy_pattern(rb"[^0-9A-Fa-f]")
_BASE64 = lazy_pattern(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BLANKS: Final = b" \t\n\r\v\f"
_NOT_PRINTABLE = lazy_pattern(rb"[^\t -~]")
_NOT_SEVEN_BITS = lazy_pattern(rb"[\\\x7f-\xff]")
_NOT_BELOW_DEL = lazy_pattern(rb"[^!-~]")
_LETTERS: Final = {8: b"\\b", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r"}


def base64(text: bytes) -> bytes:
    """RFC 4648 §4, on one line."""
    return binascii.b2a_base64(text, newline=False)


def base64d(text: bytes) -> bytes:
    """The octets of base64; blanks between the characters do not count."""
    packed = text.translate(None, _BLANKS)
    if not _BASE64.fullmatch(packed):
        raise ExpansionError(f'string "{printable(text)}" is not well-formed for "base64d" operator')
    return binascii.a2b_base64(packed)


def hex2b64(text: bytes) -> bytes:
    """Hexadecimal digits to base64."""
    if _NO_HEXADECIMAL.search(text):
        raise ExpansionError(f'"{printable(text)}" is not a hex string')
    if len(text) % 2:
        raise ExpansionError(f'"{printable(text)}" contains an odd number of characters')
    return base64(bytes.fromhex(text.decode()))


def _decimal(name: str, text: bytes) -> int:
    """An unsigned number as C reads it: a negative one wraps, one that is too large becomes the largest."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ExpansionError(f'argument for {name} operator is "{printable(text)}", which is not a decimal number')
    number = min(int((match[2] or b"0")[:30]), _LARGEST)
    return -number & _LARGEST if match[1] == b"-" else number


def base32(text: bytes) -> bytes:
    """A decimal number in base 32, without leading zeros."""
    number = _decimal("base32", text)
    digits = bytearray()
    while number:
        number, digit = divmod(number, 32)
        digits.append(_BASE32[digit])
    return bytes(reversed(digits))


def base62(text: bytes) -> bytes:
    """A decimal number in base 62: the last six digits."""
    number = _decimal("base62", text)
    digits = bytearray()
    for _ in range(_BASE62_DIGITS):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return bytes(reversed(digits))


def _number_in(base: int, letters: bytes) -> Callable[[bytes], bytes]:
    def decode(text: bytes) -> bytes:
        number = 0
        for byte in text:
            digit = letters.find(byte)
            if digit < 0:
                shown = printable(text)
                raise ExpansionError(
                    f'argument for base{base}d operator is "{shown}", which is not a base {base} number'
                )
            number = (number * base + digit) & _LARGEST
        return b"%d" % (number - _LARGEST - 1 if number >> 63 else number)

    return decode


base32d: Final = _number_in(32, _BASE32)
base62d: Final = _number_in(62, _BASE62)


def _octal(match: re.Match[bytes]) -> bytes:
    return b"\\%03o" % match[0][0]


def escape(text: bytes) -> bytes:
    """What is not printable as an escape."""
    return _NOT_PRINTABLE.sub(lambda match: _LETTERS.get(match[0][0]) or _octal(match), text)


def escape8bit(text: bytes) -> bytes:
    """Backslashes and what is not below 127 in octal."""
    return _NOT_SEVEN_BITS.sub(_octal, text)


def hexquote(text: bytes) -> bytes:
    """What is not a visible character of ASCII in hexadecimal."""
    return _NOT_BELOW_DEL.sub(lambda match: b"\\x%02x" % match[0][0], text)


def from_utf8(text: bytes) -> bytes:
    """UTF-8 to ISO 8859-1, `_` for what it does not have; octets that are not UTF-8 are read as if they were."""
    if text.isascii():
        return text
    out = bytearray()
    position = 0
    while position < len(text):
        code = text[position]
        position += 1
        if code >= 0xC0:
            more = 1 + (code >= 0xE0) + (code >= 0xF0) + (code >= 0xF8) + (code >= 0xFC)
            code &= 0xFF >> (more + 2)
            for octet in text[position : position + more].ljust(more, b"\0"):
                code = code << 6 | octet & 0x3F
            position += more
        out.append(code if code < 256 else 0x5F)
    return bytes(out)


def utf8clean(text: bytes) -> bytes:
    """`?` in place of sequences that are not UTF-8; a wrong octet that ends a sequence goes with it."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return _cleaned(text)
    return text


def _cleaned(text: bytes) -> bytes:
    out = bytearray()
    sequence = bytearray()
    missing = 0
    for octet in text:
        if missing:
            if octet & 0xC0 != 0x80:
                out += b"?" if octet & 0x80 else b"?%c" % octet
                missing = 0
                continue
            sequence.append(octet)
            missing -= 1
            if not missing:
                out += sequence if _is_character(sequence) else b"?"
        elif octet < 0x80:
            out.append(octet)
        elif octet in (0xC0, 0xC1) or not 0xC0 <= octet < 0xF8:
            out += b"?"
        else:
            missing = 1 if octet < 0xE0 else 2 if octet < 0xF0 else 3
            sequence = bytearray((octet,))
    return bytes(out + b"?") if missing else bytes(out)


def _is_character(sequence: bytearray) -> bool:
    """Whether a sequence of the right form stands for a character: in range, no surrogate. It may be too long."""
    code = sequence[0] & (0xFF >> (len(sequence) + 1))
    for octet in sequence[1:]:
        code = code << 6 | octet & 0x3F
    return code <= 0x10FFFF and code & 0x1FF800 != 0xD800


ENCODINGS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"base32": base32,
    b"base32d": base32d,
    b"base62": base62,
    b"base62d": base62d,
    b"base64": base64,
    b"base64d": base64d,
    b"escape": escape,
    b"escape8bit": escape8bit,
    b"from_utf8": from_utf8,
    b"hex2b64": hex2b64,
    b"hexquote": hexquote,
    b"str2b64": base64,
    b"utf8clean": utf8clean,
}
