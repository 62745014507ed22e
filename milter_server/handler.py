"""The interface that filters implement.

A filter is one `Filter` for a listening socket, and one `MessageHandler` that it makes for each message:

    class Nothing(MessageHandler):
        async def end_of_headers(self, header: Header) -> Response:
            self.verification = await verify_header(header.fields, ...)
            return CONTINUE

        def body(self, chunk: bytes) -> Response:
            self.verification.update(chunk)
            return CONTINUE

        def end_of_message(self, changes: Changes) -> Response:
            changes.insert_field(b"X-Verdict: ...")
            return CONTINUE

    class NothingFilter(Filter):
        name = "nothing"
        actions = Action.ADD_HEADERS

        def begin(self, transaction: Transaction) -> MessageHandler:
            return Nothing(transaction)

* Every method that answers may be a plain one, or `async` if it has something to wait for; plain ones are quicker.
* Chunks of the body come one by one, while nothing is awaited; they are in wire form and no chunk is kept.
* What is answered to a silent step (`Filter.silent`) is told to the MTA at the next step that is not: a REJECT at
  `end_of_headers` counts, and nothing more is asked about the message, but the MTA hears it at the end. So an MTA need
  not wait for an answer to every step, and can be told `progress` whenever something takes long: Sendmail understands
  that only at the end of a message. The answer at the end of a message is CONTINUE or one that is `final`.
* An exception is logged, and is `Filter.failed`: TEMPFAIL. So is an answer later than the MTA has patience.
* `abort` ends a message without an end of message: the MTA gave it up, or the connection was lost.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from enum import IntFlag
from typing import Any

from milter_server.message import Connection, Header, Recipient, Stage, Transaction
from milter_server.response import CONTINUE, TEMPFAIL, Action, Changes, Response

Answer = Response | Coroutine[Any, Any, Response]
"""What a method gives: at once, or when awaited."""


class Step(IntFlag):
    """What the MTA tells of, as sets of steps."""

    CONNECT = 0x01
    HELO = 0x02
    MAIL = 0x04
    RCPT = 0x08
    DATA = 0x10
    HEADER = 0x20
    END_OF_HEADERS = 0x40
    BODY = 0x80
    UNKNOWN = 0x100


ALL_STEPS = Step(0x1FF)


class MessageHandler:
    """What a filter does with one message. One is made at MAIL, and gone after `end_of_message` or `abort`."""

    __slots__ = ("transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction

    def sender(self) -> Answer:
        """MAIL: `transaction.sender` is known."""
        return CONTINUE

    def recipient(self, recipient: Recipient) -> Answer:
        """RCPT: a refusal is for this recipient only, ACCEPT or DISCARD for the message."""
        return CONTINUE

    def data(self) -> Answer:
        """DATA."""
        return CONTINUE

    def end_of_headers(self, header: Header) -> Answer:
        """The whole header is there. Called for each message that is not ended before."""
        return CONTINUE

    def body(self, chunk: bytes) -> Answer:
        """A chunk of the body, in wire form; SKIP when no more is wanted."""
        return CONTINUE

    def end_of_message(self, changes: Changes) -> Answer:
        """Nothing more comes: modify the message by `changes`, and answer."""
        return CONTINUE

    def abort(self) -> None:
        """The message is given up."""


class Filter:
    """One filter, which serves many connections."""

    name: str = "milter"
    """For the log."""
    actions: Action = Action(0)
    """What it may do with messages. An MTA that cannot do all of it is not served."""
    silent: Step = ALL_STEPS
    """Steps whose answer is not told at once. RCPT must not be among them if single recipients are refused; BODY not
    if bodies are skipped; CONNECT or HELO not if whole connections are accepted or refused."""
    unwanted: Step = Step.DATA | Step.UNKNOWN
    """Steps that an MTA that can leave them out need not tell of: of CONNECT, HELO, RCPT, DATA, BODY, UNKNOWN."""
    macros: Mapping[Stage, Sequence[str]] = {}
    """Macros asked for, as in `{Stage.MAIL: ["i", "{auth_authen}"]}`, in place of those that the MTA is configured to
    send at that stage; an empty mapping leaves that to the MTA."""

    def connected(self, connection: Connection) -> Answer:
        """A client has connected to the MTA."""
        return CONTINUE

    def greeted(self, connection: Connection) -> Answer:
        """HELO or EHLO; there may be several, as after STARTTLS."""
        return CONTINUE

    def unknown(self, connection: Connection, command: bytes) -> Answer:
        """An SMTP command that the MTA does not know."""
        return CONTINUE

    def begin(self, transaction: Transaction) -> MessageHandler:
        """What handles the message that begins here (MAIL)."""
        raise NotImplementedError

    def failed(self, transaction: Transaction | None, error: BaseException) -> Response:
        """What to answer when a method of the filter or its handler has raised `error`, which is logged already."""
        return TEMPFAIL

    def closed(self, connection: Connection) -> None:
        """The client has gone."""
