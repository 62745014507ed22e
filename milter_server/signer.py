"""Signing: which messages, as whom, and the fields that come of it.

A message is signed when its client is ours (`origin`) and its author's domain is one that we sign for: it is in
milter_domains, or milter_key_list has a rule for it. Where neither is set, the dkim_ options alone decide, and a
signature is made only for authors at or below the signing domain. Nothing is ever signed for others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from exim_dkim.config.options import OPTIONS
from exim_dkim.errors import SigningError
from exim_dkim.expansion.value import Value
from exim_dkim.hashing import BodyHash, BodyHasher
from exim_dkim.message import HeaderField, parse_header
from exim_dkim.signing import (
    MAX_SIGNATURES,
    PlannedSignature,
    SigningPlan,
    is_strict,
    plan_signatures,
    signature_fields,
)
from exim_dkim.system.aside import aside, is_large
from milter_server.author import Author, NoAuthor, authors
from milter_server.configuration import (
    SIGNERS,
    SIGNING_DOMAIN,
    SIGNING_IDENTITY,
    SIGNING_KEY,
    SIGNING_SELECTOR,
    Configuration,
)
from milter_server.keylist import Rule
from milter_server.message import Transaction
from milter_server.sendmail_lists import as_delivered
from milter_server.variables import MilterEnvironment, takes_time


class NotSigned(Exception):
    """The message is not to be signed; the text says why."""


class Unsignable(Exception):
    """The message should have been signed and could not be. `defer`: it must not leave unsigned."""

    def __init__(self, error: SigningError, defer: bool | None) -> None:
        super().__init__(str(error))
        self.defer = defer


Variables = Mapping[bytes, bytes | Value]


class Identity(NamedTuple):
    """For whom a message is signed: its authors, and what the options know of them, for each time that it is signed."""

    authors: tuple[Author, ...]
    variables: tuple[Variables, ...]
    listed: bool


class Signing:
    """The signature of one message, while its body comes."""

    __slots__ = ("_body_hashes", "_fields", "_hasher", "_plan", "told")

    def __init__(self, plan: SigningPlan, fields: Sequence[HeaderField]) -> None:
        self._plan = plan
        self._fields = fields
        self._hasher = BodyHasher()
        self._body_hashes: tuple[BodyHash, ...] = plan.body_hashes(self._hasher)
        self.told = plan.signers

    def update(self, chunk: bytes) -> None:
        """The next piece of the body, in wire form."""
        self._hasher.update(chunk)

    def finish(self) -> list[bytes]:
        """The signature fields, in the order in which they stand on top of the message. Raises `SigningError`."""
        self._hasher.finish()
        made = signature_fields(self._plan, self._fields, self._body_hashes)
        return [field.raw for field in parse_header(made)]


class Signer:
    """Signs for one filter."""

    def __init__(self, configuration: Configuration, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since the epoch, for t= and x=."""
        self._configuration = configuration
        self._clock = clock
        settings = configuration.settings
        self._slow = any(takes_time(settings.text(name)) for name in _OPTIONS)

    def identify(self, fields: Sequence[HeaderField]) -> Identity:
        """Who the message is from, if that is somebody whom we sign for. Raises `NotSigned`."""
        try:
            found = authors(fields)
        except NoAuthor as error:
            raise NotSigned(str(error)) from None
        configuration = self._configuration
        if configuration.key_list is not None:
            return self._by_key_list(found)
        if configuration.domains is None:
            return Identity(found, ({},), listed=False)
        domains = [configuration.domains.signing_domain(author.domain) for author in found]
        for author, domain in zip(found, domains, strict=True):
            if domain is None:
                raise NotSigned(f"{author.domain} is not in milter_domains")
        assert domains[0] is not None
        name, literal = domains[0]
        return Identity(found, ({SIGNING_DOMAIN: Value(name.encode(), not literal)},), listed=True)

    def _by_key_list(self, found: tuple[Author, ...]) -> Identity:
        key_list = self._configuration.key_list
        assert key_list is not None
        firsts = [key_list.find(_local(author), author.domain) for author in found]
        for author, first in zip(found, firsts, strict=True):
            if first is None:
                raise NotSigned(f"milter_key_list has no rule for {author}")
        rules = [rule for rule in firsts[:1] if rule is not None]
        if self._configuration.settings.boolean("milter_multiple_signatures"):
            rules = key_list.find_all(_local(found[0]), found[0].domain)
        return Identity(found, tuple(_variables(rule, found[0]) for rule in rules), listed=True)

    async def begin(self, identity: Identity, fields: Sequence[HeaderField], transaction: Transaction) -> Signing:
        """As `begin_now`, in a thread where the options or the header take time."""
        if self._slow:
            return await asyncio.to_thread(self.begin_now, identity, fields, transaction)
        if is_large(fields):
            return await aside(partial(self.begin_now, identity, fields, transaction))
        return self.begin_now(identity, fields, transaction)

    def begin_now(self, identity: Identity, fields: Sequence[HeaderField], transaction: Transaction) -> Signing:
        """What is to be signed, before the body. Raises `NotSigned`, `Unsignable`."""
        settings, now = self._configuration.settings, self._clock()
        plans = []
        for variables in identity.variables:
            environment = MilterEnvironment(settings, fields, transaction, variables, now)
            try:
                plans.append(plan_signatures(settings, environment, fields, now, self._configuration.keys.read))
            except SigningError as error:
                strict = is_strict(settings, environment) if settings.is_set("dkim_strict") else None
                raise Unsignable(error, strict) from error
        plan = plans[0] if len(plans) == 1 else _together(plans)
        if not identity.listed:
            plan = _own_only(plan, identity.authors)
        if not plan.signs:
            raise NotSigned("; ".join(plan.notes) or "no option gives a domain to sign for")
        return Signing(plan, as_delivered(fields) if settings.boolean("milter_sendmail_lists") else fields)


