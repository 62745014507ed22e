"""A key record as text that people paste: zone-file form (RFC 1035 §5.1) and one line."""

from __future__ import annotations

MAX_STRING = 255
"""Longest character-string of a TXT record (RFC 1035 §3.3)."""


def record_name(domain: str, selector: str) -> str:
    """The name of a key record (RFC 6376 §3.6.2.1), without the final dot."""
    return f"{selector}._domainkey.{domain}"


def zone_text(name: str, text: str, ttl: int = 3600) -> str:
    """The TXT record in zone-file form, split into strings of at most 255 bytes, one a line."""
    strings = [f'"{_escaped(text[i : i + MAX_STRING])}"' for i in range(0, len(text), MAX_STRING)] or ['""']
    if len(strings) == 1:
        return f"{name}. {ttl} IN TXT {strings[0]}"
    lines = "\n".join(f"    {string}" for string in strings)
    return f"{name}. {ttl} IN TXT (\n{lines}\n    )"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
