"""Evaluation of SPF (RFC 7208 §4): from an identity to a verdict.

Nothing is awaited but the resolver, and nothing is raised: what goes wrong is a verdict with its reason. The look-ups
are bounded by RFC 7208 §4.6.4, the time by the policy; the clock is given (seconds since 1970), and without one there
is no limit but the resolver's own.

Plain records, which nearly all are, are judged by `walk`. As soon as there is anything else, pyspf judges the whole,
over the answers that were fetched so far.
"""

from __future__ import annotations

import functools
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from exim_dkim.envelope import ClientAddress, Envelope
from exim_dkim.errors import ParseError
from exim_dkim.names import Domain
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import Resolver
from exim_dkim.spf.kept import Evaluation, KeptEvaluations, Key, Resumed, Round, size_of
from exim_dkim.spf.record import MAX_NAME, Select, select_spf1
from exim_dkim.spf.verdict import SpfIdentity, SpfPolicy, SpfVerdict, printable_line
from exim_dkim.spf.walk import Clock, Stop, Walk

if TYPE_CHECKING:
    from exim_dkim.spf.pyspf import Query

MAX_LOCAL_PART = 128
"""So much of a local part is evaluated, in bytes; RFC 5321 §4.5.3.1.1 permits 64."""
POSTMASTER = "postmaster"
"""The local part of an address without one (RFC 7208 §4.3)."""
KEPT = KeptEvaluations()
_MAX_BYTES = 4 * MAX_NAME  # no U-labels that are longer have A-labels that DNS can hold


def preload() -> None:
    """Import pyspf now and not with the first evaluation that needs it; servers do when they start."""
    import exim_dkim.spf.pyspf  # noqa: F401


def check_host(
    envelope: Envelope,
    resolver: Resolver,
    policy: SpfPolicy,
    identity: SpfIdentity = SpfIdentity.MAILFROM,
    clock: Clock | None = None,
) -> Coroutine[Any, Any, SpfVerdict]:
    """The verdict on an identity of an envelope (RFC 7208 §2.3, §2.4).

    MAILFROM of a null or unknown reverse-path is that of postmaster at the HELO name.
    """
    client, helo, _ = envelope
    if client is None:
        return _no_client(identity)
    address = identity_address(envelope, identity)
    return evaluate(client, helo, address, resolver, policy, select_spf1, identity, clock)


def identity_address(envelope: Envelope, identity: SpfIdentity) -> tuple[bytes, bytes]:
    """The address that an identity stands for: a local part, which may be empty, and a domain (RFC 7208 §2.3, §2.4)."""
    if envelope.sender and identity is SpfIdentity.MAILFROM:
        local, _, domain = envelope.sender.rpartition(b"@")
        return local, domain
    return b"", envelope.helo


async def _no_client(identity: SpfIdentity) -> SpfVerdict:
    return SpfVerdict(SpfReason.NO_CLIENT, identity)


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

    `select` finds the record at each domain that is asked, also of include and redirect; it has to be a pure function,
    and the same object each time, since what it finds is kept. `identity` is for the verdict.
    """
    end = 0.0 if clock is None else clock() + policy.timeout
    helo, local, domain = helo[:MAX_NAME], address[0][:MAX_LOCAL_PART], address[1]
    key = (int(client), type(client), domain, select)
    got: list[Round] = []
    kept = KEPT.get(key)
    if kept is not None:  # most mail comes to this, so it calls little
        verdict, kept_policy, rounds, kept_local, kept_helo, by_local, by_helo, _ = kept
        same = local == kept_local
        fits = kept_policy is policy and (same or not by_local) and (not by_helo or helo == kept_helo)
        if fits and await _still_hold(rounds, got, resolver, clock, end):
            return verdict if same and verdict.identity is identity else _about(verdict, identity, local)
    asked = domain_to_ask(domain)
    if isinstance(asked, SpfReason):
        shown = printable_line(domain.decode("utf-8", "replace"), MAX_NAME)
        return _about(SpfVerdict(asked, identity, shown), identity, local)
    names = helo.decode("utf-8", "replace"), (local.decode("utf-8", "replace") or POSTMASTER, asked)
    walk = Walk(client, *names, Resumed(got, resolver) if got else resolver, policy, select, clock, end)
    verdict = await _evaluate(walk, identity)
    if KEPT.wants(key):
        _keep(key, walk, verdict, local, helo)
    return verdict


async def _still_hold(
    rounds: Sequence[Round], got: list[Round], resolver: Resolver, clock: Clock | None, end: float
) -> bool:
    """Whether all questions have the answers that they had. `got` takes in those of now, up to one that differs."""
    try:
        for questions, expected in rounds:
            if got and clock is not None and clock() > end:
                return False
            answers = await resolver.resolve(*questions)
            got.append((questions, answers))
            if answers != expected:
                return False
    except Exception:  # noqa: BLE001 - it comes again when this is evaluated, where there is a verdict for it
        return False
    return True


def _keep(key: Key, walk: Walk, verdict: SpfVerdict, local: bytes, helo: bytes) -> None:
    """Keeps an evaluation that another one like it can be compared with."""
    if walk.by_time or verdict.reason is SpfReason.INTERNAL_ERROR:
        return
    size = size_of(walk.rounds)
    KEPT.put(key, Evaluation(verdict, walk.policy, walk.rounds, local, helo, walk.by_local, walk.by_helo, size))


def _about(verdict: SpfVerdict, identity: SpfIdentity, local: bytes) -> SpfVerdict:
    """The verdict, about this identity and local part."""
    address = f"{local.decode('utf-8', 'replace') or POSTMASTER}@{verdict.domain}"
    return verdict._replace(identity=identity, sender=printable_line(address))


async def _evaluate(walk: Walk, identity: SpfIdentity) -> SpfVerdict:
    ended: Walk | Query = walk
    try:
        reason = await walk.run()
        if reason is None:
            reason, ended = await _judge_by_pyspf(walk)
    except Exception as error:  # noqa: BLE001 - a fault of ours, or of the resolver, is no reason to lose the mail
        reason, walk.detail = SpfReason.INTERNAL_ERROR, f"{type(error).__name__}: {error}"
    return SpfVerdict(
        reason,
        identity,
        walk.domain,
        printable_line(f"{walk.local}@{walk.domain}"),
        printable_line(ended.mechanism) if ended.mechanism else "",
        printable_line(ended.text) if ended.text else "",
        printable_line(ended.detail) if ended.detail else "",
        ended.lookups,
        ended.void_lookups,
    )


async def _judge_by_pyspf(walk: Walk) -> tuple[SpfReason, Walk | Query]:
    """Run pyspf again and again over the answers that are known, until it has all it asks for."""
    from exim_dkim.spf.pyspf import Query

    walk.by_local = walk.by_helo = True
    while True:
        query = Query(walk.client, walk.helo, (walk.local, walk.domain), walk.known, walk.policy, walk.select)
        reason = query.run()
        if not query.missing:
            walk.by_time = bool(query.text)
            return reason, query
        try:
            await walk.fetch(tuple(dict.fromkeys(query.missing)))
        except Stop as stop:
            walk.detail = stop.detail
            return stop.reason, walk


def domain_to_ask(domain: bytes) -> str | SpfReason:
    """The domain in the form of DNS, or why none can be asked (RFC 7208 §4.3; RFC 8616 §4 for U-labels)."""
    return _domain_to_ask(domain) if len(domain) <= _MAX_BYTES else SpfReason.DOMAIN_TOO_LONG


@functools.lru_cache(maxsize=1024)
def _domain_to_ask(domain: bytes) -> str | SpfReason:
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
