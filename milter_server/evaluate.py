"""`-t FILES` of dkim-filter 2.8.3: what the filter does with messages in files, told on standard output.

It is the very filter, at the other end of a session in this process, which is told what an MTA would tell it of a
message that a program on this host has sent: client 127.0.0.1, which here is internal and no peer; the sender is that
of the Return-Path field, else the first author; there are no recipients and no macros. Without a queue id a field has
no stamp (`stamp.py`).
"""

from __future__ import annotations

import asyncio
import enum
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from exim_dkim.authres import FIELD_NAME, parse_authres
from exim_dkim.domainkeys.signature import FIELD_NAME as DOMAINKEYS_FIELD
from exim_dkim.errors import ParseError
from exim_dkim.message import HeaderField, is_well_formed, parse_header
from exim_dkim.printable import one_line
from exim_dkim.system.authenticate import Authenticator, policies
from exim_dkim.system.dns import open_resolver
from exim_dkim.system.mailbox import StoredMessage, read_messages
from milter_server.author import NoAuthor, authors
from milter_server.command import (
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Field,
    Helo,
    Mail,
    Negotiation,
    format_command,
)
from milter_server.configuration import SIGNERS, Configuration
from milter_server.dispatch import Dispatcher
from milter_server.filter import AuthenticationFilter
from milter_server.hosts import HostList
from milter_server.message import Family, Transaction, without_brackets
from milter_server.negotiation import MAX_VERSION
from milter_server.packet import CHUNK, PacketReader, ProtocolError
from milter_server.reply import Reply, parse_reply
from milter_server.response import ChangeField, InsertField, Quarantine, Response
from milter_server.session import Session

CLIENT: Final = "127.0.0.1"
OFFER: Final = Negotiation(MAX_VERSION, 0x1FF, 0x1FFFFF)
"""An MTA that can do everything, as Sendmail and Postfix can."""
SIGNATURES: Final = (b"dkim-signature", DOMAINKEYS_FIELD)
METHODS: Final = ("dkim", "domainkeys")
MAX_SAID: Final = 1000


class Status(enum.IntEnum):
    """Exit statuses; of several files the worst one counts, which is the one that stands last here."""

    GOOD = 0
    BAD = 1
    DEFERRED = 75
    MALFORMED = 65
    UNREADABLE = 69
    INTERRUPTED = 130


class Verdict(NamedTuple):
    """What became of a message, and the lines that tell it."""

    status: Status
    lines: Sequence[str]


class _TellingFilter(AuthenticationFilter):
    """Keeps what the filter would log of a message."""

    def __init__(self, configuration: Configuration, now: int | None) -> None:
        authenticator = Authenticator(
            open_resolver(configuration.settings), policies(configuration.settings), time.time
        )
        super().__init__(configuration, authenticator, time.time if now is None else lambda: float(now))
        self.said: list[str] = []

    def say(self, transaction: Transaction, text: str, level: int) -> None:
        self.said.append(text)


class _Mta:
    """The MTA at the other end of a session. `trace` takes a line for each answer of the filter."""

    def __init__(self, filter: AuthenticationFilter, trace: list[str] | None) -> None:
        self._session = Session(filter)
        self._dispatcher = Dispatcher(filter, self._session)
        self._reader = PacketReader()
        self._trace = trace

    async def tell(self, *commands: Command) -> list[Reply]:
        """Tells the filter, and gives all that it answers. `ProtocolError` for what no MTA can say."""
        session = self._session
        session.receive(b"".join(map(format_command, commands)))
        while (event := session.next_event()) is not None:
            answer = self._dispatcher.ask(event)
            if answer is None:
                continue
            try:
                response = answer if isinstance(answer, Response) else await answer
            except Exception as error:  # noqa: BLE001 - as in a connection: a fault of the filter is an answer
                response = self._dispatcher.failed(error)
            if self._trace is not None:
                self._trace.append(f"{type(event).__name__}: {_told(response)}")
            self._dispatcher.answer(response)
        self._dispatcher.settle()
        return [parse_reply(letter, data) for letter, data in self._reader.receive(session.take())]


def evaluate(configuration: Configuration, files: str, now: int | None, verbose: bool) -> int:
    """Evaluates the messages of `files` (with commas between, `-` is standard input); the exit status.

    `now`: when signatures say that they were made, in seconds since the epoch. `ConfigurationError` for options without
    sense.
    """
    settings = configuration.settings.replaced({"milter_quiet": b"false"})
    if any(settings.string(f"{SIGNERS[method]}_domain") for method in configuration.signers):
        settings = settings.replaced({"milter_log_why": b"true"})
    configuration = configuration._replace(settings=settings, internal_hosts=HostList((CLIENT,)), peers=HostList())
    filter = _TellingFilter(configuration, now)
    try:
        return asyncio.run(_evaluate_all(filter, (file for file in files.split(",") if file), verbose))
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.BAD


