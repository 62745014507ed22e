"""The text of signature fields: tags folded at 78 characters (RFC 5322 §2.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

FOLD: Final = b"\r\n\t"
_WIDTH: Final = 78
# RFC 5322 §2.2 without the semicolon, which would end h=; so long that a line keeps below 998 characters.
_NAME_CHARACTERS: Final = bytes(byte for byte in range(33, 127) if byte not in b":;")
_MAX_NAME: Final = 900


def is_field_name(name: bytes) -> bool:
    """Whether `name` can stand in h=."""
    return 0 < len(name) <= _MAX_NAME and not name.translate(None, _NAME_CHARACTERS)


def shown_name(name: bytes) -> str:
    """A name for people: printable, not long."""
    return ascii(name[:40].decode("utf-8", "backslashreplace"))


def add_part(lines: list[bytes], line: bytes, part: bytes) -> bytes:
    """`line` with `part`, or, when that is too long, a new line with it; `lines` then has the full one."""
    if len(line) + len(part) <= _WIDTH - 1:
        return line + part
    lines.append(line)
    return part.lstrip(b" ")


def name_parts(names: Sequence[bytes]) -> list[bytes]:
    """h= in pieces between which it may be folded."""
    parts = [b":" + name for name in names]
    parts[0] = b" h=" + names[0]
    parts[-1] += b";"
    return parts


def append_data(field: bytes, data: bytes) -> bytes:
    """`field`, which ends in `b=`, with the base64 text folded in."""
    room = max(0, _WIDTH - (len(field) - field.rfind(b"\n")))
    pieces = [data[:room]]
    pieces.extend(data[start : start + _WIDTH - 2] for start in range(room, len(data), _WIDTH - 2))
    return field + FOLD.join(pieces)
