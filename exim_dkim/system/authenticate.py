"""Authenticates messages by every method that is wanted: `Authenticator`, which all front ends use.

Verification is staged as each method's own is: `begin` does the header stage of all methods at the same time (all DNS),
then the body is streamed once for those that need it, and `finish` gives the findings. Nothing is asked of DNS for a
method that nobody wants. A method that breaks, or that is not done when the time is over, does not take the others
along: it is `unfinished`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, assert_never

from exim_dkim.authentication import Authentication, Method
from exim_dkim.config.settings import Settings
from exim_dkim.config.spf import spf_policy
from exim_dkim.config.verification import domainkeys_policy, verification_policy
from exim_dkim.dkim import verify as dkim
from exim_dkim.domainkeys import verify as domainkeys
from exim_dkim.envelope import Envelope
from exim_dkim.errors import ConfigurationError
from exim_dkim.message import HeaderField
from exim_dkim.names import MAX_NAME
from exim_dkim.policy import DomainKeysPolicy, VerificationPolicy
from exim_dkim.resolver import Resolver
from exim_dkim.senderid.evaluate import SenderIdVerdict
from exim_dkim.senderid.evaluate import evaluate as evaluate_senderid
from exim_dkim.senderid.record import Scope
from exim_dkim.spf import SpfIdentity, SpfPolicy, SpfVerdict, check_host_or_guess
from exim_dkim.system.aside import Overload, is_large, step_aside
from exim_dkim.system.serving import place

INTERNAL = "internal error; see the log"


class Policies(NamedTuple):
    """How each method judges."""

    dkim: VerificationPolicy = VerificationPolicy()
    spf: SpfPolicy = SpfPolicy()
    senderid_spf1: bool = True
    domainkeys: DomainKeysPolicy = DomainKeysPolicy()


def policies(settings: Settings) -> Policies:
    """The policies that the options say; `ConfigurationError` when one makes no sense."""
    return Policies(
        verification_policy(settings),
        spf_policy(settings, host_name(settings)),
        settings.boolean("senderid_spf1"),
        domainkeys_policy(settings),
    )


def host_name(settings: Settings) -> str:
    """The name of this host: `primary_hostname`, or what the system says."""
    return settings.string("primary_hostname") or os.uname().nodename


def authserv_id(settings: Settings, host: str = "") -> str:
    """The name under which results are told (RFC 8601 §2.5); `ConfigurationError` for one that cannot be written.

    `host`: what the mail server calls itself; used where no option says it, if it can be.
    """
    name = settings.string("authserv_id") or settings.string("primary_hostname")
    if not name and can_be_authserv_id(host):
        return host
    name = name or os.uname().nodename
    if not can_be_authserv_id(name):
        text = f"authserv_id: {name!r} cannot be used; set a domain name"
        raise ConfigurationError(text, *settings.place("authserv_id"))
    return name


def can_be_authserv_id(name: str) -> bool:
    """Whether a name is one that a field can bear."""
    return name.isprintable() and len(name) <= MAX_NAME and any(map(str.isalnum, name))


Verification = dkim.Verification | domainkeys.Verification


class MessageAuthentication:
    """A message whose header has been looked at by every method, and whose body is still to come."""

    __slots__ = ("_found", "_open")

    def __init__(self, found: Authentication, open_: Mapping[Method, Verification]) -> None:
        """`open_`: the verifications that may need the body."""
        self._found = found
        self._open = open_

    @property
    def wants_body(self) -> bool:
        """False when every finding is known without the body."""
        return any(verification.wants_body for verification in self._open.values())

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body, in wire form, cut anywhere."""
        for verification in self._open.values():
            if verification.wants_body:
                verification.update(chunk)

    def finish(self) -> Authentication:
        """The findings."""
        return self._with(self._open)

    def without_body(self, why: str) -> Authentication:
        """The findings when the body cannot be had: what needs it is unfinished, for this reason."""
        known = {method: one for method, one in self._open.items() if not one.wants_body}
        missing = dict.fromkeys([method for method in self._open if method not in known], why)
        return self._with(known)._replace(unfinished={**self._found.unfinished, **missing})

    def _with(self, verifications: Mapping[Method, Verification]) -> Authentication:
        if not verifications:
            return self._found
        finished: dict[str, Any] = {method.field: one.finish() for method, one in verifications.items()}
        return self._found._replace(**finished)


