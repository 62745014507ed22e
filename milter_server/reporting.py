"""Reports failed signatures to domains that ask for it (`-R`, milter_reports; `exim_dkim.reports`).

Everything happens after the MTA has its answer, in a task of its own: the question to DNS, the report, its delivery.
Nothing of that can delay, fail or change mail. Tasks are few, what is sent is bounded (`ReportLimits`), and no report
is made for mail that is an answer itself, that our own users submit, or that will come again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Final, NamedTuple

from exim_dkim.authentication import Authentication
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError, ParseError
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain, split_address
from exim_dkim.printable import one_line
from exim_dkim.reports import Failure, FailureReport, failures, find_recipient, format_report, is_answerable
from exim_dkim.reports.record import parse_own_address
from exim_dkim.reports.redact import redact, told_fields
from exim_dkim.resolver import Resolver
from exim_dkim.system.authenticate import host_name
from exim_dkim.system.serving import place
from milter_server.actions import Action
from milter_server.message import Transaction
from milter_server.report_delivery import Delivery, DeliveryError, parse_command, parse_server
from milter_server.report_limits import ReportLimits
from milter_server.stamp import host_key

MAX_TASKS: Final = 20
"""Reports that may be under way; further ones are dropped."""
SECONDS: Final = 300.0
"""Longest life of a task, whatever it waits for."""

USER_AGENT: Final = f"exim-dkim/{metadata.version('exim-dkim')}"

DELIVERY: Final = {Action.REJECT: "reject", Action.DISCARD: "policy", Action.QUARANTINE: "policy"}
"""Delivery-Result (RFC 6591 §3.2.2). Of mail that passes here nobody knows where it ends: nothing is said."""

log = logging.getLogger("milter_server")


class Case(NamedTuple):
    """A message whose failures may be reported."""

    label: str
    authserv_id: str
    sender: bytes
    client: str
    arrived: float
    fields: Sequence[HeaderField]
    delivery: str


class Reporter:
    """Reports for one filter. `limits` outlive it, when the configuration is read again."""

    def __init__(self, settings: Settings, name: str, resolver: Resolver, limits: ReportLimits | None = None) -> None:
        """`ConfigurationError` for options that make no sense."""
        self.name = name
        self.tasks: set[asyncio.Task[None]] = set()
        self.delivery = delivery_of(settings)
        self._from = _report_from(settings)
        self._resolver = resolver
        self._key = host_key() or os.urandom(16)
        overall, per_domain = settings.integer("milter_report_limit"), settings.integer("milter_report_domain_limit")
        self.limits = limits or ReportLimits(overall, per_domain)
        self.limits.overall, self.limits.per_domain = overall, per_domain

    def consider(
        self,
        transaction: Transaction,
        authserv_id: str,
        fields: Sequence[HeaderField],
        found: Authentication,
        consequence: Action,
    ) -> None:
        """Begins to report what failed of a message that is answered with `consequence`. Never raises, never waits."""
        try:
            self._consider(transaction, authserv_id, fields, found, consequence)
        except Exception as error:  # noqa: BLE001 - a report is never worth more than a line in the log
            log.error("%s: internal error in a report: %s", self.name, place(error))

    def _consider(
        self,
        transaction: Transaction,
        authserv_id: str,
        fields: Sequence[HeaderField],
        found: Authentication,
        consequence: Action,
    ) -> None:
        if consequence is Action.TEMPFAIL or not is_answerable(fields, transaction.sender):
            return
        wanted = [one for one in failures(found) if self.limits.permits(one.domain, time.monotonic())]
        if not wanted:
            return
        client = transaction.connection.client
        case = Case(
            one_line(transaction.queue_id.decode("ascii", "replace"), 100) or "-", authserv_id, transaction.sender,
            str(client or ""), time.time(), tuple(fields), DELIVERY.get(consequence, ""),
        )  # fmt: skip
        for failure in wanted:
            self._begin(case, failure)

    def _begin(self, case: Case, failure: Failure) -> None:
        if len(self.tasks) >= MAX_TASKS:
            log.warning("%s: %s: too much is being reported; nothing to %s", self.name, case.label, failure.domain)
            return
        task = asyncio.get_running_loop().create_task(self._report(case, failure))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _report(self, case: Case, failure: Failure) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await self._report_now(case, failure)
        except DeliveryError as error:
            self._complain(case, failure, str(error))
        except TimeoutError:
            self._complain(case, failure, f"it took longer than {SECONDS:g} seconds")
        except Exception as error:  # noqa: BLE001 - as above
            self._complain(case, failure, f"internal error: {place(error)}")

    async def _report_now(self, case: Case, failure: Failure) -> None:
        recipient = await find_recipient(failure, self._resolver, secrets.randbelow(100))
        now = time.monotonic()
        if recipient is None or not self.limits.permits(failure.domain, now):
            return
        report = FailureReport(
            failure, self._from, recipient, case.authserv_id, case.arrived,
            redact(case.sender, failure.domain, self._key), case.client, case.delivery,
            self.limits.count(failure.domain, now), told_fields(case.fields, failure, self._key), USER_AGENT,
        )  # fmt: skip
        await self.delivery.send(format_report(report, time.time(), os.urandom(12).hex()), recipient)
        log.info("%s: %s: failed signature of %s reported to %s", self.name, case.label, failure.domain, recipient)

    def _complain(self, case: Case, failure: Failure, why: str) -> None:
        log.error("%s: %s: no report to %s: %s", self.name, case.label, failure.domain, one_line(why, 500))


def _report_from(settings: Settings) -> str:
    option = "milter_report_from"
    written = settings.string(option)
    address = written or f"postmaster@{host_name(settings)}"
    try:
        domain = split_address(address.encode())[1]
        return parse_own_address(address.encode(), Domain(domain))
    except (ParseError, UnicodeError):
        what = f"{address!r} is not an address" if written else f"{address!r} cannot be used; set milter_report_from"
        raise ConfigurationError(f"{option}: {what}", *settings.place(option)) from None


def delivery_of(settings: Settings) -> Delivery:
    """How reports leave. `ConfigurationError`."""
    server, option = settings.string("milter_report_server"), "milter_report_command"
    try:
        if server:
            option = "milter_report_server"
            return parse_server(server, host_name(settings))
        return parse_command(settings.string(option))
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}", *settings.place(option)) from None
