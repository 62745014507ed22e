"""The best guess: what a domain without an SPF record would say if it had published what most would have.

RFC 7208 knows no guesses, and whoever published nothing has forbidden nothing. So a guess never makes a failure: all
that can come of it is that the client would have passed (`SpfReason.GUESSED_PASS`), which is still `none` to whoever
reads results, DMARC above all; only local policy may count it. Others that guess (libspf2, Exim's spf_guess, pyspf,
Gmail) write `pass`, which no reader can tell from a real one.

A domain that does not exist is not guessed at: nothing below it exists either (RFC 8020), so nothing could match.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

from exim_dkim.envelope import ClientAddress, Envelope
from exim_dkim.memory import fold_name
from exim_dkim.outcome import SpfReason, SpfResult
from exim_dkim.resolver import Answer, Question, RecordType, Resolver
from exim_dkim.spf.evaluate import check_host, domain_to_ask, evaluate, identity_address
from exim_dkim.spf.record import Select, select_spf1
from exim_dkim.spf.verdict import SpfIdentity, SpfPolicy, SpfVerdict
from exim_dkim.spf.walk import Clock

LEAST_TIME = 0.1
"""Seconds that must be left of an evaluation's time for a guess to be begun."""

_SELECT: Select = functools.partial(select_spf1)
"""Another object than `select_spf1`: what is kept of a guess must not take the place of what is kept of the domain."""


async def check_host_or_guess(
    envelope: Envelope,
    resolver: Resolver,
    policy: SpfPolicy,
    identity: SpfIdentity = SpfIdentity.MAILFROM,
    clock: Clock | None = None,
) -> SpfVerdict:
    """As `evaluate.check_host`; of a domain without a record, by the guess of the policy, if it has one."""
    if not policy.guess:
        return await check_host(envelope, resolver, policy, identity, clock)
    begun = clock() if clock else 0.0
    verdict = await check_host(envelope, resolver, policy, identity, clock)
    if verdict.reason is not SpfReason.NO_RECORD or envelope.client is None:
        return verdict
    address = identity_address(envelope, identity)
    return await _guess(verdict, envelope.client, envelope.helo, address, resolver, policy, clock, begun)


async def evaluate_or_guess(
    client: ClientAddress,
    helo: bytes,
    address: tuple[bytes, bytes],
    resolver: Resolver,
    policy: SpfPolicy,
    select: Select = select_spf1,
    clock: Clock | None = None,
) -> SpfVerdict:
    """As `evaluate.evaluate`, with a guess as above."""
    begun = clock() if clock and policy.guess else 0.0
    verdict = await evaluate(client, helo, address, resolver, policy, select, clock=clock)
    if verdict.reason is not SpfReason.NO_RECORD or not policy.guess:
        return verdict
    return await _guess(verdict, client, helo, address, resolver, policy, clock, begun)


async def _guess(
    verdict: SpfVerdict,
    client: ClientAddress,
    helo: bytes,
    address: tuple[bytes, bytes],
    resolver: Resolver,
    policy: SpfPolicy,
    clock: Clock | None,
    begun: float,
) -> SpfVerdict:
    """What the guess makes of a verdict that there is no record. Limits are those of one evaluation for both."""
    domain = domain_to_ask(address[1])
    left = policy.timeout - (clock() - begun) if clock else policy.timeout
    if isinstance(domain, SpfReason) or left < LEAST_TIME:
        return verdict
    guessing = _Guessing(resolver, domain, policy.guess.encode("ascii", "replace"))
    limits = _limits(policy, math.ceil(left))
    guessed = await evaluate(client, helo, address, guessing, limits, _SELECT, verdict.identity, clock)
    verdict = verdict._replace(lookups=guessed.lookups, void_lookups=guessed.void_lookups)
    if guessed.result is SpfResult.PASS:
        reason = SpfReason.GUESSED_PASS
        return verdict._replace(reason=reason, mechanism=guessed.mechanism, detail=guessed.detail)
    if guessed.result is SpfResult.TEMPERROR:
        return verdict._replace(reason=SpfReason.GUESS_UNDECIDED, detail=guessed.reason.text)
    return verdict


@functools.lru_cache(maxsize=64)
def _limits(policy: SpfPolicy, seconds: int) -> SpfPolicy:
    """The policy for the guess: the same object, as evaluations are kept by it, for a time in whole seconds."""
    return dataclasses.replace(policy, timeout=seconds, guess="")


class _Guessing:
    """A resolver that says the domain had published the guess."""

    __slots__ = ("_domain", "_record", "_resolver")

    def __init__(self, resolver: Resolver, domain: str, record: bytes) -> None:
        self._resolver = resolver
        self._domain = fold_name(domain)
        self._record = record

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The answers, in the order asked."""
        others = [question for question in questions if not self._is_guessed(question)]
        answers = iter(await self._resolver.resolve(*others) if others else ())
        return [
            Answer(question, (self._record,)) if self._is_guessed(question) else next(answers) for question in questions
        ]

    def _is_guessed(self, question: Question) -> bool:
        return question.type is RecordType.TXT and fold_name(question.name) == self._domain
