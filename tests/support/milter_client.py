"""The MTA's side of the milter protocol, for tests: speaks to a filter over a socket, and keeps to what was agreed.

It is made of `milter_server`'s own codec; the recordings of real MTAs (tests/vectors/milter) keep that honest.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from milter_server.command import (
    Abort,
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
    Quit,
    Rcpt,
    Unknown,
    format_command,
    format_macros,
)
from milter_server.handler import Step
from milter_server.message import Family
from milter_server.negotiation import LEADING_SPACE, UNANSWERED, UNWANTED
from milter_server.packet import CHUNK, PacketReader
from milter_server.reply import Progress, Reply, parse_reply
from milter_server.response import (
    AddField,
    ChangeField,
    InsertField,
    Modification,
    Response,
)

PATIENCE = 20.0
"""Seconds that a reply may take."""

VERSION_6 = Negotiation(6, 0x1FF, 0x1FFFFF)
"""What Sendmail and Postfix of today offer."""
VERSION_2 = Negotiation(2, 0x3F, 0x7F)
"""What an old MTA offers."""

_STEPS: dict[type, Step] = {
    Connect: Step.CONNECT,
    Helo: Step.HELO,
    Mail: Step.MAIL,
    Rcpt: Step.RCPT,
    Data: Step.DATA,
    Field: Step.HEADER,
    EndOfHeaders: Step.END_OF_HEADERS,
    Body: Step.BODY,
    Unknown: Step.UNKNOWN,
}


class LostError(Exception):
    """The filter has closed the connection."""


@dataclass
class Outcome:
    """What a filter did with a message."""

    response: Response
    modifications: list[Modification] = field(default_factory=list)
    progress: int = 0

    def applied(self, fields: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The header with the filter's modifications, as an MTA makes them that writes values as they are."""
        result = list(fields)
        for change in self.modifications:
            if isinstance(change, InsertField):
                result.insert(change.position, (change.name, change.value))
            elif isinstance(change, AddField):
                result.append((change.name, change.value))
            elif isinstance(change, ChangeField):
                same = [place for place, (name, _) in enumerate(result) if name.lower() == change.name.lower()]
                place = same[change.position - 1]
                result[place : place + 1] = [(change.name, change.value)] if change.value else []
        return result


class MilterClient:
    """A connection to a filter."""

    def __init__(self, address: str | tuple[str, int], offer: Negotiation = VERSION_6) -> None:
        """`address`: the path of a Unix socket, or host and port. Negotiates."""
        family = (
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        )
        self.socket = socket.socket(family)
        self._reader = PacketReader()
        self._replies: list[Reply] = []
        self._unsent = b""
        try:
            self.socket.settimeout(PATIENCE)
            self.socket.connect(address)
            self.send(format_command(offer))
            agreed = self.reply()
            assert isinstance(agreed, Negotiation), agreed
        except BaseException:
            self.socket.close()
            raise
        self.agreed = agreed
        self._silent = {step for step, bit in UNANSWERED.items() if agreed.protocol & bit}
        self._left_out = {step for step, bit in UNWANTED.items() if agreed.protocol & bit}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def leading_space(self) -> bool:
        """Whether values begin with what followed the colon."""
        return bool(self.agreed.protocol & LEADING_SPACE)

    def send(self, data: bytes) -> None:
        """Sends bytes, whatever they are."""
        self.socket.sendall(data)

    def reply(self) -> Reply:
        """The next packet of the filter; `LostError` when it has closed the connection."""
        while not self._replies:
            try:
                if self.socket.family != socket.AF_UNIX:  # filters write in pieces, too
                    self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                raise LostError
            self._replies += [parse_reply(letter, text) for letter, text in self._reader.receive(data)]
        return self._replies.pop(0)

    def tell(self, command: Command, macros: Mapping[str, str] | None = None) -> Outcome | None:
        """Tells the filter, unless it does not want to hear it; the answer, if there is one to be awaited."""
        step = _STEPS.get(type(command))
        packet = format_command(command)
        if macros is not None:
            self._unsent += format_macros(packet[4:5], macros)
        if step in self._left_out:
            return None
        self._unsent += packet
        if step in self._silent:
            if len(self._unsent) > CHUNK:
                self.flush()
            return None
        self.flush()
        return None if step is None and not isinstance(command, EndOfMessage) else self.outcome()

    def flush(self) -> None:
        """Sends what has been kept back, as MTAs buffer what needs no answer."""
        data, self._unsent = self._unsent, b""
        self.send(data)

    def outcome(self) -> Outcome:
        """Everything up to the next response."""
        outcome = Outcome(Response(b""))
        while True:
            reply = self.reply()
            match reply:
                case Response():
                    outcome.response = reply
                    return outcome
                case Progress():
                    outcome.progress += 1
                case Negotiation():
                    raise AssertionError(reply)
                case _:
                    outcome.modifications.append(reply)

    def greet(
        self, host: bytes = b"client.example", address: bytes = b"192.0.2.1", helo: bytes = b"client.example"
    ) -> None:
        """CONNECT and HELO, which the filter must let pass."""
        family = Family.INET6 if b":" in address else Family.INET
        for command in (Connect(host, family, 2525, address), Helo(helo)):
            outcome = self.tell(command, {"j": "mx.example"} if isinstance(command, Connect) else None)
            assert outcome is None or not outcome.response.final, outcome

    def message(
        self,
        fields: Iterable[tuple[bytes, bytes]],
        body: bytes = b"",
        sender: bytes = b"<alice@example.org>",
        recipients: Sequence[bytes] = (b"<bob@example.net>",),
        macros: Mapping[str, str] | None = None,
    ) -> Outcome:
        """A whole message, up to the first final answer. The values of `fields` begin with what followed the colon."""
        known = {"i": "QUEUEID"} | dict(macros or {})
        commands: list[Command] = [Mail(sender), *map(Rcpt, recipients), Data()]
        for name, value in fields:
            commands.append(Field(name, value if self.leading_space else value.removeprefix(b" ")))
        commands.append(EndOfHeaders())
        commands += [Body(body[start : start + CHUNK]) for start in range(0, len(body), CHUNK)]
        skipping = False
        progress = 0
        for command in commands:
            if skipping and isinstance(command, Body):
                continue
            outcome = self.tell(command, known if isinstance(command, Mail) else None)
            if outcome and outcome.response.final:
                return outcome
            if outcome:
                progress += outcome.progress
                skipping = outcome.response.letter == b"s"
        outcome = self.tell(EndOfMessage(), {"i": "QUEUEID"})
        assert outcome is not None
        outcome.progress += progress
        return outcome

    def abort(self) -> None:
        """Gives the message up."""
        self.tell(Abort())

    def quit(self) -> None:
        """Says goodbye, and waits for the filter to close."""
        self.tell(Quit())
        while self.socket.recv(65536):
            pass
