"""Which header fields a DomainKeys signature is about (RFC 4870 §3.3, §3.4.2): some or all of those below it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from exim_dkim.domainkeys.sender import NoSender, Sender, find_sender
from exim_dkim.domainkeys.signature import FIELD_NAME, Signature
from exim_dkim.message import HeaderField

MAX_VERDICTS: Final = 200
"""Signatures that get a verdict at all; a header can hold thousands."""

# Fields that RFC 5322 §3.6 and RFC 2045 §3 allow once.
ONCE_ONLY: Final = frozenset(
    b"from sender reply-to to cc subject date message-id in-reply-to references mime-version content-type "
    b"content-transfer-encoding".split()
)


def choose_fields(names: Sequence[bytes] | None, below: Sequence[HeaderField]) -> Sequence[HeaderField]:
    """The fields that are signed, in the order in which they are (RFC 4870 §3.3, h=).

    `names`: h= in lower case; `below`: the fields below the signature. All fields of a name in h= are signed. Where a
    name stands n times, the n-1 last places take a field each, from the bottom up, and the first place all the others:
    how Mail::DKIM reads the RFC, and the same as any other reading when nobody moved a field.
    """
    if names is None:
        return below
    left: dict[bytes, list[HeaderField]] = {name: [] for name in names}
    for field in below:
        if field.name in left:
            left[field.name].append(field)
    first_place = {name: place for place, name in reversed([*enumerate(names)])}
    chosen: list[HeaderField] = []
    for place in range(len(names) - 1, -1, -1):
        fields = left[names[place]]
        if place == first_place[names[place]]:
            chosen.extend(reversed(fields))
        elif fields:
            chosen.append(fields.pop())
    chosen.reverse()
    return chosen


class SignedFields:
    """Where in a header the signatures are, and the fields that may stand only once."""

    __slots__ = ("_senders", "fields", "places", "signatures")

    def __init__(self, fields: Sequence[HeaderField]) -> None:
        self.fields = fields
        self._senders: dict[tuple[int, ...], Sender | NoSender] = {}
        self.places: dict[bytes, list[int]] = {}
        self.signatures: list[int] = []
        for place, (name, _) in enumerate(fields):
            if name in ONCE_ONLY:
                self.places.setdefault(name, []).append(place)
            elif name == FIELD_NAME and len(self.signatures) < MAX_VERDICTS:
                self.signatures.append(place)

    def signed(self, name: bytes, signature: Signature, place: int) -> int:
        """How many fields of this name the signature at `place` is about (`choose_fields`)."""
        if signature.names is not None and name not in signature.names:
            return 0
        places = self.places.get(name, ())
        return len(places) - bisect_right(places, place)

    def signed_sender(self, signature: Signature, place: int) -> Sender | NoSender:
        """Who the signed fields say sends."""
        wanted: list[int] = []
        for name in (b"sender", b"from"):
            count = self.signed(name, signature, place)
            wanted.extend(self.places[name][-min(count, 2) :] if count else ())  # two are too many already
        known = tuple(wanted)
        if known not in self._senders:
            self._senders[known] = find_sender([self.fields[index] for index in known])
        return self._senders[known]

    def sender(self) -> Sender | None:
        """The sending address of a message that has no usable signature."""
        found = self.signed_sender(Signature(HeaderField(b"", b"")), -1)
        return found if isinstance(found, Sender) else None
