"""The filter behind sid-filter, dk-filter, dkim-filter: signs what is ours, verifies the rest, records what it found.

Nothing of this module waits for anything but DNS (and, while it signs, for look-ups that an option makes).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from typing import Final

from exim_dkim.authentication import Authentication, Method, method_results
from exim_dkim.authres import FIELD_NAME, AuthenticationResults, format_authres
from exim_dkim.errors import SigningError
from exim_dkim.printable import one_line
from exim_dkim.system.aside import aside, is_large
from exim_dkim.system.authenticate import Authenticator, MessageAuthentication, host_name
from milter_server.actions import Action as Consequence
from milter_server.actions import Cause
from milter_server.author import NoAuthor, authors
from milter_server.configuration import Configuration
from milter_server.forgery import find_forged
from milter_server.handler import Answer, Filter, MessageHandler, Step
from milter_server.message import Header, Stage, Transaction
from milter_server.origin import FETCHED_MAIL, Origin, is_listed, origin_of
from milter_server.pop_before_smtp import PopBeforeSmtp, PopBeforeSmtpError
from milter_server.refusal import Refusal, consequence_of, refusal_text, response_to
from milter_server.reporting import Reporter
from milter_server.response import ACCEPT, CONTINUE, TEMPFAIL, Action, Changes, Response
from milter_server.results import (
    Told,
    field_fault,
    sender_deferred,
    sender_refused,
    sender_words,
    signature_cause,
)
from milter_server.signer import Identity, NotSigned, Signer, Signing, Unsignable
from milter_server.stamp import host_key, stamp

IDENTIFICATION: Final = {"sid-filter": "X-SenderID", "dk-filter": "X-DomainKeys", "dkim-filter": "X-DKIM"}
"""The field that `-h` adds."""

MACROS: Final = {
    Stage.CONNECT: ("j", "_", "{daemon_name}", "{daemon_addr}", "{daemon_port}"),
    Stage.MAIL: ("i", "{auth_type}", "{auth_authen}", "{auth_author}", "{tls_version}", "{cipher}", "{cert_subject}"),
}
"""What MTAs send anyway, but for TLS, and what has to be named when others are asked for (milter_macros)."""

VERSION: Final = metadata.version("exim-dkim")

log = logging.getLogger("milter_server")


class AuthenticationFilter(Filter):
    """One filter, by one configuration."""

    def __init__(
        self,
        configuration: Configuration,
        authenticator: Authenticator,
        clock: Callable[[], float] = time.time,
        reporter: Reporter | None = None,
    ) -> None:
        """`clock`: the time of signatures. `reporter`: what tells domains of signatures that fail, if anything does."""
        self.configuration = configuration
        self.reporter = reporter
        self.authenticator = authenticator
        self.name = configuration.name
        self.actions = Action.ADD_HEADERS
        if configuration.methods:
            self.actions |= Action.CHANGE_HEADERS
        holds = configuration.settings.boolean("milter_quarantine")
        if holds or Consequence.QUARANTINE in configuration.actions.values():
            self.actions |= Action.QUARANTINE
        if not configuration.signers and not any(method.wants_body for method in configuration.methods):
            self.unwanted |= Step.BODY
        self.signer = Signer(configuration, clock) if configuration.signers else None
        settings = configuration.settings
        self.pop_before_smtp = PopBeforeSmtp(settings) if settings.string("milter_pop_before_smtp") else None
        self.trusted = _trusted(configuration)
        if configuration.macros:
            own = [_written(name) for name, _ in configuration.macros]
            self.macros = {stage: [*needed, *own] for stage, needed in MACROS.items()}

    def begin(self, transaction: Transaction) -> MessageHandler:
        """A message of a peer is left alone."""
        if is_listed(self.configuration.peers, transaction.connection):
            return _LeftAlone(transaction)
        return _Message(self, transaction)

    def failed(self, transaction: Transaction | None, error: BaseException) -> Response:
        """What milter_actions says of internal trouble."""
        wanted = consequence_of(self.configuration.settings, self.configuration.actions[Cause.INTERNAL])
        return response_to(wanted, Refusal(451, "4.3.0", "temporary failure"))

    def say(self, transaction: Transaction, text: str, level: int) -> None:
        """Logs a line about a message."""
        address = transaction.connection.address.decode("ascii", "replace") or "local"
        sender = transaction.sender[:200].decode("utf-8", "backslashreplace")
        queue_id = transaction.queue_id.decode("ascii", "replace") or "-"
        log.log(level, "%s: %s [%s] F=<%s> %s", self.name, queue_id, address, sender, text)

    def authserv_id(self, transaction: Transaction) -> str:
        """Our name in Authentication-Results: the option, or the MTA's own name."""
        settings = self.configuration.settings
        name = settings.string("authserv_id")
        if not name:
            name = (transaction.macros.get("j") or b"").decode("utf-8", "replace")
        return name or host_name(settings)


def _written(name: str) -> str:
    """A macro's name as MTAs write it: in braces, but for those of one letter."""
    return name if len(name) == 1 else f"{{{name}}}"


