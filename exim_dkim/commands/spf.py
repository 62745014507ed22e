"""`exim-dkim spf`: may this client send mail for this domain (RFC 7208)? With the reason, and every DNS answer used."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence

import click

from exim_dkim.commands.arguments import ClientType, config_option, define_option, dns_options, json_text
from exim_dkim.commands.configured import load_settings, make_resolver
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.failure import Failure
from exim_dkim.commands.output import Column, TableWriter, say
from exim_dkim.commands.spf_report import STATUSES, Tracer, evaluation_object, show_trace
from exim_dkim.config.spf import spf_policy
from exim_dkim.envelope import ClientAddress, Envelope, parse_client
from exim_dkim.errors import ParseError
from exim_dkim.resolver import Answer, Resolver
from exim_dkim.spf import SpfIdentity, SpfPolicy, SpfVerdict, check_host_or_guess
from exim_dkim.spf.evaluate import domain_to_ask
from exim_dkim.system.authenticate import host_name

COLUMNS = (
    Column("result"),
    Column("identity"),
    Column("domain", fold=True),
    Column("mechanism", fold=True),
    Column("look-ups"),
    Column("reason", fold=True),
    Column("explanation", fold=True),
)

WORST_FIRST = (ExitStatus.BAD, ExitStatus.TEMPORARY, ExitStatus.UNSIGNED, ExitStatus.OK)

WINDOW = 32
"""Lines of a file that may wait for DNS at once."""

_EPILOG = """\b
Examples:
  exim-dkim spf --ip 192.0.2.1 --sender alice@example.org \\
      --helo mail.example.org
  exim-dkim spf --ip 2001:db8::25 --sender alice@example.org --trace
  exim-dkim spf --ip 192.0.2.1 --helo mail.example.org
  exim-dkim spf --file clients    (lines: 192.0.2.1 <a@example.org> HELO)
  exim-dkim spf --ip 192.0.2.1 --sender a@example.org --record "v=spf1 mx"
  exim-dkim spf --ip 192.0.2.1 --sender alice@example.org --dns-zone zone

Off a terminal each line has seven fields, separated by TABs: result, identity, domain, mechanism
that matched, DNS look-ups counted by RFC 7208, reason, explanation of the domain; - stands for
nothing. There is a line for helo, if it was given, then one for mailfrom. With --trace lines of
four fields follow: dns, name, type, answer. With --file there is an eighth field, the line that was
read.

\b
Exit status, by the mailfrom identity where it was judged; with --file
the first of 1, 75, 3 and 0 that a line comes to:
  0   pass
  1   fail, softfail, neutral or permerror
  2   wrong usage
  3   none: there is no record
  75  temperror: try again later
  78  fault in the configuration file
"""


@click.command(epilog=_EPILOG)
@click.option("--ip", "client", type=ClientType(), metavar="ADDRESS", help="The client's address.")
@click.option("--sender", metavar="ADDRESS", help='What it says with MAIL FROM; "" is the null sender.')
@click.option("--helo", metavar="NAME", help="What it says with HELO or EHLO.")
@click.option("--file", "batch", metavar="FILE", type=click.Path(allow_dash=True), help="Judge every line of FILE.")
@click.option("--record", metavar="TEXT", help="Take this for the record of the sender's (or the HELO) domain.")
@click.option("--trace", is_flag=True, help="Show every DNS answer that was used, in order.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an identity.")
@dns_options
@config_option("Take the SPF and DNS options from this file.")
@define_option()
def command(
    client: ClientAddress | None,
    sender: str | None,
    helo: str | None,
    batch: str | None,
    record: str | None,
    trace: bool,
    as_json: bool,
    dns_zone: str | None,
    dns_server: tuple[str, ...],
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Judge by SPF what a client claims.

    Both its HELO name and its MAIL FROM are judged, where they are given; one of the two must be. With --file each line
    has an address, a sender (<> is the null one) and perhaps a HELO name, with blanks or TABs between.
    """
    settings = load_settings(config, macros)
    resolver = make_resolver(settings, dns_zone, dns_server)
    policy = spf_policy(settings, host_name(settings))
    if batch is not None:
        if client or sender is not None or helo or record is not None or trace:
            raise click.UsageError("with --file, address, sender and HELO name are in FILE; it cannot be traced")
        click.get_current_context().exit(asyncio.run(_judge_lines(batch, resolver, policy, as_json)))
    if client is None:
        raise click.UsageError("name the client's address with --ip, or a --file")
    if sender is None and not helo:
        raise click.UsageError("name a --sender or a --helo name, or both")
    envelope = Envelope(client, _bytes(helo), None if sender is None else _bytes(sender))
    tracer = Tracer(resolver)
    if record is not None:
        domain = domain_to_ask((envelope.sender or b"").rpartition(b"@")[2] or envelope.helo)
        if isinstance(domain, str):
            tracer.pretend(domain, _bytes(record))
    _tell(asyncio.run(_judge(envelope, tracer, policy)), tracer.answers if trace else None, as_json)