_OPTIONS: Final = tuple(
    f"{prefix}_{part}"
    for prefix in SIGNERS.values()
    for part in ("domain", "selector", "private_key", "canon", "sign_headers", "hash", "identity", "timestamps")
    if f"{prefix}_{part}" in OPTIONS
)


def _own_only(plan: SigningPlan, found: Sequence[Author]) -> SigningPlan:
    """The plan without signatures for domains that are none of the authors'. (DomainKeys signs for its sender only.)"""
    kept, notes = [], list(plan.notes)
    for planned in plan.signatures:
        foreign = next((author for author in found if not author.domain.is_under(planned.request.domain)), None)
        if foreign is None:
            kept.append(planned)
        else:
            notes.append(f"not signed for {planned.request.domain}: the author is at {foreign.domain}")
    return plan._replace(signatures=tuple(kept), notes=tuple(notes))


def _local(author: Author) -> str:
    return author.local.decode("utf-8", "surrogateescape")


def _variables(rule: Rule, author: Author) -> Variables:
    """What a rule says of a message. An identity that is not under the signing domain says nothing."""
    domain = rule.domain or author.domain
    identity = rule.identity.replace("*", author.domain)
    host = identity.rpartition("@")[2].lower()
    if host != domain and not host.endswith(f".{domain}"):
        identity = ""
    return {
        SIGNING_DOMAIN: rule.domain.encode() if rule.domain else Value(author.domain.encode(), True),
        SIGNING_SELECTOR: rule.selector.encode(),
        SIGNING_KEY: rule.key_file.encode("utf-8", "surrogateescape"),
        SIGNING_IDENTITY: Value(identity.encode("utf-8", "surrogateescape"), True),
    }


def _together(plans: Sequence[SigningPlan]) -> SigningPlan:
    """All signatures of several plans, none of them twice; of DomainKeys there is one only, the first."""
    signatures: dict[object, PlannedSignature] = {}
    for planned in (planned for plan in plans for planned in plan.signatures):
        signatures.setdefault((planned.request.domain, planned.request.selector, planned.request.identity), planned)
    domainkeys = next((plan.domainkeys for plan in plans if plan.domainkeys is not None), None)
    notes = tuple(dict.fromkeys(note for plan in plans for note in plan.notes))
    kept = tuple(signatures.values())
    if len(kept) > MAX_SIGNATURES:
        raise Unsignable(SigningError(f"{len(kept)} rules fit; at most {MAX_SIGNATURES} signatures make sense"), None)
    return SigningPlan(kept, notes, domainkeys)
