"""`exim-dkim senderid`: may this client send mail for whoever the message says is responsible (RFC 4406)? And why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import click

from exim_dkim.commands.arguments import ClientType, config_option, define_option, dns_options, json_text
from exim_dkim.commands.configured import load_settings, make_resolver
from exim_dkim.commands.messages import queued_message, read_header
from exim_dkim.commands.output import Column, TableWriter, say
from exim_dkim.commands.spf_report import STATUSES, Tracer, evaluation_object, show_trace
from exim_dkim.config.settings import Settings
from exim_dkim.config.spf import spf_policy
from exim_dkim.envelope import ClientAddress, Envelope
from exim_dkim.message import HeaderField
from exim_dkim.resolver import Answer, Resolver
from exim_dkim.senderid.evaluate import Identity, SenderIdVerdict, evaluate, find_identity
from exim_dkim.senderid.pra import NoPra
from exim_dkim.senderid.record import Scope
from exim_dkim.spf import SpfPolicy
from exim_dkim.system.authenticate import host_name

COLUMNS = (
    Column("result"),
    Column("scope"),
    Column("field"),
    Column("address", fold=True),
    Column("mechanism", fold=True),
    Column("look-ups"),
    Column("reason", fold=True),
    Column("explanation", fold=True),
)

_EPILOG = """\b
Examples:
  exim-dkim senderid message.eml --ip 192.0.2.1
  exim-dkim senderid message.eml --ip 192.0.2.1 --scope pra --scope mfrom \\
      --sender alice@example.org --helo mail.example.org
  exim-dkim senderid --spool 1xUw9H-00013Q-2i --trace
  exim-dkim senderid message.eml --ip 192.0.2.1 \\
      --record "v=spf1 mx -all" --record "spf2.0/pra ?all"
  exim-dkim senderid message.eml --ip 192.0.2.1 --dns-zone zone --json

Off a terminal each line has eight fields, separated by TABs: result, scope, the header field that
says who is responsible (with mfrom: -), the address, mechanism that matched, DNS look-ups counted
by RFC 7208, reason, explanation of the domain; - stands for nothing. With --trace lines of four
fields follow: dns, name, type, answer.

\b
Exit status, by the last line:
  0   pass
  1   fail, softfail, neutral or permerror; or the message cannot be read
  2   wrong usage
  3   none: there is no record
  75  temperror: try again later
  78  fault in the configuration file
"""


@click.command(epilog=_EPILOG)
@click.argument("file", required=False, metavar="FILE", type=click.Path(allow_dash=True))
@click.option("--spool", "message_id", metavar="ID", help="Judge a message in Exim's queue, with the envelope it has.")
@click.option("--ip", "client", type=ClientType(), metavar="ADDRESS", help="The client's address.")
@click.option("--sender", metavar="ADDRESS", help='What it says with MAIL FROM; "" is the null sender.')
@click.option("--helo", metavar="NAME", help="What it says with HELO or EHLO.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=(Scope.PRA.value,),
    show_default=True,
    help="Judge who is responsible (pra) or MAIL FROM (mfrom); may be repeated.",
)
@click.option(
    "--record", "records", multiple=True, metavar="TEXT", help="Take this for a record of the domain; may be repeated."
)
@click.option("--trace", is_flag=True, help="Show every DNS answer that was used, in order.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a scope.")
@dns_options
@config_option("Take the SPF and DNS options from this file.")
@define_option()
def command(
    file: str | None,
    message_id: str | None,
    client: ClientAddress | None,
    sender: str | None,
    helo: str | None,
    scopes: tuple[str, ...],
    records: tuple[str, ...],
    trace: bool,
    as_json: bool,
    dns_zone: str | None,
    dns_server: tuple[str, ...],
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Judge by Sender ID who a message says is responsible for it.

    FILE is a message, or - for standard input; its header is enough. Who is responsible is said by the first of
    Resent-Sender, Resent-From, Sender and From that it has (RFC 4407).
    """
    if (file is None) == (message_id is None):
        raise click.UsageError("name one message: FILE, or --spool ID")
    settings = load_settings(config, macros)
    claimed = Envelope(client, _bytes(helo), None if sender is None else _bytes(sender))
    if message_id is not None:
        fields, envelope = _queued(settings, message_id, claimed)
    else:
        if client is None:
            raise click.UsageError("name the client that brought the message: --ip ADDRESS")
        if Scope.MFROM.value in scopes and sender is None and not helo:
            raise click.UsageError("--scope mfrom: name a --sender or a --helo name, or both")
        fields, envelope = read_header(str(file)), claimed
    resolver = Tracer(make_resolver(settings, dns_zone, dns_server))
    wanted = [Scope(scope) for scope in dict.fromkeys(scopes)]
    if records:
        _pretend(resolver, [find_identity(fields, envelope, scope) for scope in wanted], records)
    judge = _Judge(fields, envelope, resolver, spf_policy(settings, host_name(settings)), settings)
    verdicts = asyncio.run(judge.verdicts(wanted))
    _tell(verdicts, resolver.answers if trace else None, as_json)
    click.get_current_context().exit(STATUSES[verdicts[-1].result])


