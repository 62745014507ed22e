"""The Authentication-Results fields that a message came with: which of them claim to be ours (RFC 8601 §5).

Exim 4.96 removes header lines by name only. So an ACL that finds forged fields removes all, and puts the others back:
`forged` is their number, `foreign` the text of the others.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from exim_dkim.authres import FIELD_NAME, bears_id
from exim_dkim.message import parse_header, to_wire

NOTHING: Final = "none"
MAX_FIELDS: Final = 1000
"""Fields that are looked at; of a message with more it cannot be told which are forged. The 64 KiB that Exim hands out
have room for more, but no honest message has."""


class Claims(NamedTuple):
    """`forged`: how many fields bear our id; None when that cannot be told. `foreign`: the others, with LF in folds."""

    forged: int | None = None
    foreign: tuple[bytes, ...] = ()


def sort_fields(header: bytes, authserv_id: str) -> Claims:
    """The claims in a header whose lines end in LF or CRLF."""
    found = [field for field in parse_header(to_wire(header)) if field.name == FIELD_NAME]
    if len(found) > MAX_FIELDS:
        return Claims()
    foreign = [field.raw for field in found if not bears_id(field, authserv_id)]
    return Claims(len(found) - len(foreign), tuple(raw.replace(b"\r\n", b"\n") for raw in foreign))


def tell_forged(claims: Claims) -> bytes:
    """A number, or `unknown`."""
    return b"unknown" if claims.forged is None else b"%d" % claims.forged


def tell_foreign(claims: Claims, limit: int) -> bytes:
    """The fields, one after another, each line but the last with a line end, as `add_header` takes them; or `none`.

    Those beyond `limit` bytes are left out whole.
    """
    kept: list[bytes] = []
    for field in claims.foreign:
        limit -= len(field) + 1
        if limit < 0:
            break
        kept.append(field)
    return b"\n".join(kept) or NOTHING.encode()
