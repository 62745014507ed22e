"""What the engine asks of DNS: questions, answers and the one thing it may await. No implementation is here.

A name is absolute, in A-label form, lower case, without the final dot. Many questions are asked in one call, so that
parallelism is data and the engine needs no event loop of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class RecordType(enum.Enum):
    """The record types that sender authentication asks for; and those of look-ups in an option."""

    TXT = "TXT"
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"

    CNAME = "CNAME"
    NS = "NS"
    SOA = "SOA"
    SPF = "SPF"
    SRV = "SRV"
    TLSA = "TLSA"

    __hash__ = object.__hash__  # members are single; Enum's own hash is slow, and every cache look-up needs it


class Trouble(enum.Enum):
    """Why there are no records. The four are kept apart from the resolver to the answer.

    The first two are final, the last two temporary.
    """

    NXDOMAIN = "the name does not exist"
    NO_DATA = "the name has no record of this type"
    SERVFAIL = "the name servers failed to answer"
    TIMEOUT = "the name servers did not answer in time"

    @property
    def temporary(self) -> bool:
        """True when asking again later may help."""
        return self in (Trouble.SERVFAIL, Trouble.TIMEOUT)


class Question(NamedTuple):
    """One question."""

    name: str
    type: RecordType


class Answer(NamedTuple):
    """The answer to one question: either records (at least one), or the trouble.

    `records` holds, by type: TXT and SPF the strings of a record joined without a separator (RFC 6376 §3.6.2.2); A and
    AAAA the packed address (4 or 16 bytes); PTR, CNAME and NS the name; the others their fields with blanks between
    them, names as above and data in lower-case hexadecimal: MX `preference SP name`, SRV, SOA, TLSA. `detail` is for
    people only. A question for CNAME is about the alias; all others are about what it leads to.
    """

    question: Question
    records: tuple[bytes, ...] = ()
    trouble: Trouble | None = None
    detail: str = ""


class Resolver(Protocol):
    """Something that answers questions. It never raises for what DNS did: trouble is a value."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The answers, one for each question, in the order asked."""
        ...
