"""Evaluation of SPF (RFC 7208 §4): from an identity to a verdict.

Nothing is awaited but the resolver, and nothing is raised: what goes wrong is a verdict with its reason. The look-ups
are bounded by RFC 7208 §4.6.4, the time by the policy; the clock is given (seconds, of any epoch for the limit, since
1970 for `%{t}`), and without one there is no limit but the resolver's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from exim_dkim.envelope import ClientAddress, Envelope
from exim_dkim.errors import ParseError
from exim_dkim.names import MAX_NAME, Domain
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import Answer, Question, Resolver
from exim_dkim.spf.record import Select, select_spf1
from exim_dkim.spf.verdict import SpfIdentity, SpfPolicy, SpfVerdict, printable_line

if TYPE_CHECKING:
    from exim_dkim.spf.pyspf import Query

MAX_LOCAL_PART = 512
"""Longest local part that is evaluated, in bytes; RFC 5321 §4.5.3.1.1 permits 64."""

_MATCHED = {
    "pass": SpfReason.MATCHED_PASS,
    "fail": SpfReason.MATCHED_FAIL,
    "softfail": SpfReason.MATCHED_SOFTFAIL,
    "neutral": SpfReason.MATCHED_NEUTRAL,
}

Clock = Callable[[], float]


def preload() -> None:
    """Import pyspf now and not with the first evaluation; servers do when they start."""
    import exim_dkim.spf.pyspf  # noqa: F401


async def check_host(
    envelope: Envelope,
    resolver: Resolver,
    policy: SpfPolicy,
    identity: SpfIdentity = SpfIdentity.MAILFROM,
    clock: Clock | None = None,
) -> SpfVerdict:
    """The verdict on an identity of an envelope (RFC 7208 §2.3, §2.4).

    MAILFROM of a null or unknown reverse-path is that of postmaster at the HELO name.
    """
    local, domain = _split(envelope.sender or b"") if identity is SpfIdentity.MAILFROM else (b"", b"")
    if identity is SpfIdentity.HELO or not envelope.sender:
        domain = envelope.helo
    if envelope.client is None:
        return SpfVerdict(SpfReason.NO_CLIENT, identity)
    return await evaluate(
        envelope.client, envelope.helo, (local, domain), resolver, policy, identity=identity, clock=clock
    )


async def evaluate(
    client: ClientAddress,
    helo: bytes,
    address: tuple[bytes, bytes],
    resolver: Resolver,
    policy: SpfPolicy,
    select: Select = select_spf1,
    identity: SpfIdentity = SpfIdentity.MAILFROM,
    clock: Clock | None = None,
) -> SpfVerdict:
    """The verdict on `address`, a local part (empty: postmaster) and a domain.

    `select` finds the record at each domain that is asked, also of include and redirect. `identity` is for the verdict.
    """
    local = address[0][:MAX_LOCAL_PART].decode("utf-8", "replace") or "postmaster"
    found = domain_to_ask(address[1])
    shown = printable_line(address[1].decode("utf-8", "replace"), MAX_NAME)
    if isinstance(found, SpfReason):
        sender = printable_line(f"{local}@{shown}")
        return SpfVerdict(found, identity, shown, sender)
    verdict = SpfVerdict(SpfReason.INTERNAL_ERROR, identity, found, printable_line(f"{local}@{found}"))
    greeting = helo[:MAX_NAME].decode("utf-8", "replace")
    return await _Evaluation(client, greeting, (local, found), policy, select, verdict).run(resolver, clock)


def domain_to_ask(domain: bytes) -> str | SpfReason:
    """The domain in the form of DNS, or why none can be asked (RFC 7208 §4.3; RFC 8616 §4 for U-labels)."""
    if not domain:
        return SpfReason.NO_DOMAIN
    if domain[:1] == b"[":
        return SpfReason.DOMAIN_LITERAL
    try:
        name = domain.decode("ascii") if domain.isascii() else str(Domain.parse(domain))
    except ParseError:
        return SpfReason.MALFORMED_DOMAIN
    name = name.removesuffix(".")
    if len(name) > MAX_NAME:
        return SpfReason.DOMAIN_TOO_LONG
    labels = name.split(".")
    if not name.isprintable() or " " in name or not all(labels) or max(map(len, labels)) > 63:
        return SpfReason.MALFORMED_DOMAIN
    return name if len(labels) > 1 else SpfReason.SINGLE_LABEL


def _split(sender: bytes) -> tuple[bytes, bytes]:
    """Local part and domain; all is the domain when there is no `@`."""
    local, _, domain = sender.rpartition(b"@")
    return local, domain


class _Evaluation:
    """One evaluation under way: what is known so far."""

    def __init__(
        self,
        client: ClientAddress,
        helo: str,
        address: tuple[str, str],
        policy: SpfPolicy,
        select: Select,
        verdict: SpfVerdict,
    ) -> None:
        self._about = (client, helo, address)
        self._policy = policy
        self._select = select
        self._verdict = verdict
        self._known: dict[Question, Answer] = {}

    async def run(self, resolver: Resolver, clock: Clock | None) -> SpfVerdict:
        """Run pyspf again and again, until it has all it asks for."""
        end = clock() + self._policy.timeout if clock else 0.0
        while True:
            query, verdict = self._attempt()
            if not query.missing:
                return verdict
            if clock and clock() > end:
                return self._end(query, SpfReason.TIME_LIMIT, f"{self._policy.timeout:g}s")
            questions = tuple(dict.fromkeys(query.missing))
            for question, answer in zip(questions, await resolver.resolve(*questions), strict=True):
                self._known[question] = answer

    def _attempt(self) -> tuple[Query, SpfVerdict]:
        """One run, and its verdict, which counts when nothing is missing."""
        from exim_dkim.spf.pyspf import Query

        query = Query(*self._about, self._known, self._policy, self._select)
        try:
            result, _, pending = query.check()
            error = query.perm_error
        except Exception as crash:  # noqa: BLE001 - a record has found a hole in pyspf
            return query, self._end(query, SpfReason.BAD_SYNTAX, f"{type(crash).__name__} in pyspf")
        if result in ("permerror", "temperror"):
            return query, self._end(query, query.reason(error), str(error or query.prob))
        if result == "none":
            return query, self._end(query, SpfReason.NXDOMAIN if query.nxdomain else SpfReason.NO_RECORD)
        if query.mechanism is None:
            return query, self._end(query, SpfReason.NO_MATCH)
        text = query.explain(pending) if result == "fail" and pending else ""
        return query, self._end(query, _MATCHED[result], mechanism=query.mechanism, text=text)

    def _end(
        self, query: Query, reason: SpfReason, detail: str = "", mechanism: str = "", text: str = ""
    ) -> SpfVerdict:
        base = self._verdict
        return SpfVerdict(
            reason,
            base.identity,
            base.domain,
            base.sender,
            printable_line(mechanism),
            printable_line(text),
            printable_line(detail),
            query.lookups,
            query.void_lookups,
        )
