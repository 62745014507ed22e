"""Sender ID: is this client permitted to send mail for whoever the message says is responsible for it (RFC 4406 §4)?

SPF's evaluation (`spf.evaluate`), of another address and with another choice of records. That the domain of the PRA
does not exist is a fail (§4.3); that an included one does not is a permerror, as with SPF, for it is a fault of the
record and no forgery. A message without PRA gets `permerror`: RFC 4406 §4 would have it refused, and RFC 5451 §2.4.2
gives that word to a header field that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exim_dkim.envelope import Envelope
from exim_dkim.message import HeaderField
from exim_dkim.names import MAX_NAME
from exim_dkim.outcome import SenderIdReason, SpfReason, SpfResult
from exim_dkim.resolver import Resolver
from exim_dkim.senderid.pra import NoPra, find_pra
from exim_dkim.senderid.record import Scope, selector
from exim_dkim.spf.evaluate import evaluate as evaluate_spf
from exim_dkim.spf.guess import evaluate_or_guess
from exim_dkim.spf.verdict import SpfPolicy, SpfVerdict, printable_line


@dataclass(frozen=True, slots=True)
class SenderIdVerdict:
    """What was found about one message. All text in it is printable.

    `address` is what was judged, `domain` its domain; both are empty when there is none. `field`: the header field that
    gave the PRA, or is to blame that there is none. `mechanism`: what matched, as written. `text`: what the domain says
    to the client about a fail (exp=). `lookups` and `void_lookups` as in `SpfVerdict`. `detail` is for people.
    """

    reason: SenderIdReason
    scope: Scope
    address: str = ""
    domain: str = ""
    field: str = ""
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
        """One line for people: whose domain, what was found."""
        source = f"({self.field.title()})" if self.field else ""
        detail = self.mechanism or self.detail
        about = " ".join(filter(None, (self.scope.value, self.domain, source)))
        return f"{about}: {self.reason.text}{f' ({detail})' if detail else ''}"


async def evaluate(
    fields: Sequence[HeaderField],
    envelope: Envelope,
    resolver: Resolver,
    policy: SpfPolicy,
    scope: Scope = Scope.PRA,
    *,
    spf1: bool = True,
    clock: Callable[[], float] | None = None,
) -> SenderIdVerdict:
    """The verdict on a message with these header fields (topmost first) that came with this envelope. Never raises.

    MFROM does not look at the fields; a null or unknown reverse-path is postmaster at the HELO name, as with SPF.
    `spf1`: whether a `v=spf1` record stands in for one of Sender ID. `clock` as in `spf.evaluate`.
    """
    found = find_identity(fields, envelope, scope)
    if isinstance(found, NoPra):
        reason = SenderIdReason.NO_CLIENT if envelope.client is None else found.reason
        return SenderIdVerdict(reason, scope, field=found.field.decode(), detail=printable_line(found.detail))
    if envelope.client is None:
        return _verdict(SpfVerdict(SpfReason.NO_CLIENT), scope, found)
    # A guess stands in for a v=spf1 record: where those do not count, it does not either.
    verdict = await (evaluate_or_guess if spf1 else evaluate_spf)(
        envelope.client,
        envelope.helo,
        (found.local, found.domain),
        resolver,
        policy,
        selector(scope, spf1),
        clock=clock,
    )
    return _verdict(verdict, scope, found)


class Identity(NamedTuple):
    """The address to be judged, and the header field that gave it, if one did."""

    local: bytes
    domain: bytes
    field: bytes


def find_identity(fields: Sequence[HeaderField], envelope: Envelope, scope: Scope) -> Identity | NoPra:
    """What is judged, or why there is nothing to judge."""
    if scope is Scope.PRA:
        pra = find_pra(fields)
        return pra if isinstance(pra, NoPra) else Identity(pra.local, pra.domain.encode(), pra.field)
    # RFC 7208 §2.4, which RFC 4406 §4 refers to
    if not envelope.sender:
        return Identity(b"", envelope.helo, b"")
    local, _, domain = envelope.sender.rpartition(b"@")
    return Identity(local, domain, b"")


def _verdict(verdict: SpfVerdict, scope: Scope, about: Identity) -> SenderIdVerdict:
    reason = SenderIdReason[verdict.reason.name]
    if scope is Scope.PRA and verdict.reason is SpfReason.NXDOMAIN:
        reason = SenderIdReason.PRA_NXDOMAIN
    domain = printable_line(about.domain.decode("utf-8", "replace"), MAX_NAME)
    return SenderIdVerdict(
        reason,
        scope,
        verdict.sender,
        verdict.domain or domain,
        about.field.decode(),
        verdict.mechanism,
        verdict.text,
        verdict.detail,
        verdict.lookups,
        verdict.void_lookups,
    )