def _tell(verdicts: Sequence[SpfVerdict], answers: Sequence[Answer] | None, as_json: bool) -> None:
    """Print the verdicts on one envelope, and leave."""
    if as_json:
        for verdict in verdicts:
            say(json_text(verdict_object(verdict, answers)))
    else:
        table = TableWriter(COLUMNS, upright=True)
        for verdict in verdicts:
            table.add(*verdict_row(verdict))
        table.flush()
        show_trace(answers or ())
    click.get_current_context().exit(STATUSES[verdicts[-1].result])


def _bytes(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogateescape")


async def _judge(envelope: Envelope, resolver: Resolver, policy: SpfPolicy) -> list[SpfVerdict]:
    """The identities that there are, HELO first; one after the other, so that a trace is in order."""
    identities = [SpfIdentity.HELO] if envelope.helo else []
    if envelope.sender is not None:
        identities.append(SpfIdentity.MAILFROM)
    return [await check_host_or_guess(envelope, resolver, policy, identity, time.time) for identity in identities]


async def _judge_lines(file: str, resolver: Resolver, policy: SpfPolicy, as_json: bool) -> ExitStatus:
    """Print the verdicts on every line of a file, in order, while the next lines are judged; what they come to."""
    table = TableWriter((*COLUMNS, Column("line", fold=True)))
    waiting: deque[tuple[str, asyncio.Task[list[SpfVerdict]]]] = deque()
    statuses = {ExitStatus.OK}

    async def tell_next() -> None:
        line, task = waiting.popleft()
        verdicts = await task
        statuses.add(STATUSES[verdicts[-1].result])
        for verdict in verdicts:
            if as_json:
                say(json_text({"line": line, **verdict_object(verdict, None)}))
            else:
                table.add(*verdict_row(verdict), line)
        if table.full:
            table.flush()

    for line, envelope in _lines(file):
        waiting.append((line, asyncio.create_task(_judge(envelope, resolver, policy))))
        while len(waiting) >= WINDOW:
            await tell_next()
    while waiting:
        await tell_next()
    table.flush()
    return next(status for status in WORST_FIRST if status in statuses)


def _lines(file: str) -> Iterator[tuple[str, Envelope]]:
    """The lines and the envelopes in them; `Failure` for a line that has none, or when the file cannot be read."""
    try:
        with click.open_file(file, encoding="utf-8", errors="surrogateescape") as stream:
            for number, line in enumerate(stream, 1):
                words = line.split()
                if not words or words[0].startswith("#"):
                    continue
                if len(words) not in (2, 3):
                    raise Failure(f"{file}:{number}: want ADDRESS SENDER [HELO]", ExitStatus.USAGE)
                try:
                    client = parse_client(_bytes(words[0]))
                except ParseError as error:
                    raise Failure(f"{file}:{number}: {words[0]!r} is {error.message}", ExitStatus.USAGE) from None
                sender = words[1].removeprefix("<").removesuffix(">")
                yield " ".join(words), Envelope(client, _bytes("".join(words[2:])), _bytes(sender))
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}; name a file that this user can read, or -") from None


def verdict_row(verdict: SpfVerdict) -> tuple[str, ...]:
    """One identity as the cells of `COLUMNS`."""
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return (
        verdict.result.value,
        verdict.identity.value,
        verdict.domain or "-",
        verdict.mechanism or "-",
        str(verdict.lookups),
        verdict.reason.text + detail,
        verdict.text or "-",
    )


def verdict_object(verdict: SpfVerdict, answers: Sequence[Answer] | None) -> dict[str, object]:
    """One identity for JSON; `reason` is a name that never changes."""
    about = {"identity": verdict.identity.value, "domain": verdict.domain or None, "sender": verdict.sender or None}
    return evaluation_object(verdict, about, answers)
