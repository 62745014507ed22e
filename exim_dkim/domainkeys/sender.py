"""The sending address of a message: who DomainKeys says brought it (RFC 4870 §3.1).

It is the first address of Sender or, when there is no Sender, of From. Only fields that are signed can tell, so the
fields are given. Where the RFC is silent: a field that stands twice names nobody, and so does one that does not follow
RFC 5322; Mail::DKIM takes the last field and guesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.mailboxes import Mailbox, parse_address_list
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.outcome import DomainKeysReason


class Sender(NamedTuple):
    """A sending address. `field` is the name of the field that gave it, `sender` or `from`."""

    local: bytes
    domain: Domain
    field: str

    @property
    def address(self) -> str:
        """The address, for people."""
        return f"{self.local.decode('utf-8', 'backslashreplace')}@{self.domain}"


class NoSender(NamedTuple):
    """Why nobody is named."""

    reason: DomainKeysReason
    detail: str = ""


def find_sender(fields: Sequence[HeaderField]) -> Sender | NoSender:
    """Who the fields say sends the message. Never raises."""
    for name in (b"sender", b"from"):
        found = [field for field in fields if field.name == name]
        if len(found) > 1:
            return NoSender(DomainKeysReason.SENDER_REPEATED, name.decode().title())
        if found:
            return _read(found[0])
    return NoSender(DomainKeysReason.SENDER_NOT_SIGNED)


def _read(field: HeaderField) -> Sender | NoSender:
    name = field.name.decode()
    try:
        addresses = parse_address_list(field.value)
        if not addresses or not isinstance(addresses[0], Mailbox):
            return NoSender(DomainKeysReason.SENDER_MALFORMED, f"{name.title()} does not begin with an address")
        return Sender(addresses[0].local, Domain.parse(addresses[0].domain), name)
    except ParseError as error:
        return NoSender(DomainKeysReason.SENDER_MALFORMED, f"{name.title()}: {error.message}")