class Authenticator:
    """Asks this resolver, judges by these policies. `clock`: seconds since the epoch. Faults of ours go to `log`."""

    def __init__(
        self, resolver: Resolver, policies: Policies, clock: Callable[[], float], log: logging.Logger | None = None
    ) -> None:
        self._resolver = resolver
        self._policies = policies
        self._clock = clock
        self._log = log or logging.getLogger("exim_dkim")

    async def spf(self, envelope: Envelope) -> SpfVerdict:
        """The verdict on the reverse-path (RFC 7208 §2.4), on the HELO name when that is null or unknown."""
        policy = self._policies.spf
        return await check_host_or_guess(envelope, self._resolver, policy, SpfIdentity.MAILFROM, self._clock)

    async def helo(self, envelope: Envelope) -> SpfVerdict:
        """The verdict on the HELO name (RFC 7208 §2.3)."""
        policy = self._policies.spf
        return await check_host_or_guess(envelope, self._resolver, policy, SpfIdentity.HELO, self._clock)

    async def senderid(
        self, fields: Sequence[HeaderField], envelope: Envelope, scope: Scope = Scope.PRA
    ) -> SenderIdVerdict:
        """The verdict on who is responsible for the message (RFC 4407), or on the reverse-path (RFC 4406 §4)."""
        policies = self._policies
        return await evaluate_senderid(
            fields, envelope, self._resolver, policies.spf, scope, spf1=policies.senderid_spf1, clock=self._clock
        )

    async def begin(
        self,
        fields: Sequence[HeaderField],
        envelope: Envelope,
        methods: Collection[Method],
        seconds: float | None = None,
    ) -> MessageAuthentication:
        """The header stage of all `methods`, at once. What takes longer than `seconds` is unfinished."""
        works: dict[Method, Coroutine[Any, Any, Any]] = {}
        resolver = self._resolver
        for method in methods:
            match method:
                case Method.DKIM | Method.DOMAINKEYS if is_large(fields):
                    works[method] = step_aside(partial(self._verify_header, fields, method), resolver)
                case Method.DKIM | Method.DOMAINKEYS:
                    works[method] = self._verify_header(fields, method, resolver)
                case Method.SPF:
                    works[method] = self.spf(envelope)
                case Method.SPF_HELO:
                    works[method] = self.helo(envelope)
                case Method.SENDERID:
                    works[method] = self.senderid(fields, envelope, Scope.PRA)
                case Method.SENDERID_MFROM:
                    works[method] = self.senderid(fields, envelope, Scope.MFROM)
                case _:
                    assert_never(method)
        done, unfinished = await _gather(works, seconds, self._log)
        verifications = {method: done.pop(method) for method in list(done) if method.wants_body}
        found = {method.field: finding for method, finding in done.items()}
        return MessageAuthentication(Authentication(envelope, unfinished=unfinished, **found), verifications)

    def _verify_header(
        self, fields: Sequence[HeaderField], method: Method, resolver: Resolver
    ) -> Coroutine[Any, Any, Verification]:
        if method is Method.DKIM:
            return dkim.verify_header(fields, resolver, self._policies.dkim, self._clock())
        return domainkeys.verify_header(fields, resolver, self._policies.domainkeys)


async def _gather(
    works: dict[Method, Coroutine[Any, Any, Any]], seconds: float | None, log: logging.Logger
) -> tuple[dict[Method, Any], dict[Method, str]]:
    """What the works came to, and why those that did not come to anything did not."""
    done: dict[Method, Any] = {}
    unfinished: dict[Method, str] = {}
    if seconds is None and len(works) == 1:  # the usual case, at a third of the cost
        ((method, work),) = works.items()
        try:
            done[method] = await work
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost a mail
            unfinished[method] = _broken(method, error, log)
        return done, unfinished
    tasks = {method: asyncio.ensure_future(work) for method, work in works.items()}
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=seconds)
    finally:
        for task in tasks.values():
            task.cancel()
    for method, task in tasks.items():
        if not task.done() or task.cancelled():
            unfinished[method] = f"not finished within {seconds:g}s" if seconds is not None else "interrupted"
        elif fault := task.exception():
            unfinished[method] = _broken(method, fault, log)
        else:
            done[method] = task.result()
    return done, unfinished


def _broken(method: Method, error: BaseException, log: logging.Logger) -> str:
    if isinstance(error, Overload):
        return str(error)
    log.error("internal error in %s: %s", method.value, place(error))
    return INTERNAL
