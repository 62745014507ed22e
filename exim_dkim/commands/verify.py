"""`exim-dkim verify`: the DKIM signatures of stored messages (RFC 6376 §6), each with its reason, and the others.

Messages are streamed: header, then body in chunks. An mbox of any size needs little memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import click

from exim_dkim.authentication import Method
from exim_dkim.commands.arguments import (
    ClientType,
    EpochType,
    config_option,
    define_option,
    dns_options,
    json_text,
    profile_option,
)
from exim_dkim.commands.breakage import Circumstances, explain
from exim_dkim.commands.configured import load_settings, make_resolver
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.failure import os_error_text
from exim_dkim.commands.output import Column, TableWriter, note, say
from exim_dkim.commands.progress import ProgressBar
from exim_dkim.commands.verify_report import ERROR, Report, report_object, report_rows
from exim_dkim.envelope import ClientAddress, Envelope
from exim_dkim.errors import ParseError
from exim_dkim.message import parse_header
from exim_dkim.resolver import Resolver
from exim_dkim.system.authenticate import Authenticator, Policies, policies
from exim_dkim.system.mailbox import QUOTINGS, STDIN, StoredMessage, read_messages, size_of
from exim_dkim.words import Key, Word, dkim_word, parse_key

COLUMNS = (
    Column("result"),
    Column("message", fold=True),
    Column("d=", fold=True),
    Column("s=", fold=True),
    Column("reason", fold=True),
)
WINDOW = 32
"""Messages that may wait for DNS at once."""

SMALL = 256 * 1024
"""A body up to so many bytes is held in memory while its message waits; a larger one is streamed."""

_EPILOG = """\b
Examples:
  exim-dkim verify message.eml
  exim-dkim verify --key example.org ~/Maildir /var/mail/alice
  exim-dkim verify --quiet /var/spool/exim4/input
  exim -Mvc 1xUw9H-00013Q-2i | exim-dkim verify - --json
  exim-dkim verify message.eml --ip 192.0.2.1 --sender alice@example.org
  exim-dkim verify old.mbox --now 1751360400 --dns-zone keys.zone

Off a terminal each line has five fields, separated by TABs: result, message, d=, s=, reason. The
result is good, bad, defer, unsigned or error; a line stands for one signature, or for a message
that has none. With --ip lines for SPF and Sender ID follow, whose results are words of RFC 8601,
with domainkeys_verify those of DomainKeys; their reasons begin with the method. With --json there
is one object a message.

A file with LF line ends is read as Exim's own files are (LF becomes CRLF); one with CRLF is taken
as it is.

\b
Exit status:
  0   every message is good: one of its DKIM signatures (for KEY) verifies
  1   a message is bad or unsigned, or could not be read
  2   wrong usage
  75  none of these, but the result of a message is defer: try again later
"""


class Judge(NamedTuple):
    """How messages are judged: by `methods`, as if they had come with this envelope."""

    resolver: Resolver
    policies: Policies
    now: float | None
    key: Key | None
    diagnose: bool = False
    envelope: Envelope = Envelope()
    methods: tuple[Method, ...] = (Method.DKIM,)

    async def report(self, message: StoredMessage) -> Report:
        """Verify one message; its body is read as far as that needs."""
        if message.problem:
            return Report(message.name, Word.UNVERIFIED, problem=message.problem)
        now = time.time() if self.now is None else self.now
        fields = parse_header(message.header)
        authenticator = Authenticator(self.resolver, self.policies, lambda: now)
        begun = await authenticator.begin(fields, self.envelope, self.methods)
        kept: list[bytes] = []
        if begun.wants_body or self.diagnose:
            for chunk in message.body:
                begun.update(chunk)
                if self.diagnose and sum(map(len, kept)) <= SMALL:
                    kept.append(chunk)
        found = begun.finish()
        if found.dkim is None:
            return Report(message.name, Word.DEFER, found, found.unfinished[Method.DKIM])
        has_from = any(field.name == b"from" for field in fields)
        report = Report(message.name, dkim_word(found.dkim, self.key), found, has_from=has_from)
        body = b"".join(kept)
        if not self.diagnose or len(body) > SMALL:
            return report
        again = Circumstances(self.resolver, self.policies.dkim, now)
        return report._replace(diagnoses=tuple([await explain(fields, body, verdict, again) for verdict in found.dkim]))


class KeyType(click.ParamType[Key]):
    """A domain or an identity."""

    name = "key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        """The key, or a usage error."""
        try:
            return parse_key(str(value).encode())
        except ParseError as error:
            self.fail(f"{value!r}: {error.message}; name a domain or user@domain", param, ctx)


@click.command(epilog=_EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a message.")
@click.option("--key", type=KeyType(), metavar="KEY", help="Judge by the signatures of this domain or identity only.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out the messages that are good.")
@click.option("--diagnose", is_flag=True, help="Undo usual changes to bad messages, to find what broke them.")
@click.option("--allow-unsigned", is_flag=True, help="Let unsigned messages count as good for the exit status.")
@click.option(
    "--mbox-quoting",
    "quoting",
    type=click.Choice(QUOTINGS),
    default="mboxo",
    show_default=True,
    help="How the mbox marks lines that begin with From: Exim writes mboxo.",
)
@click.option(
    "--ip", "client", type=ClientType(), metavar="ADDRESS", help="The client: judge by SPF and Sender ID too."
)
@click.option("--sender", metavar="ADDRESS", help='What it said with MAIL FROM; "" is the null sender.')
@click.option("--helo", metavar="NAME", help="What it said with HELO or EHLO.")
@click.option("--now", type=EpochType(), metavar="EPOCH", help="Judge as if it were this time, in seconds since 1970.")
@dns_options
@profile_option()
@config_option("Take the verification and DNS options from this file.")
@define_option()
def command(
    files: tuple[str, ...],
    as_json: bool,
    key: Key | None,
    quiet: bool,
    diagnose: bool,
    allow_unsigned: bool,
    quoting: str,
    client: ClientAddress | None,
    sender: str | None,
    helo: str | None,
    now: int | None,
    dns_zone: str | None,
    dns_server: tuple[str, ...],
    profile: str | None,
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Verify the DKIM signatures of messages, and what else tells who sent them.

    FILE is a message, an mbox, a Maildir directory, a message or all messages in Exim's queue (.../input/ID-H or
    .../input), or - for standard input.
    """
    if files.count(STDIN) > 1:
        raise click.UsageError("standard input (-) can be read only once")
    if client is None and (sender is not None or helo):
        raise click.UsageError("--sender and --helo say nothing without the client's address: --ip ADDRESS")
    settings = load_settings(config, macros, profile=profile)
    envelope = Envelope(client, encoded(helo), None if sender is None else encoded(sender))
    methods = tuple(wanted_methods(envelope, settings.boolean("domainkeys_verify")))
    resolver = make_resolver(settings, dns_zone, dns_server)
    judge = Judge(resolver, policies(settings), now, key, diagnose, envelope, methods)
    counts = asyncio.run(_run(judge, files, quoting, as_json, quiet))
    if not as_json and counts.total() > 1:
        note(", ".join(f"{count} {word}" for word, count in sorted(counts.items())))
    click.get_current_context().exit(exit_status(counts, allow_unsigned))