def _bytes(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogateescape")


def _queued(settings: Settings, message_id: str, claimed: Envelope) -> tuple[Sequence[HeaderField], Envelope]:
    """A message in Exim's queue, with the envelope it has but for what is claimed."""
    fields, found = queued_message(settings, message_id)
    sender = found.sender if claimed.sender is None else claimed.sender
    return fields, Envelope(claimed.client or found.client, claimed.helo or found.helo, sender)


def _pretend(resolver: Tracer, identities: Sequence[Identity | NoPra], records: Sequence[str]) -> None:
    """Let these be the records of every domain that is judged."""
    for identity in identities:
        if isinstance(identity, Identity):
            resolver.pretend(identity.domain.decode("utf-8", "replace"), *map(_bytes, records))


class _Judge(NamedTuple):
    """All that a verdict depends on."""

    fields: Sequence[HeaderField]
    envelope: Envelope
    resolver: Resolver
    policy: SpfPolicy
    settings: Settings

    async def verdicts(self, scopes: Sequence[Scope]) -> list[SenderIdVerdict]:
        """One after the other, so that a trace is in order."""
        spf1 = self.settings.boolean("senderid_spf1")
        about = (self.fields, self.envelope, self.resolver, self.policy)
        return [await evaluate(*about, scope, spf1=spf1, clock=time.time) for scope in scopes]


def _tell(verdicts: Sequence[SenderIdVerdict], answers: Sequence[Answer] | None, as_json: bool) -> None:
    if not as_json:
        _show(verdicts, answers or ())
        return
    for verdict in verdicts:
        say(json_text(verdict_object(verdict, answers)))


def _show(verdicts: Sequence[SenderIdVerdict], answers: Sequence[Answer]) -> None:
    table = TableWriter(COLUMNS, upright=True)
    for verdict in verdicts:
        detail = f" ({verdict.detail})" if verdict.detail else ""
        table.add(
            verdict.result.value,
            verdict.scope.value,
            verdict.field or "-",
            verdict.address or "-",
            verdict.mechanism or "-",
            str(verdict.lookups),
            verdict.reason.text + detail,
            verdict.text or "-",
        )
    table.flush()
    show_trace(answers)


def verdict_object(verdict: SenderIdVerdict, answers: Sequence[Answer] | None = None) -> dict[str, object]:
    """One scope for JSON; `reason` is a name that never changes."""
    about = {
        "scope": verdict.scope.value,
        "field": verdict.field or None,
        "address": verdict.address or None,
        "domain": verdict.domain or None,
    }
    return evaluation_object(verdict, about, answers)
