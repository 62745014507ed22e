"""Lists of addresses as Sendmail writes them when it delivers, which is after its filters have seen the message.

Between the addresses of a list it leaves a comma and one blank: `a@x,b@y` becomes `a@x, b@y`, and so does `a@x,,b@y,`.
A signature is then valid for what is delivered if it was made for that form. Sendmail folds such fields anew, too, so
it takes the `relaxed` form, in which that does not matter. Seen on Sendmail 8.17 (see test_mta_rewriting.py); Postfix
leaves all fields as they are.

Pure; what cannot be understood stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from exim_dkim.message import HeaderField

FIELDS: Final = frozenset(
    (
        b"from", b"sender", b"reply-to", b"to", b"cc", b"errors-to", b"disposition-notification-to",
        b"resent-from", b"resent-sender", b"resent-to", b"resent-cc", b"apparently-to",
    )
)  # fmt: skip
"""The fields that Sendmail takes for lists of addresses."""

_TOKEN: Final = re.compile(rb'[^,"()<>\\]+|\\.?|[,"()<>]', re.DOTALL)
_BLANKS: Final = b" \t\r\n"


def as_delivered(fields: Sequence[HeaderField]) -> list[HeaderField]:
    """The header as Sendmail delivers it, save for where it folds."""
    return [_rewritten(field) if field.name in FIELDS and b"," in field.raw else field for field in fields]


def _rewritten(field: HeaderField) -> HeaderField:
    name, _, value = field.raw.partition(b":")
    elements = [element for element in _elements(value) if element]
    blanks = value[: len(value) - len(value.lstrip(_BLANKS))]
    return HeaderField(field.name, name + b":" + blanks + b", ".join(elements))


def _elements(value: bytes) -> Iterator[bytes]:
    """What stands between the commas that divide a list: not those in quotes, comments and angle brackets."""
    start = depth = 0
    quoted = angled = False
    for match in _TOKEN.finditer(value):
        token = match[0]
        if token == b'"' and not depth:
            quoted = not quoted
        elif quoted:
            continue
        elif token == b"(":
            depth += 1
        elif token == b")":
            depth = max(0, depth - 1)
        elif depth:
            continue
        elif token in b"<>":
            angled = token == b"<"
        elif token == b"," and not angled:
            yield value[start : match.start()].strip(_BLANKS)
            start = match.end()
    yield value[start:].strip(_BLANKS)
