"""Who a message says it is from (RFC 5322 §3.6.2): the From field, on which alone signing is decided.

A message whose From field is missing, doubled or unreadable has no author that anybody could sign for. With several
authors, all of them have to be somebody that is signed for; the signature is that of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.mailboxes import Group, Mailbox, parse_address_list
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain


class Author(NamedTuple):
    """One author. `domain` is in lower case, in A-label form."""

    local: bytes
    domain: Domain

    def __str__(self) -> str:
        return f"{self.local.decode('utf-8', 'backslashreplace')}@{self.domain}"


class NoAuthor(Exception):
    """The message has no author to sign for; the text says why."""


def authors(fields: Sequence[HeaderField]) -> tuple[Author, ...]:
    """The authors of a message, at least one. Raises `NoAuthor`."""
    found = [field for field in fields if field.name == b"from"]
    if len(found) != 1:
        raise NoAuthor(f"the message has {len(found)} From fields" if found else "the message has no From field")
    try:
        addresses = parse_address_list(found[0].value)
        mailboxes: list[Mailbox] = []
        for address in addresses:
            mailboxes.extend(address.mailboxes if isinstance(address, Group) else (address,))
        if not mailboxes:
            raise NoAuthor("the From field is empty")
        return tuple(Author(mailbox.local, Domain.parse(mailbox.domain)) for mailbox in mailboxes)
    except ParseError as error:
        raise NoAuthor(f"the From field cannot be read: {error.message}") from None