def _trusted(configuration: Configuration) -> frozenset[str]:
    """The methods that filters before this one report, on other hosts: their fields are known by nothing else."""
    named = {item.lower().replace("_", "-") for item in configuration.settings.items("milter_trusted_results")}
    own = {method.word for method in configuration.methods}
    return frozenset({"sender-id" if item == "senderid" else item for item in named} - own)


class _LeftAlone(MessageHandler):
    """A message that is none of our business."""

    def sender(self) -> Answer:
        return ACCEPT


class _Message(MessageHandler):
    """One message."""

    __slots__ = ("_authentication", "_filter", "_forged", "_header", "_origin", "_signing")

    def __init__(self, owner: AuthenticationFilter, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._filter = owner
        self._header = Header((), False)
        self._origin = Origin()
        self._forged: list[int] = []
        self._signing: Signing | None = None
        self._authentication: MessageAuthentication | None = None

    # --- the header -------------------------------------------------------------------------------------------------

    async def end_of_headers(self, header: Header) -> Response:
        """Signs, or begins to verify."""
        self._header = header
        configuration = self._filter.configuration
        self._origin = await self._find_origin()
        if header.cut:
            return self._consequence(Cause.SECURITY, "the header is longer than can be looked at")
        if configuration.settings.boolean("milter_require_fields") and (fault := field_fault(header.fields)):
            return self._consequence(Cause.SECURITY, fault)
        if self._filter.signer is not None:
            answer = await self._sign(self._filter.signer)
            if answer is not None:
                return answer
        return await self._verify()

    async def _find_origin(self) -> Origin:
        """Whose mail it is. Where that cannot be said, a stranger's."""
        origin, clients = origin_of(self._filter.configuration, self.transaction), self._filter.pop_before_smtp
        if not origin.why and clients is not None:
            try:
                return FETCHED_MAIL if await clients.has(self._header.fields, self.transaction) else origin
            except PopBeforeSmtpError as error:
                self._log(f"counts as a stranger's: {error}", logging.ERROR)
        return origin

    async def _sign(self, signer: Signer) -> Response | None:
        """Begins to sign; None when the message is not to be signed."""
        ours = self._origin.why
        fields = self._header.fields
        if ours and self._filter.configuration.methods:
            self._forged = await aside(self._find_forged) if is_large(fields) else self._find_forged()
            if self._forged:  # what is deleted at the end must not be signed
                fields = self._header.without(FIELD_NAME, frozenset(self._forged)).fields
        try:
            identity = signer.identify(fields)
            if not ours:
                self._tell_stranger(identity)
                return None
            self._signing = await signer.begin(identity, fields, self.transaction)
        except NotSigned as error:
            if ours:
                self._say_why(f"not signed ({ours}): {error}")
            return None
        except Unsignable as error:
            return self._unsigned(error)
        return CONTINUE

    def _unsigned(self, error: Unsignable) -> Response:
        """A message that should have been signed: dkim_strict says what becomes of it; without it, milter_actions."""
        if error.defer is False:
            self._log(f"goes unsigned (dkim_strict is not set): {error}", logging.ERROR)
            return CONTINUE
        if error.defer:
            self._log(f"could not be signed, and dkim_strict is set: {error}", logging.ERROR)
            return TEMPFAIL
        return self._consequence(Cause.INTERNAL, f"could not be signed: {error}")

    def _tell_stranger(self, identity: Identity) -> None:
        """Somebody who is not one of ours writes as one of ours."""
        configuration = self._filter.configuration
        if identity.listed and not is_listed(configuration.external_hosts, self.transaction.connection):
            author = identity.authors[0]
            self._log(f"comes as {author} from a host that is not internal, and is not signed", logging.WARNING)

    async def _verify(self) -> Response:
        configuration, transaction = self._filter.configuration, self.transaction
        methods = configuration.methods
        if self._origin.submitted:
            methods = tuple(method for method in methods if method.wants_body)
        if not methods or self._is_exempt():
            return CONTINUE
        self._authentication = await self._filter.authenticator.begin(
            self._header.fields, transaction.envelope, methods
        )
        return CONTINUE

    def _is_exempt(self) -> bool:
        exempt = self._filter.configuration.exempt_domains
        if not exempt:
            return False
        domains = [self.transaction.sender.rpartition(b"@")[2].decode("utf-8", "replace").lower()]
        with suppress(NoAuthor):
            domains += [author.domain for author in authors(self._header.fields)]
        return any(exempt.signing_domain(domain) is not None for domain in domains)

    # --- the body and the end ---------------------------------------------------------------------------------------

    def body(self, chunk: bytes) -> Answer:
        """The body is hashed as it comes."""
        if self._signing is not None:
            self._signing.update(chunk)
        elif self._authentication is not None and self._authentication.wants_body:
            self._authentication.update(chunk)
        return CONTINUE

    def end_of_message(self, changes: Changes) -> Answer:
        """Puts the fields in, and says what becomes of the message."""
        if self._filter.configuration.methods and self._signing is None:
            if is_large(self._header.fields):
                return self._end_aside(changes)
            self._forged = self._find_forged()  # some MTAs have told their queue id only now
        return self._end(changes)

    async def _end_aside(self, changes: Changes) -> Response:
        self._forged = await aside(self._find_forged)
        return self._end(changes)

    def _end(self, changes: Changes) -> Response:
        configuration = self._filter.configuration
        response = CONTINUE if self._signing is None else self._put_signatures(self._signing, changes)
        if self._forged:
            self._remove_forged(changes)
        if self._authentication is not None:
            response = self._put_results(self._authentication.finish(), changes)
        if configuration.settings.boolean("milter_identification") and not response.final:
            changes.insert_field(self._identification())
        return response

    def _put_signatures(self, signing: Signing, changes: Changes) -> Response:
        try:
            fields = signing.finish()
        except SigningError as error:
            return self._unsigned(Unsignable(error, None))
        for field in reversed(fields):
            changes.insert_field(field)
        self._log(f"signed {signing.told}")
        return CONTINUE

    def _find_forged(self) -> list[int]:
        authserv_id = self._filter.authserv_id(self.transaction)
        return find_forged(self._header, self.transaction, authserv_id, self._filter.trusted)

    def _remove_forged(self, changes: Changes) -> None:
        for number in self._forged:
            changes.delete_field(number, b"Authentication-Results")
        authserv_id = one_line(self._filter.authserv_id(self.transaction), 100)
        self._log(f"{len(self._forged)} forged Authentication-Results of {authserv_id} removed")

    def _put_results(self, found: Authentication, changes: Changes) -> Response:
        authserv_id = self._filter.authserv_id(self.transaction)
        wanted = self._filter.configuration.methods
        told = {method: method_results(found, method) for method in Method if method in wanted}
        results = tuple(one for said in told.values() for one in said)
        field = format_authres(AuthenticationResults(authserv_id, results))
        changes.insert_field(field + stamp(self.transaction, authserv_id, field, host_key()))
        consequence, refusal = self._judge(found, told)
        words = " ".join(f"{one.method}={one.result}" for one in results)
        self._log(one_line(words, 500) + ("" if consequence is Consequence.ACCEPT else f" -> {consequence.value}"))
        if consequence is Consequence.QUARANTINE:
            changes.quarantine(refusal.text)
        if self._filter.reporter is not None and not self._origin.submitted:
            self._filter.reporter.consider(self.transaction, authserv_id, self._header.fields, found, consequence)
        return response_to(consequence, refusal)

    def _judge(self, found: Authentication, told: Told) -> tuple[Consequence, Refusal]:
        """What becomes of a message for what was found."""
        configuration = self._filter.configuration
        consequence, refusal = Consequence.ACCEPT, Refusal(550, "5.7.0", "")
        mode = configuration.reject_mode
        cause = signature_cause(found, told)
        if cause is not None:
            consequence = configuration.actions[cause]
            refusal = refusal_text(configuration.settings, cause, found, self.transaction)
        if consequence is Consequence.ACCEPT and mode and not self._origin.why:
            spf, senderid = sender_words(found)
            if not configuration.settings.boolean("milter_dns_softfail") and sender_deferred(mode, spf, senderid):
                consequence, refusal = Consequence.TEMPFAIL, Refusal(451, "4.7.24", "SPF or Sender ID: the DNS failed")
            elif sender_refused(mode, spf, senderid):
                consequence = Consequence.REJECT
                refusal = refusal_text(configuration.settings, None, found, self.transaction)
        return consequence_of(configuration.settings, consequence), refusal

    # --- words ------------------------------------------------------------------------------------------------------

    def _consequence(self, cause: Cause, why: str) -> Response:
        """What milter_actions says of trouble with the message as a whole."""
        configuration = self._filter.configuration
        wanted = configuration.actions[cause]
        if wanted is Consequence.QUARANTINE:
            wanted = Consequence.TEMPFAIL  # there is nothing to hold yet
        consequence = consequence_of(configuration.settings, wanted)
        self._log(f"{why} -> {consequence.value}", logging.ERROR if cause is Cause.INTERNAL else logging.WARNING)
        permanent = consequence is Consequence.REJECT
        return response_to(consequence, Refusal(550 if permanent else 451, "5.6.0" if permanent else "4.3.0", why))

    def _identification(self) -> bytes:
        name = IDENTIFICATION.get(self._filter.name, "X-Sender-Authentication")
        host = self._filter.authserv_id(self.transaction)
        queue_id = self.transaction.queue_id.decode("ascii", "replace")
        return one_line(f"{name}: exim-dkim {self._filter.name} {VERSION} {host} {queue_id}", 500).encode("utf-8")

    def _say_why(self, text: str) -> None:
        if self._filter.configuration.settings.boolean("milter_log_why"):
            self._log(text, logging.WARNING)

    def _log(self, text: str, level: int = logging.INFO) -> None:
        """One line about this message; those that are no warning can be switched off."""
        if level > logging.INFO or not self._filter.configuration.settings.boolean("milter_quiet"):
            self._filter.say(self.transaction, text, level)