def encoded(text: str | None) -> bytes:
    """An argument as bytes; empty for none."""
    return (text or "").encode("utf-8", "surrogateescape")


def wanted_methods(envelope: Envelope, domainkeys: bool) -> Iterator[Method]:
    """What can be judged of messages that came with this envelope."""
    yield Method.DKIM
    if domainkeys:
        yield Method.DOMAINKEYS
    if envelope.client is None:
        return
    if envelope.helo:
        yield Method.SPF_HELO
    if envelope.sender is not None:
        yield Method.SPF
    yield Method.SENDERID


def exit_status(counts: Counter[str], allow_unsigned: bool) -> ExitStatus:
    """What the results, counted by word, come to."""
    unsigned = 0 if allow_unsigned else counts[Word.UNSIGNED.value]
    if unsigned or counts[Word.BAD.value] or counts[ERROR]:
        return ExitStatus.BAD
    return ExitStatus.TEMPORARY if counts[Word.DEFER.value] else ExitStatus.OK


async def _run(judge: Judge, files: Sequence[str], quoting: str, as_json: bool, quiet: bool) -> Counter[str]:
    """Print the report of every message; how many there were of each result."""
    counts: Counter[str] = Counter()
    sizes = [size_of(file) for file in files]
    table = TableWriter(COLUMNS)
    with ProgressBar(sum(filter(None, sizes)) if None not in sizes else None) as bar:
        async for report in _reports(judge, files, quoting, bar):
            counts[report.result] += 1
            if quiet and report.word is Word.GOOD:
                continue
            if as_json:
                bar.pause()
                say(json_text(report_object(report)))
                continue
            for row in report_rows(report, judge.key):
                table.add(*row)
            if table.full:
                bar.pause()
                table.flush()
    table.flush()
    return counts


async def _reports(judge: Judge, files: Sequence[str], quoting: str, bar: ProgressBar) -> AsyncIterator[Report]:
    """The reports, in order. While DNS is asked for one message, the next small ones are read and begun."""
    waiting: deque[asyncio.Task[Report]] = deque()
    for message in _messages(files, quoting, bar):
        start = _beginning(message)
        large = sum(map(len, start)) > SMALL
        if not large:
            waiting.append(asyncio.create_task(judge.report(message._replace(body=iter(start)))))
            await asyncio.sleep(0)  # let it ask
        while waiting and (large or waiting[0].done() or len(waiting) >= WINDOW):
            yield await waiting.popleft()
        if large:
            yield await judge.report(message._replace(body=chain(start, message.body)))
    while waiting:
        yield await waiting.popleft()


def _messages(files: Sequence[str], quoting: str, bar: ProgressBar) -> Iterator[StoredMessage]:
    for file in files:
        try:
            yield from read_messages(file, quoting, bar.advance)
        except OSError as error:
            yield StoredMessage(file, b"", iter(()), os_error_text(error).removeprefix(f"{file}: "))


def _beginning(message: StoredMessage) -> list[bytes]:
    """The body's first chunks: all of it when it is small."""
    chunks: list[bytes] = []
    size = 0
    while size <= SMALL and (chunk := next(message.body, b"")):
        chunks.append(chunk)
        size += len(chunk)
    return chunks
