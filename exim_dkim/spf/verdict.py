"""What SPF judges, by which limits, and what it found (RFC 7208 §2.3, §2.4, §4.6.4, §8)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from exim_dkim.outcome import SpfReason, SpfResult


class SpfIdentity(enum.Enum):
    """Which claim of the client is judged."""

    MAILFROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class SpfPolicy:
    """The limits of one evaluation. The option that sets each field stands behind it."""

    max_lookups: int = 10  # not an option: a published record relies on the number of RFC 7208 §4.6.4
    max_void_lookups: int = 2  # spf_max_void_lookups: how many look-ups may find nothing
    timeout: float = 20  # spf_timeout, seconds; looked at between DNS answers
    receiver: str = "unknown"  # what `%{r}` of an explanation gives: the name of this host
    guess: str = ""  # spf_guess: the record that a domain without one is judged by (`guess`); empty: by none


class SpfVerdict(NamedTuple):
    """What was found about one identity. All text in it is printable ASCII.

    `domain`: the domain of `sender`, the address that was evaluated. `mechanism`: what matched, as written; empty if
    nothing did. `text`: what the domain says to the client about a fail (exp=), for SMTP. `lookups` and `void_lookups`
    were counted as RFC 7208 §4.6.4 says. `detail` is for people: what matched in an included record, or what is wrong.
    """

    reason: SpfReason
    identity: SpfIdentity = SpfIdentity.MAILFROM
    domain: str = ""
    sender: str = ""
    mechanism: str = ""
    text: str = ""
    detail: str = ""
    lookups: int = 0
    void_lookups: int = 0

    @property
    def result(self) -> SpfResult:
        """The RFC 8601 word."""
        return self.reason.result

    @property
    def explanation(self) -> str:
        """One line for people: which domain, what was found."""
        detail = ": ".join(filter(None, (self.mechanism, self.detail)))
        return f"{self.identity.value} {self.domain or '?'}: {self.reason.text}{f' ({detail})' if detail else ''}"


MAX_LINE = 480
"""Longest text taken from a record, in characters: with the rest of a reply it fits a line of RFC 5321 §4.5.3.1.5."""


def printable_line(text: str, longest: int = MAX_LINE) -> str:
    """`text` as one line of printable ASCII: everything else becomes a question mark; what is too long is cut."""
    shown = text[:longest]
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join([char if " " <= char <= "~" else "?" for char in shown])
