"""milter_server.session under a machine that says anything to it, in any order, cut anywhere, and answers anything.

Whatever comes: `ProtocolError` and nothing else is raised; every command that awaits an answer gets exactly one, in its
order; a handler sees the steps of a message in their order, and each message ends once.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from milter_server.command import (
    ANSWERED,
    Abort,
    Body,
    Command,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Field,
    Helo,
    Mail,
    Negotiation,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
    format_command,
    format_macros,
)
from milter_server.handler import Filter, Step
from milter_server.message import Family, Transaction
from milter_server.negotiation import UNANSWERED
from milter_server.packet import PacketReader, ProtocolError
from milter_server.reply import parse_reply
from milter_server.response import (
    ACCEPT,
    CONTINUE,
    DISCARD,
    REJECT,
    SKIP,
    TEMPFAIL,
    Action,
    AddField,
    Response,
    reply,
)
from milter_server.session import Session

COMMANDS: list[Command] = [
    Connect(b"client.example", Family.INET, 25, b"192.0.2.1"),
    Connect(b"localhost", Family.UNKNOWN),
    Helo(b"client.example"),
    Mail(b"<alice@example.org>", (b"SIZE=9",)),
    Rcpt(b"<bob@example.net>"),
    Data(),
    Field(b"Subject", b" s\n\tt"),
    Field(b"", b""),
    EndOfHeaders(),
    Body(b"chunk\r\n"),
    EndOfMessage(),
    EndOfMessage(b"last"),
    Abort(),
    Unknown(b"HELP"),
    QuitNewConnection(),
]
MESSAGE = [*COMMANDS[3:7], *COMMANDS[8:11]]
RESPONSES = [CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, reply(550, "5.7.1", "no")]
STEPS: dict[type, Step] = {
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
LATER: dict[type, int] = {Mail: 0, Rcpt: 1, Data: 2, EndOfHeaders: 3, Body: 4, EndOfMessage: 5}


class Conversation(RuleBasedStateMachine):
    """An MTA that may have lost its mind, and a filter that answers by the dice."""

    def __init__(self) -> None:
        super().__init__()
        self.over = True  # there is no connection
        self.due = 0  # answers that the MTA awaits
        self.place: int | None = None  # within a message, as the filter sees it
        self.transaction: Transaction | None = None
        self.refused = False

    @precondition(lambda self: self.over)
    @rule(
        silent=st.integers(0, 0x1FF),
        offered=st.sampled_from([0x1FFFFF, 0x7F, 0x17F, 0x1FF37F, 0x4FF]),
        version=st.integers(2, 7),
    )
    def begin(self, silent: int, offered: int, version: int) -> None:
        filter = Filter()
        filter.actions, filter.silent, filter.unwanted = Action.ADD_HEADERS, Step(silent), Step(0)
        self.over, self.due, self.place, self.reader = False, 0, None, PacketReader()
        self.session = Session(filter)
        self.session.receive(format_command(Negotiation(version, 0x1FF, offered)))
        assert self.session.next_event() is None
        ((letter, data),) = self.reader.receive(self.session.take())
        agreed = parse_reply(letter, data)
        assert isinstance(agreed, Negotiation)
        self.unanswered = {step for step, bit in UNANSWERED.items() if agreed.protocol & bit}

    def say(self, data: bytes, response: Response) -> None:
        """Bytes go in, the filter answers, and what comes out is counted."""
        try:
            self.session.receive(data)
            while (event := self.session.next_event()) is not None:
                if self.session.transaction is not self.transaction:
                    self.transaction, self.place = self.session.transaction, None
                self.hear(event)
                if type(event) in ANSWERED:
                    self.session.answer(response, [AddField(b"X", b" 1")] if type(event) is EndOfMessage else ())
        except ProtocolError:
            self.over = True
            return
        for letter, text in self.reader.receive(self.session.take()):
            told = parse_reply(letter, text)
            if isinstance(told, Response):
                self.due -= 1
                self.refused = told.final

    def hear(self, event: Event) -> None:
        """The order in which the filter hears of a message."""
        kind = type(event)
        if kind is Mail:
            assert self.place is None
            self.place = 0
        elif kind in LATER:
            assert self.place is not None
            assert LATER[kind] >= self.place
            assert kind in (Rcpt, Body) or LATER[kind] > self.place
            assert LATER[kind] < 4 or self.place >= 3, "the end of the header comes before the body"
            self.place = LATER[kind]
        elif kind in (Abort, Helo):
            self.place = None

    @precondition(lambda self: not self.over)
    @rule(command=st.sampled_from(COMMANDS), response=st.sampled_from(RESPONSES), cut=st.integers(0, 12))
    def command(self, command: Command, response: Response, cut: int) -> None:
        data = format_command(command)
        if isinstance(command, EndOfMessage) or (
            type(command) in STEPS and STEPS[type(command)] not in self.unanswered
        ):
            self.due += 1
        self.refused = False
        self.say(data[:cut], response)
        if not self.over:
            self.say(data[cut:], response)
        if self.refused and type(command) not in (Connect, Helo, Rcpt, Unknown):
            assert self.session.idle, "the MTA has heard that it is done with the message"

    @precondition(lambda self: not self.over)
    @rule(letter=st.sampled_from("CHMRTNEBLX"))
    def macros(self, letter: str) -> None:
        self.say(format_macros(letter.encode(), {"i": "1", "{a}": "b"}), CONTINUE)

    @precondition(lambda self: not self.over)
    @rule(
        which=st.integers(0, len(MESSAGE)),
        response=st.sampled_from(RESPONSES),
        left_out=st.sampled_from([None, *MESSAGE]),
        more=st.sampled_from([None, *COMMANDS]),
    )
    def whole_message(self, which: int, response: Response, left_out: Command | None, more: Command | None) -> None:
        """So that machines get somewhere: a message in its order, with something odd in it and behind it."""
        for number, command in enumerate([*MESSAGE, *([more] if more else [])]):
            heard_end = self.session.idle and number and not isinstance(command, Mail)
            if not self.over and command is not left_out and not heard_end:
                self.command(command, response if number == which else CONTINUE, 0)

    @precondition(lambda self: not self.over)
    @rule(data=st.binary(min_size=1, max_size=12))
    def garbage(self, data: bytes) -> None:
        try:
            self.session.receive(data)
            while (event := self.session.next_event()) is not None:
                if type(event) in ANSWERED:
                    self.session.answer(CONTINUE)
        except ProtocolError:
            pass
        self.over = True

    @precondition(lambda self: not self.over)
    @rule()
    def quit(self) -> None:
        self.say(format_command(Quit()), CONTINUE)
        assert self.session.idle
        self.over = True

    @invariant()
    def nothing_is_owed(self) -> None:
        """Between two commands, every answer that is awaited has been given: an MTA waits for it."""
        assert self.over or self.due == 0


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
