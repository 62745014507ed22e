"""Encoded words (RFC 2047) as Exim decodes them in `$h_` and `$bh_`, and makes them in `${rfc2047:`.

They are decoded wherever they stand, in quotes and inside words too; what is not one is left as it is. The result can
hold line ends and commas that the header field does not have.
"""

from __future__ import annotations

import binascii
import codecs
import re
from functools import cache
from typing import Final

_LONGEST: Final = 75  # RFC 2047 §2
_BLANKS: Final = b" \t\n\r\v\f"
_Q_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})?")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_MUST_BE_ENCODED = re.compile(rb"""[^!-~ ]|[?=()<>@,;:\\".\[\]_]""")
_WORD_END: Final = 67  # more bytes than this in a word begin another one


def encode(text: bytes, charset: bytes) -> bytes:
    """`text` as encoded words (Q), with a blank between them; as it is if nothing in it needs that."""
    if not _MUST_BE_ENCODED.search(text):
        return text
    begin = b"=?%s?Q?" % charset
    parts = [begin]
    length = 0  # of the word; the beginning of the first one does not count
    whole = True  # no character is known to be cut: encoded octets come in pairs, which is right for most
    for piece in map(_encoded_octets().__getitem__, text):
        if length > _WORD_END and whole:
            parts += b"?= ", begin
            length = len(begin)
        size = len(piece)
        whole = not (size == 3 and whole)
        parts.append(piece)
        length += size
    return b"".join(parts) + b"?="


@cache
def _encoded_octets() -> tuple[bytes, ...]:
    """What stands for each octet in Q."""
    octets = [b"=%02X" % octet if _MUST_BE_ENCODED.match(b"%c" % octet) else b"%c" % octet for octet in range(256)]
    octets[0x20] = b"_"
    return tuple(octets)


def decode(text: bytes, charset: str | None, check_length: bool = True) -> bytes:
    """`text` with its encoded words decoded, and converted to `charset`; None: not converted.

    Words longer than RFC 2047 allows are left alone if `check_length`. NUL becomes a question mark.
    """
    parts: list[bytes] = []
    position = 0
    word = _next_word(text, 0, check_length)
    while word is not None:
        start, end, source, octets = word
        between = text[position:start]
        if not parts or between.strip(_BLANKS):
            parts.append(between)
        converted = _convert(octets, source, charset)
        parts.append(converted.replace(b"\0", b"?"))
        position = end
        word = _next_word(text, position, check_length)
    parts.append(text[position:])
    return b"".join(parts)


def _next_word(text: bytes, position: int, check_length: bool) -> tuple[int, int, bytes, bytes] | None:
    """Start, end, character set and octets of the next encoded word."""
    while True:
        start = text.find(b"=?", position)
        if start < 0:
            return None
        first = text.find(b"?", start + 2)
        second = text.find(b"?", first + 1) if first >= 0 else -1
        end = text.find(b"?=", second + 1) if second >= 0 else -1
        if end < 0:
            return None
        position = start + 2
        if second - first != 2 or (check_length and end + 2 - start > _LONGEST):
            continue
        octets = _octets(text[first + 1 : second].upper(), text[second + 1 : end])
        if octets is not None:
            return start, end + 2, text[start + 2 : first], octets


def _octets(encoding: bytes, data: bytes) -> bytes | None:
    """The octets that Q or B encoded data stands for; None if it is malformed."""
    if encoding == b"Q":
        if b" " in data or b"\t" in data or any(not escape for escape in _Q_ESCAPE.findall(data)):
            return None
        return _Q_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), data.replace(b"_", b" "))
    if encoding == b"B":
        data = data.translate(None, _BLANKS)
        if not _BASE64.fullmatch(data) or len(data) % 4:
            return None
        return binascii.a2b_base64(data)
    return None


def _convert(octets: bytes, source: bytes, target: str | None) -> bytes:
    """`octets` in another character set. What cannot be converted stays as it is, from there on."""
    if target is None or source.lower() == target.lower().encode("ascii", "replace"):
        return octets
    try:
        decoder = codecs.lookup(source.decode("ascii"))
        encoder = codecs.lookup(target)
        if not (decoder._is_text_encoding and encoder._is_text_encoding):
            return octets
    except (LookupError, UnicodeDecodeError, ValueError):
        return octets
    try:
        return encoder.encode(decoder.decode(octets)[0])[0]
    except UnicodeDecodeError as error:
        good = decoder.decode(octets[: error.start])[0]
        return encoder.encode(good, "replace")[0] + octets[error.start :]
    except (UnicodeError, ValueError):
        return octets
