"""Header variables, `$h_name:` and its kin (Exim specification §11.5).

Several fields of a name are joined; the forms differ in what is trimmed and decoded. All of it is tainted.
"""

from __future__ import annotations

from typing import Final

from exim_dkim.expansion.environment import Environment
from exim_dkim.expansion.value import Value

MAX_LENGTH: Final = 64 * 1024  # of a joined value, as in Exim (header_insert_maxlen)

_BLANKS: Final = b" \t\n\r\v\f"
# Fields that hold addresses are joined with a comma, so that the result is an address list, too.
_ADDRESS_FIELDS: Final = frozenset(
    b"""bcc: cc: from: reply-to: sender: to:
    resent-bcc: resent-cc: resent-from: resent-sender: resent-to: resent-reply-to:""".split()
)


def find_header(form: bytes, name: bytes, environment: Environment) -> Value | None:
    """The value of a header variable; None if there is no such field. `name` is lower case and ends in a colon."""
    length = len(name)
    contents = [field[length:] for field in environment.header_fields() if field[:length].lower() == name]
    if not contents:
        return None
    if form == b"rh":
        return Value(_limited(contents, b""), True)
    if form == b"lh":
        return Value(_as_list(contents), True)
    separator = b",\n" if name in _ADDRESS_FIELDS else b"\n"
    stripped = [text for text in (content.strip(_BLANKS) for content in contents) if text]
    joined = _limited(stripped, separator)
    if b"=?" in joined:
        from exim_dkim.expansion.rfc2047 import decode

        charset = environment.headers_charset if form == b"h" else None
        joined = decode(joined, charset, environment.check_rfc2047_length)
    return Value(joined, True)


def header_exists(name: bytes, environment: Environment) -> bool:
    """Whether there is a field of this name, empty or not."""
    length = len(name)
    return any(field[:length].lower() == name for field in environment.header_fields())


def _limited(contents: list[bytes], separator: bytes) -> bytes:
    """The contents joined, as much of them as the limit allows."""
    parts: list[bytes] = []
    length = 0
    for content in contents:
        part = content[: max(0, MAX_LENGTH - length)]
        if not part:
            break
        if parts:
            parts.append(separator)
            length += len(separator)
        parts.append(part)
        length += len(part)
        if length >= MAX_LENGTH:
            break
    return b"".join(parts)


def _as_list(contents: list[bytes]) -> bytes:
    """The contents as a list with colons; leading blanks stay. What is empty does not become an item of its own."""
    result: list[bytes] = []
    length = 0
    for content in contents:
        part = content.rstrip(b"\n")[: max(0, MAX_LENGTH - length)].replace(b":", b"::")
        if length:
            part = b":" + part
        result.append(part)
        length += len(part)
        if length >= MAX_LENGTH:
            break
    return b"".join(result)
