"""A key record as text that people paste: zone-file form (RFC 1035 §5.1), ours and that of gentxt.csh of dk-milter."""

from __future__ import annotations

MAX_STRING = 255
"""Longest character-string of a TXT record (RFC 1035 §3.3)."""

LINE = 72
LINE_STRING = 66
"""Characters of a line, and of the string in it: even when `testkey` indents it, a terminal of 80 columns has room for
it; and the record of an Ed25519 key is one string."""


def record_name(domain: str, selector: str) -> str:
    """The name of a key record (RFC 6376 §3.6.2.1), without the final dot."""
    return f"{selector}._domainkey.{domain}"


def zone_text(name: str, text: str, ttl: int = 3600) -> str:
    """The TXT record in zone-file form, in lines that fit on a terminal: a string each, which DNS joins again."""
    line = f'{name}. {ttl} IN TXT "{_escaped(text)}"'
    if len(line) <= LINE:
        return line
    strings = [f'    "{_escaped(text[i : i + LINE_STRING])}"' for i in range(0, len(text), LINE_STRING)]
    return "\n".join([f"{name}. {ttl} IN TXT (", *strings, "    )"])


def gentxt_line(domain: str, selector: str, text: str) -> str:
    """The TXT record in one line of a zone file whose origin is `domain`, as gentxt.csh of dk-milter printed it.

    What is longer than 255 bytes is several strings, which gentxt.csh, with its keys of 512 bits, did not need.
    """
    strings = [text[i : i + MAX_STRING] for i in range(0, len(text), MAX_STRING)]
    quoted = " ".join(f'"{_escaped(string).replace(";", chr(92) + ";")}"' for string in strings)
    return f"{selector}._domainkey IN TXT {quoted} ; ----- DomainKey {selector} for {domain}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