async def _evaluate_all(filter: _TellingFilter, files: Iterable[str], verbose: bool) -> int:
    order, worst = list(Status), Status.GOOD
    for file in files:
        try:
            for message in read_messages(file):
                verdict = await _evaluate(filter, message, verbose)
                text = "".join(f"{line}\n" for line in verdict.lines)
                sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
                worst = max(worst, verdict.status, key=order.index)
        except BrokenPipeError:
            raise
        except OSError as error:
            sys.stdout.buffer.flush()
            sys.stderr.write(f"{filter.name}: {one_line(file, MAX_SAID)}: {(error.strerror or str(error)).lower()}\n")
            worst = max(worst, Status.UNREADABLE, key=order.index)
    sys.stdout.buffer.flush()
    return worst


async def _evaluate(filter: _TellingFilter, message: StoredMessage, verbose: bool) -> Verdict:
    """One message through the filter."""
    label = f"{filter.name}: {one_line(message.name, MAX_SAID)}"
    fields = parse_header(message.header)
    problem = message.problem
    if not problem and (b"\0" in message.header or not is_well_formed(fields)):
        problem = "header malformed"
    if problem:
        return Verdict(Status.MALFORMED, [f"{label}: {problem}"])
    try:
        return await _passed(filter, label, fields, message.body, verbose)
    except ProtocolError as error:
        return Verdict(Status.MALFORMED, [f"{label}: no MTA could pass it on: {error}"])


async def _passed(
    filter: _TellingFilter, label: str, fields: Sequence[HeaderField], body: Iterable[bytes], verbose: bool
) -> Verdict:
    filter.said = []
    trace: list[str] = []
    mta = _Mta(filter, trace if verbose else None)
    await mta.tell(OFFER, Connect(b"localhost", Family.INET, 0, CLIENT.encode()), Helo(b"localhost"))
    await mta.tell(Mail(b"<%b>" % _sender(fields)), Data(), *map(_field, fields), EndOfHeaders())
    for chunk in body:
        await mta.tell(*(Body(chunk[start : start + CHUNK]) for start in range(0, len(chunk), CHUNK)))
    replies = await mta.tell(EndOfMessage())
    lines = [f"{label}: {one_line(text, MAX_SAID)}" for text in (*trace, *filter.said)]
    for reply in replies:
        lines += _shown(label, reply)
    return Verdict(_status(replies), lines)


def _field(field: HeaderField) -> Field:
    name, _, value = field.raw.partition(b":")
    return Field(name.rstrip(b" \t"), value.replace(b"\r\n", b"\n"))


def _sender(fields: Sequence[HeaderField]) -> bytes:
    """The reverse-path of a stored message: what delivery wrote, else the first author; empty if there is neither."""
    for field in fields:
        if field.name == b"return-path":
            return without_brackets(field.value.replace(b"\r\n", b""))
    with suppress(NoAuthor):
        author = authors(fields)[0]
        return author.local + b"@" + author.domain.encode()
    return b""


def _shown(label: str, reply: Reply) -> Iterator[str]:
    """The lines that tell of what the filter wants the MTA to do; fields stand as they would in the message."""
    match reply:
        case InsertField(_, name, value):
            yield (name + b":" + value).decode("utf-8", "backslashreplace")
        case ChangeField(position, name, value) if not value:
            yield f"{label}: removes field {position} of the name {name.decode('ascii', 'replace')}"
        case Quarantine(reason):
            yield f"{label}: quarantines the message: {reason.decode('ascii', 'replace')}"
        case Response() if reply.final:
            yield f"{label}: answers: {_told(reply)}"
        case _:
            pass


def _told(response: Response) -> str:
    """A response in words."""
    if response.letter == b"y":
        return one_line(response.data.rstrip(b"\0").replace(b"%%", b"%").decode("utf-8", "replace"), MAX_SAID)
    words = {b"c": "continue", b"a": "accept", b"d": "discard", b"r": "reject", b"t": "tempfail", b"s": "skip"}
    return words[response.letter]


def _status(replies: Sequence[Reply]) -> Status:
    """GOOD when the message was signed, or one of its signatures (of what else was asked for, anything) passes."""
    (response,) = (reply for reply in replies if isinstance(reply, Response))
    if response.final:
        return Status.DEFERRED if response.letter == b"t" or response.data.startswith(b"4") else Status.BAD
    words: list[tuple[str, str]] = []
    for reply in replies:
        if isinstance(reply, InsertField) and reply.name.lower() in SIGNATURES:
            return Status.GOOD
        if isinstance(reply, InsertField) and reply.name.lower() == FIELD_NAME:
            with suppress(ParseError):
                words += [(result.method, result.result) for result in parse_authres(reply.value).results]
    asked = [word for method, word in words if method in METHODS] or [word for _, word in words]
    if "pass" in asked:
        return Status.GOOD
    return Status.DEFERRED if "temperror" in asked else Status.BAD
