"""Rows of a database as Exim gives them (Exim specification §9.21)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def rows_text(names: Sequence[bytes], rows: Iterable[Sequence[bytes]]) -> bytes | None:
    """One column: its values on a line each. Several: `name=value name="a value" `. None if there are no rows."""
    lines = [row[0] if len(names) == 1 else _named(names, row) for row in rows]
    return b"\n".join(lines) if lines else None


def _named(names: Sequence[bytes], row: Sequence[bytes]) -> bytes:
    return b"".join(name + b"=" + quoted(value) + b" " for name, value in zip(names, row, strict=True))


def quoted(value: bytes) -> bytes:
    """In double quotes if it is empty, has white space, or begins with a double quote."""
    if value and not value.startswith(b'"') and not any(byte in b" \t\n\r" for byte in value):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
