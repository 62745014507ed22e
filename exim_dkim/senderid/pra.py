"""The purported responsible address (PRA) of a message: who its header says brought it last (RFC 4407 §2).

The algorithm is followed step by step. What it leaves to local policy is when a field or mailbox is hopelessly
malformed. Here a field is read by RFC 5322 with its obsolete forms (`mailboxes.py`); two faults that are common, and
hide no other address, are forgiven: a display name that ought to be quoted (`joe@example.org <joe@example.org>`), and
dots in a row or at the end of a local part. A group is no mailbox, and an address at a domain literal has no domain
name. Other implementations may find a PRA where this one does not, but none finds another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.mailboxes import MAX_LOCAL, Group, Mailbox, parse_address_list
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.outcome import SenderIdReason

RESENT_SENDER, RESENT_FROM, SENDER, FROM = b"resent-sender", b"resent-from", b"sender", b"from"
_TRACE = (b"received", b"return-path")
_LOOKED_AT = frozenset((RESENT_SENDER, RESENT_FROM, SENDER, FROM, *_TRACE))
_BLANKS = b" \t\r\n"

_PLAIN = rb"([^\x00-\x20\x7f<>()\[\]@,;:\"\\]++)@([^\x00-\x20\x7f<>()\[\]@,;:\"\\]++)"
# Nothing in the display name could begin another address, a comment or a group.
_ONE_ADDRESS = lazy_pattern(
    rb"[ \t]*+(?:" + _PLAIN + rb'|(?:[^\x00\r\n,;:<>()"\\]|"(?:[^\x00\r\n"\\]|\\.)*+")*+<' + _PLAIN + rb">)[ \t]*+"
)


class Pra(NamedTuple):
    """A purported responsible address and the field that gave it (`from`, `sender`, `resent-from`, `resent-sender`)."""

    local: bytes
    domain: Domain
    field: bytes


class NoPra(NamedTuple):
    """Why a message has no purported responsible address. `field`: the one that is to blame, if any."""

    reason: SenderIdReason
    field: bytes = b""
    detail: str = ""


def find_pra(fields: Sequence[HeaderField]) -> Pra | NoPra:
    """The PRA of a message with these fields, the topmost first, or why it has none. Never raises."""
    chosen = _choose([field for field in fields if field.name in _LOOKED_AT and field.value.strip(_BLANKS)])
    return chosen if isinstance(chosen, NoPra) else _read(chosen)


def _choose(fields: Sequence[HeaderField]) -> HeaderField | NoPra:
    """Steps 1 to 4, of fields that are not empty: the one that names the PRA."""
    names = [field.name for field in fields]
    # RFC 4407 §2 step 1
    if RESENT_SENDER in names and not _is_of_later_block(names):
        return fields[names.index(RESENT_SENDER)]
    # RFC 4407 §2 step 2
    if RESENT_FROM in names:
        return fields[names.index(RESENT_FROM)]
    # RFC 4407 §2 steps 3 and 4
    for name in (SENDER, FROM):
        if names.count(name) > 1:
            return NoPra(SenderIdReason.PRA_SEVERAL_FIELDS, name)
        if name in names:
            return fields[names.index(name)]
    return NoPra(SenderIdReason.PRA_MISSING)


def _is_of_later_block(names: Sequence[bytes]) -> bool:
    """Whether the first Resent-Sender stands below the trace of a resending that has a Resent-From only."""
    above = names[: names.index(RESENT_SENDER)]
    if RESENT_FROM not in above:
        return False
    between = above[above.index(RESENT_FROM) :]
    return any(name in between for name in _TRACE)


def _read(field: HeaderField) -> Pra | NoPra:
    """Step 5: the one mailbox in the field."""
    try:
        addresses: tuple[Mailbox | Group, ...] = parse_address_list(field.value)
    except ParseError as error:
        forgiven = _forgiven(field.value)
        if forgiven is None:
            return NoPra(SenderIdReason.PRA_MALFORMED, field.name, error.message)
        addresses = (forgiven,)
    if len(addresses) > 1:
        return NoPra(SenderIdReason.PRA_SEVERAL_MAILBOXES, field.name)
    if not addresses:
        return NoPra(SenderIdReason.PRA_MALFORMED, field.name, "comments or commas only")
    mailbox = addresses[0]
    if not isinstance(mailbox, Mailbox):
        return NoPra(SenderIdReason.PRA_MALFORMED, field.name, "a group")
    try:
        return Pra(mailbox.local, Domain.parse(mailbox.domain), field.name)
    except ParseError as error:
        return NoPra(SenderIdReason.PRA_BAD_DOMAIN, field.name, error.message)


def _forgiven(value: bytes) -> Mailbox | None:
    """The one address of a field whose faults hide none; its local part as written."""
    match = _ONE_ADDRESS.fullmatch(value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t"))
    if match is None:
        return None
    local, domain = (match[1], match[2]) if match[1] is not None else (match[3], match[4])
    try:
        local.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Mailbox(local, domain) if len(local) <= MAX_LOCAL else None
