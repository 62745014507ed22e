"""milter_server.dispatch: who hears of what, without sockets; faults of filters and handlers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exim_dkim.system.aside import Overload
from milter_server.command import (
    Connect,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Field,
    Mail,
    Quit,
    QuitNewConnection,
    Rcpt,
    format_command,
)
from milter_server.dispatch import Dispatcher
from milter_server.handler import Answer, Filter, MessageHandler
from milter_server.message import Connection, Family, Header, Recipient, Transaction
from milter_server.response import ACCEPT, CONTINUE, REJECT, TEMPFAIL, Action, Changes, Response
from milter_server.session import Session
from tests.support.milter_client import VERSION_6

CONNECT = Connect(b"client", Family.INET, 25, b"192.0.2.1")
MESSAGE = (Mail(b"<a@b>"), Rcpt(b"<c@d>"), Field(b"Subject", b" s"), EndOfHeaders(), EndOfMessage(b"body"))


class Telling(MessageHandler):
    """Tells what it hears."""

    def __init__(self, transaction: Transaction, heard: list[str], answer: Callable[[str], Response]) -> None:
        super().__init__(transaction)
        self.heard = heard
        self.answer = answer

    def _hear(self, what: str) -> Response:
        self.heard.append(what)
        return self.answer(what)

    def sender(self) -> Answer:
        return self._hear(f"sender {self.transaction.sender.decode()}")

    def recipient(self, recipient: Recipient) -> Answer:
        return self._hear(f"recipient {recipient.address.decode()}")

    def end_of_headers(self, header: Header) -> Answer:
        return self._hear(f"header {header.fields[0].raw.decode()}")

    def body(self, chunk: bytes) -> Answer:
        return self._hear(f"body {chunk.decode()}")

    def end_of_message(self, changes: Changes) -> Answer:
        changes.add_field(b"X-Test: 1")
        return self._hear("end")

    def abort(self) -> None:
        self._hear("abort")


class TellingFilter(Filter):
    actions = Action.ADD_HEADERS

    def __init__(self, answer: Callable[[str], Response] = lambda _: CONTINUE) -> None:
        self.heard: list[str] = []
        self.answer = answer

    def connected(self, connection: Connection) -> Answer:
        self.heard.append(f"connected {connection.client}")
        return CONTINUE

    def begin(self, transaction: Transaction) -> MessageHandler:
        return Telling(transaction, self.heard, self.answer)

    def closed(self, connection: Connection) -> None:
        self.heard.append(f"closed {connection.client}")


def converse(filter: Filter, *commands: Event | Field) -> bytes:
    """What is sent, the options aside."""
    session = Session(filter)
    dispatcher = Dispatcher(filter, session)
    session.receive(format_command(VERSION_6))
    assert session.next_event() is None
    session.take()
    for command in commands:
        session.receive(format_command(command))
        while (event := session.next_event()) is not None:
            answer = dispatcher.ask(event)
            if answer is not None:
                assert isinstance(answer, Response)
                dispatcher.answer(answer)
        dispatcher.settle()
    sent = session.take()
    dispatcher.close()
    dispatcher.close()
    return sent


def test_a_connection() -> None:
    filter = TellingFilter()
    sent = converse(filter, CONNECT, *MESSAGE, MESSAGE[0], Quit())
    assert sent == b"\0\0\0\x0bhX-Test\0 1\0\0\0\0\1c"
    message = ["sender a@b", "recipient <c@d>", "header Subject: s", "body body", "end"]
    assert filter.heard == ["connected 192.0.2.1", *message, "sender a@b", "abort", "closed 192.0.2.1"]


def test_one_client_after_another() -> None:
    filter = TellingFilter()
    other = CONNECT._replace(address=b"192.0.2.2")
    converse(filter, CONNECT, QuitNewConnection(), other)
    assert filter.heard == ["connected 192.0.2.1", "closed 192.0.2.1", "connected 192.0.2.2", "closed 192.0.2.2"]


def test_a_filter_that_never_heard_of_a_client_does_not_hear_of_its_end() -> None:
    filter = TellingFilter()
    converse(filter)
    assert filter.heard == []


@pytest.mark.parametrize(("response", "letter"), [(REJECT, b"r"), (TEMPFAIL, b"t")])
def test_what_is_refused_is_not_modified(response: Response, letter: bytes) -> None:
    filter = TellingFilter(lambda what: response if what == "end" else CONTINUE)
    assert converse(filter, CONNECT, *MESSAGE) == b"\0\0\0\1" + letter


def test_what_is_accepted_is() -> None:
    filter = TellingFilter(lambda what: ACCEPT if what == "end" else CONTINUE)
    assert converse(filter, CONNECT, *MESSAGE).endswith(b"X-Test\0 1\0\0\0\0\1a")


def test_an_early_verdict_is_told_at_the_end_and_the_handler_dropped() -> None:
    filter = TellingFilter(lambda what: REJECT if what.startswith("header") else CONTINUE)
    assert converse(filter, CONNECT, *MESSAGE) == b"\0\0\0\1r"
    assert filter.heard[-3:] == ["header Subject: s", "abort", "closed 192.0.2.1"]


def test_a_filter_that_cannot_begin(caplog: pytest.LogCaptureFixture) -> None:
    assert converse(Filter(), *MESSAGE) == b"\0\0\0\1t"
    assert "internal error: NotImplementedError" in caplog.text


def test_one_that_has_too_much_to_do(caplog: pytest.LogCaptureFixture) -> None:
    class Overloaded(Filter):
        def begin(self, transaction: Transaction) -> MessageHandler:
            raise Overload("too many large headers at once")

    assert converse(Overloaded(), *MESSAGE) == b"\0\0\0\1t"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "too many large headers at once" in caplog.text
    assert "internal error" not in caplog.text


def test_one_that_then_lets_it_pass(caplog: pytest.LogCaptureFixture) -> None:
    class Careless(Filter):
        def failed(self, transaction: Transaction | None, error: BaseException) -> Response:
            return CONTINUE

    assert converse(Careless(), *MESSAGE) == b"\0\0\0\1c"


def test_a_goodbye_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Sulking(TellingFilter):
        def closed(self, connection: Connection) -> None:
            raise ZeroDivisionError("for ever " * 200)

    converse(Sulking(), CONNECT, Quit())
    assert "internal error: ZeroDivisionError: for ever" in caplog.text
    assert max(map(len, caplog.text.splitlines())) < 700
