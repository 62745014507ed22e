"""milter_server.session: what may come when, what the filter hears of, and when the MTA hears its answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exim_dkim.message import is_well_formed
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
from milter_server.handler import ALL_STEPS, Filter, Step
from milter_server.message import MAX_HELD, Family, Recipient, Transaction
from milter_server.packet import PacketReader, ProtocolError
from milter_server.reply import Reply, parse_reply
from milter_server.response import (
    ACCEPT,
    CONTINUE,
    DISCARD,
    REJECT,
    SKIP,
    TEMPFAIL,
    Action,
    InsertField,
    Response,
)
from milter_server.session import Session
from tests.support.milter_client import VERSION_2, VERSION_6

CONNECT = Connect(b"client.example", Family.INET, 25, b"192.0.2.1")
HELO = Helo(b"client.example")
MAIL = Mail(b"<alice@example.org>")
RCPT = Rcpt(b"<bob@example.net>")
FIELD = Field(b"Subject", b" s")
EOH, EOM = EndOfHeaders(), EndOfMessage()
MESSAGE = (MAIL, RCPT, Data(), FIELD, EOH, Body(b"text\r\n"), EOM)
NOTHING = Step(0)


class Talk:
    """A session, driven with whole commands. `answers` by kind of event; anything else is CONTINUE."""

    def __init__(self, silent: Step = NOTHING, offer: Negotiation = VERSION_6) -> None:
        filter = Filter()
        filter.actions, filter.silent, filter.unwanted = Action(0x3F), silent, Step(0)
        self.session = Session(filter)
        self.answers: dict[type, Response] = {}
        self.transactions: list[Transaction] = []
        assert self.tell(offer) == ([], [parse_reply(b"O", self.last[5:])])

    def tell(self, *commands: Command | bytes) -> tuple[list[Event], list[Reply]]:
        """The events, and what is sent."""
        events: list[Event] = []
        data = b"".join(one if isinstance(one, bytes) else format_command(one) for one in commands)
        self.session.receive(data)
        while (event := self.session.next_event()) is not None:
            events.append(event)
            if isinstance(event, Mail) and self.session.transaction:
                self.transactions.append(self.session.transaction)
            if type(event) in ANSWERED:
                self.session.answer(self.answers.get(type(event), CONTINUE))
        self.last = self.session.take()
        return events, [parse_reply(letter, text) for letter, text in PacketReader().receive(self.last)]


def test_a_message_step_by_step() -> None:
    talk = Talk()
    for command in (CONNECT, HELO, *MESSAGE):
        if command == FIELD:
            assert talk.tell(command) == ([], [CONTINUE])
        else:
            assert talk.tell(command) == ([command], [CONTINUE])
    (transaction,) = talk.transactions
    assert transaction.sender == b"alice@example.org"
    assert transaction.recipients == [Recipient(b"<bob@example.net>")]
    assert [field.raw for field in transaction.header.fields] == [b"Subject: s"]
    connection = transaction.connection
    assert (connection.host, connection.family, connection.port) == (b"client.example", Family.INET, 25)
    assert (str(connection.client), connection.helo) == ("192.0.2.1", b"client.example")


def test_a_message_that_is_answered_at_its_end_only() -> None:
    talk = Talk(silent=ALL_STEPS)
    events, replies = talk.tell(CONNECT, HELO, *MESSAGE, *MESSAGE, Quit())
    message = [command for command in MESSAGE if command != FIELD]
    assert events == [CONNECT, HELO, *message, *message, Quit()]
    assert replies == [CONTINUE, CONTINUE]


def test_version_2_answers_everything() -> None:
    talk = Talk(silent=ALL_STEPS, offer=VERSION_2)
    _, replies = talk.tell(CONNECT, HELO, *MESSAGE)
    assert replies == [CONTINUE] * 9
    assert [field.raw for field in talk.transactions[0].header.fields] == [b"Subject:  s"]  # the MTA has taken one off


@pytest.mark.parametrize("kind", [Mail, Data, EndOfHeaders, Body])
@pytest.mark.parametrize("response", [ACCEPT, REJECT, TEMPFAIL, DISCARD])
def test_a_final_answer_ends_the_message(kind: type, response: Response) -> None:
    talk = Talk()
    talk.answers[kind] = response
    place = [type(command) for command in MESSAGE].index(kind)
    events, replies = talk.tell(*MESSAGE[: place + 1])
    assert type(events[-1]) is kind
    assert replies == [CONTINUE] * place + [response]
    assert talk.session.idle
    del talk.answers[kind]
    assert talk.tell(*MESSAGE)[1] == [CONTINUE] * 7
    assert len(talk.transactions) == 2


@pytest.mark.parametrize("kind", [Mail, Rcpt, Data, EndOfHeaders, Body])
@pytest.mark.parametrize("response", [ACCEPT, REJECT, TEMPFAIL, DISCARD])
def test_a_final_answer_to_a_silent_step_is_told_at_the_end(kind: type, response: Response) -> None:
    talk = Talk(silent=ALL_STEPS)
    talk.answers[kind] = response
    events, replies = talk.tell(*MESSAGE)
    assert type(events[-1]) is kind, "nothing more is asked"
    assert replies == [response]
    del talk.answers[kind]
    assert talk.tell(*MESSAGE)[1] == [CONTINUE]


def test_it_is_told_at_the_first_step_that_is_answered() -> None:
    talk = Talk(silent=Step.MAIL | Step.RCPT | Step.DATA | Step.HEADER)
    talk.answers[Mail] = REJECT
    assert talk.tell(*MESSAGE[:5]) == ([MAIL], [REJECT])
    assert talk.session.idle


def test_it_is_told_at_a_field_if_that_is_answered() -> None:
    talk = Talk(silent=ALL_STEPS & ~Step.HEADER)
    talk.answers[Mail] = TEMPFAIL
    assert talk.tell(*MESSAGE[:4]) == ([MAIL], [TEMPFAIL])
    assert talk.session.idle


def test_a_recipient_is_refused_and_the_message_goes_on() -> None:
    talk = Talk()
    talk.answers[Rcpt] = REJECT
    _, replies = talk.tell(MAIL, RCPT, RCPT)
    assert replies == [CONTINUE, REJECT, REJECT]
    talk.answers[Rcpt] = CONTINUE
    assert talk.tell(RCPT, EOH, EOM) == ([RCPT, EOH, EOM], [CONTINUE] * 3)


def test_a_message_refused_silently_is_refused_for_each_recipient() -> None:
    talk = Talk(silent=ALL_STEPS & ~Step.RCPT)
    talk.answers[Mail] = REJECT
    assert talk.tell(MAIL, RCPT, RCPT) == ([MAIL], [REJECT, REJECT])
    assert talk.tell(Abort(), MAIL) == ([Abort(), MAIL], [])


def test_accepting_at_a_recipient_ends_the_message() -> None:
    talk = Talk()
    talk.answers[Rcpt] = ACCEPT
    assert talk.tell(MAIL, RCPT)[1] == [CONTINUE, ACCEPT]
    assert talk.session.idle


def test_a_connection_accepted_silently() -> None:
    talk = Talk(silent=ALL_STEPS)
    talk.answers[Connect] = ACCEPT
    assert talk.tell(CONNECT, HELO, *MESSAGE, *MESSAGE) == ([CONNECT], [ACCEPT, ACCEPT])
    del talk.answers[Connect]
    assert talk.tell(QuitNewConnection(), CONNECT, HELO, *MESSAGE)[1] == [CONTINUE]


def test_skipping_where_the_mta_knows_how() -> None:
    talk = Talk(silent=ALL_STEPS & ~Step.BODY)
    talk.answers[Body] = SKIP
    assert talk.tell(*MESSAGE[:6])[1] == [SKIP]
    assert talk.tell(EOM) == ([EOM], [CONTINUE])


def test_skipping_where_it_does_not() -> None:
    talk = Talk(offer=VERSION_2)
    talk.answers[Body] = SKIP
    talk.tell(*MESSAGE[:5])
    assert talk.tell(Body(b"1")) == ([Body(b"1")], [CONTINUE])
    assert talk.tell(Body(b"2"), EndOfMessage(b"3")) == ([EOM], [CONTINUE, CONTINUE])


@pytest.mark.parametrize("silent", [ALL_STEPS, ALL_STEPS & ~Step.BODY, NOTHING])
def test_skipping_at_the_end_of_the_header(silent: Step) -> None:
    talk = Talk(silent=silent)
    talk.answers[EndOfHeaders] = SKIP
    events, replies = talk.tell(*MESSAGE)
    assert Body(b"text\r\n") not in events
    assert replies[-1] == CONTINUE
    assert (SKIP in replies) == (Step.BODY not in silent)


def test_the_last_chunk_may_come_with_the_end() -> None:
    talk = Talk()
    assert talk.tell(MAIL, RCPT, EOH, EndOfMessage(b"last")) == (
        [MAIL, RCPT, EOH, Body(b"last"), EOM],
        [CONTINUE] * 4,
    )


@pytest.mark.parametrize("last", [(Body(b"b"), EOM), (EOM,), (EndOfMessage(b"b"),)])
@pytest.mark.parametrize("silent", [NOTHING, ALL_STEPS])
def test_the_end_of_the_header_is_always_there(silent: Step, last: Sequence[Command]) -> None:
    talk = Talk(silent=silent)
    events, replies = talk.tell(MAIL, FIELD, *last)
    assert [type(event) for event in events[:2]] == [Mail, EndOfHeaders]
    assert type(events[-1]) is EndOfMessage
    assert len(replies) == (1 if silent else 2 + len(last)), "it is not answered, since it was not asked"
    assert len(talk.transactions[0].header.fields) == 1


def test_a_refusal_there_is_told_at_the_body() -> None:
    talk = Talk()
    talk.answers[EndOfHeaders] = REJECT
    assert talk.tell(MAIL, Body(b"b")) == ([MAIL, EOH], [CONTINUE, REJECT])


@pytest.mark.parametrize("again", [MAIL, HELO])
def test_a_message_that_begins_anew_aborts_the_last(again: Command) -> None:
    talk = Talk()
    assert talk.tell(MAIL, RCPT, FIELD, again)[0] == [MAIL, RCPT, Abort(), again]


def test_abort_and_quit_at_any_time() -> None:
    talk = Talk()
    assert talk.tell(Abort(), Abort()) == ([], [])
    assert talk.tell(MAIL, Abort(), Abort(), MAIL, RCPT, Quit())[0] == [MAIL, Abort(), MAIL, RCPT, Abort(), Quit()]


def test_another_client_over_the_same_connection() -> None:
    talk = Talk()
    talk.tell(format_macros(b"C", {"j": "one"}), CONNECT, HELO, MAIL)
    first = talk.session.connection
    assert talk.tell(QuitNewConnection())[0] == [Abort(), QuitNewConnection()]
    assert talk.session.connection is first
    assert talk.tell(format_macros(b"C", {}), CONNECT)[0] == [CONNECT]
    assert talk.session.connection is not first
    assert talk.session.connection.helo == b""
    assert talk.session.connection.macros.get("j") is None


def test_macros_of_a_message_do_not_outlive_it() -> None:
    talk = Talk()
    talk.tell(format_macros(b"C", {"j": "mx"}), CONNECT, format_macros(b"H", {"{tls_version}": "TLSv1.3"}), HELO)
    talk.tell(format_macros(b"M", {"i": "one", "{auth_authen}": "alice"}), MAIL)
    macros = talk.session.connection.macros
    assert [macros.get(name) for name in ("j", "tls_version", "i", "auth_authen")] == [
        b"mx",
        b"TLSv1.3",
        b"one",
        b"alice",
    ]
    talk.tell(format_macros(b"R", {"{rcpt_addr}": "bob"}), RCPT, format_macros(b"E", {"i": "late"}), EOM)
    assert macros.get("i") is None
    talk.tell(MAIL)
    assert [macros.get(name) for name in ("j", "i", "auth_authen", "rcpt_addr")] == [b"mx", None, None, None]
    talk.tell(format_macros(b"M", {"i": "two"}), MAIL)  # within a message: it is aborted, and these are the next one's
    assert macros.get("i") == b"two"


def test_unknown_commands() -> None:
    talk = Talk()
    assert talk.tell(Unknown(b"HELP me"), MAIL, Unknown(b"BDAT")) == (
        [Unknown(b"HELP me"), MAIL, Unknown(b"BDAT")],
        [CONTINUE] * 3,
    )
    talk.answers[Unknown] = REJECT
    assert talk.tell(Unknown(b"BDAT"), RCPT) == ([Unknown(b"BDAT"), RCPT], [REJECT, CONTINUE])


@pytest.mark.parametrize(
    "commands",
    [
        (RCPT,),
        (Data(),),
        (FIELD,),
        (EOH,),
        (Body(b""),),
        (EOM,),
        (CONNECT, CONNECT),
        (HELO, CONNECT),
        (MAIL, CONNECT),
        (MAIL, Data(), RCPT),
        (MAIL, Data(), Data()),
        (MAIL, FIELD, RCPT),
        (MAIL, FIELD, Data()),
        (MAIL, EOH, FIELD),
        (MAIL, EOH, EOH),
        (MAIL, EOH, RCPT),
        (MAIL, Body(b""), FIELD),
        (MAIL, Body(b""), EOH),
        (MAIL, EOM, EOM),
        (MAIL, EOM, Body(b"")),
        (MAIL, Abort(), RCPT),
        (MAIL, HELO, RCPT),
        (VERSION_6,),
        (MAIL, VERSION_6),
        (b"\0\0\0\1X",),
        (b"\0\0\0\1c",),
        (b"\0\0\0\0",),
        (b"\xff\xff\xff\xff",),
        (b"GET / HTTP/1.1\r\n",),
        (MAIL, b"\0\0\0\6Lname\0"),
        (b"\0\0\0\1M",),
        (MAIL, b"\0\0\0\2R\1"),
        (format_macros(b"C", {"j": "x" * 70_000}),),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("silent", [NOTHING, ALL_STEPS])
def test_out_of_order(silent: Step, commands: Sequence[Command | bytes]) -> None:
    talk = Talk(silent=silent)
    for command in commands[:-1]:
        talk.tell(command)
    with pytest.raises(ProtocolError):
        talk.tell(commands[-1])


@pytest.mark.parametrize("command", [CONNECT, HELO, MAIL, Quit(), Abort(), b"\0\0\0\2DC"])
def test_nothing_before_the_options(command: Command | bytes) -> None:
    session = Session(Filter())
    session.receive(command if isinstance(command, bytes) else format_command(command))
    with pytest.raises(ProtocolError, match="not at this time"):
        session.next_event()


def test_fields_without_names() -> None:
    talk = Talk()
    talk.tell(MAIL, Field(b"", b" v"), Field(b"Subject", b" s"), Field(b" ", b" read as a continuation"), EOH)
    header = talk.transactions[0].header
    assert [field.name for field in header.fields] == [b"", b"subject"]
    assert not is_well_formed(header.fields)


def test_ten_thousand_fields() -> None:
    talk = Talk(silent=ALL_STEPS)
    fields = [Field(b"X-%d" % number, b" value\n\tof %d" % number) for number in range(10_000)]
    assert talk.tell(MAIL, *fields, EOH, EOM)[1] == [CONTINUE]
    header = talk.transactions[0].header
    assert len(header.fields) == 10_000
    assert header.fields[-1].raw == b"X-9999: value\r\n\tof 9999"
    assert not header.cut


def test_a_header_without_end_is_cut() -> None:
    talk = Talk(silent=ALL_STEPS)
    field = Field(b"X", b"v" * 60_000)
    for _ in range(MAX_HELD // 60_000 + 10):
        talk.tell(*((MAIL,) if not talk.transactions else ()), field)
    talk.tell(Field(b"X", b"w"), EOH)
    header = talk.transactions[0].header
    assert header.cut
    assert MAX_HELD - 120_000 < len(header.text) <= MAX_HELD


def test_a_field_of_many_lines_counts_as_many_fields() -> None:
    """Folded lines do not."""
    for fold, cut in ((b"", True), (b" ", False), (b"\t", False)):
        talk = Talk(silent=ALL_STEPS)
        line = b"\n" + fold + b"x"
        talk.tell(MAIL, *[Field(b"X", line * 10_000)] * (MAX_HELD // 40_000), EOH)
        assert talk.transactions[0].header.cut == cut


def test_recipients_without_end_are_cut() -> None:
    talk = Talk(silent=ALL_STEPS)
    many = [RCPT] * (MAX_HELD // 64)
    assert talk.tell(MAIL, *many, Field(b"X", b"v"), EOH, EOM)[1] == [CONTINUE]
    (transaction,) = talk.transactions
    assert transaction.recipients_cut
    assert not transaction.header.cut, "that would keep the message from being verified"
    assert len(transaction.header.fields) == 1
    assert len(transaction.recipients) < len(many)


def test_modifications_are_told_before_the_answer() -> None:
    talk = Talk(silent=ALL_STEPS)
    session = talk.session
    session.receive(b"".join(format_command(command) for command in MESSAGE))
    while (event := session.next_event()) is not None:
        session.answer(CONTINUE, [InsertField(0, b"X", b" 1")] if event == EOM else ())
    assert session.take() == b"\0\0\0\x0ai\0\0\0\0X\0 1\0\0\0\0\1c"
