"""One connection of an MTA as a state machine, without input or output.

    session = Session(filter)
    session.receive(bytes)                                # what has come
    while (event := session.next_event()) is not None:    # what the filter has to hear of
        session.answer(response)                          # for events of ANSWERED only
    bytes = session.take()                                # what has to be sent

Contract: `receive` and `next_event` raise `ProtocolError` for what is no milter protocol, or comes at the wrong time,
and nothing else; then the connection has to be closed, and the MTA does what it is configured to do without its filter.

What is right in which order: options first, and once. Between messages: CONNECT (first), HELO, MAIL, UNKNOWN. Within
a message MAIL, RCPT, DATA, header fields, end of headers, body and end of message come in that order; any but MAIL and
the last may be missing, since MTAs leave out what a filter does not want. HELO and MAIL within a message abort it, as
Sendmail's library has it. ABORT, QUIT and QUIT_NC may come at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from milter_server.command import (
    ANSWERED,
    MACRO_STAGES,
    Abort,
    Body,
    Connect,
    Data,
    EndOfHeaders,
    EndOfMessage,
    Event,
    Helo,
    Mail,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
    format_negotiation,
    parse_connect,
    parse_negotiation,
    parse_string,
    parse_strings,
)
from milter_server.handler import Step
from milter_server.message import Connection, Recipient, Stage, Transaction, without_brackets
from milter_server.negotiation import Wishes, agree
from milter_server.packet import Packet, PacketReader, ProtocolError, format_packet
from milter_server.reply import format_modification, format_response
from milter_server.response import CONTINUE, SKIP, Action, Modification, Response

MAX_MACROS: Final = 64 * 1024
"""Bytes of macros for one stage."""

_CONTINUE: Final = format_packet(b"c")
_OF_CONNECTION: Final = frozenset((Connect, Helo))
_OF_MESSAGE: Final = ANSWERED - _OF_CONNECTION - {Unknown}
_ENDS_MESSAGE: Final = frozenset((b"a", b"d"))

# Places within a message, in their order.
_IDLE, _MAIL, _RCPT, _DATA, _FIELD, _END_OF_HEADERS, _BODY, _END = range(-1, 7)

# Steps as plain numbers: those of an enumeration are slow.
_HEADER_STEP: Final = int(Step.HEADER)
_BODY_STEP: Final = int(Step.BODY)


class Session:
    """See above. `connection` and `transaction` are what the events are about."""

    __slots__ = (
        "_connected", "_connection_verdict", "_events", "_gone", "_kind", "_leading_space", "_out",
        "_packets", "_place", "_reader", "_silent", "_skip_understood", "_skipping", "_told", "_verdict",
        "_wishes", "actions", "connection", "negotiated", "transaction",
    )  # fmt: skip

    def __init__(self, wishes: Wishes) -> None:
        self.connection = Connection()
        self.transaction: Transaction | None = None
        self.negotiated = False
        self.actions = Action(0)  # that the MTA permits
        self._wishes = wishes
        self._reader = PacketReader()
        self._packets: deque[Packet] = deque()
        self._events: deque[tuple[Event, bool]] = deque()  # and whether the MTA awaits an answer to it
        self._out: list[bytes] = []
        self._leading_space = False
        self._skip_understood = False
        self._silent = 0  # steps that the MTA awaits no answer to
        self._kind: type | None = None  # the event that is not answered yet
        self._told = False  # whether the MTA awaits its answer
        self._connected = False
        self._gone = False  # the client; the next one comes
        self._place = _IDLE
        self._verdict: Response | None = None  # a final answer that the MTA has not heard
        self._connection_verdict: Response | None = None  # one that is about the whole connection
        self._skipping = False  # what comes of the body

    @property
    def partial(self) -> bool:
        """Whether a packet has begun to come and is not complete."""
        return self._reader.partial

    @property
    def idle(self) -> bool:
        """Whether no message is under way."""
        return self._place == _IDLE

    @property
    def end_is_awaited(self) -> bool:
        """Whether the MTA has said all about a message that the filter is not through with: it waits for its answer."""
        return any(letter == b"E" for letter, _ in self._packets)

    def receive(self, data: bytes) -> bool:
        """Takes what the MTA has sent; whether a packet has been completed by it."""
        packets = self._reader.receive(data)
        self._packets.extend(packets)
        return bool(packets)

    def take(self) -> bytes:
        """What has to be sent to the MTA."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_event(self) -> Event | None:
        """The next event; None when more has to be received first. The last one must have been answered."""
        assert self._kind is None
        while True:
            while not self._events:
                if not self._packets:
                    return None
                self._take_packet(*self._packets.popleft())
            event, told = self._events.popleft()
            kind = type(event)
            if kind not in ANSWERED:
                return event
            verdict = self._connection_verdict if kind in _OF_CONNECTION else self._verdict
            if verdict is None or kind is Unknown:
                self._kind, self._told = kind, told
                return event
            if told:
                self._tell(kind, verdict)

    def answer(self, response: Response, modifications: Sequence[Modification] = ()) -> None:
        """Answers the last event. `modifications`: at the end of a message only."""
        kind, self._kind = self._kind, None
        assert kind is not None
        if response.letter == b"s":
            response = self._skip(kind)
        if not self._told:
            self._keep(kind, response)
            return
        if kind is EndOfMessage and modifications:
            space = self._leading_space
            self._out += [format_modification(modification, space) for modification in modifications]
        self._tell(kind, response)

    # -- Answers

    def _tell(self, kind: type, response: Response) -> None:
        """The MTA hears it; a final answer ends the message, but one recipient's refusal does not."""
        self._out.append(_CONTINUE if response is CONTINUE else format_response(response))
        if kind is Rcpt:
            ended = response.letter in _ENDS_MESSAGE
        else:
            ended = kind is EndOfMessage or (response.final and kind in _OF_MESSAGE)
        if ended:
            self._end_message()

    def _keep(self, kind: type, response: Response) -> None:
        """A final answer that the MTA does not await now is told at the next opportunity."""
        if not response.final or kind is Unknown:
            return
        if kind in _OF_CONNECTION:
            self._connection_verdict = response
        else:
            self._verdict = response

    def _skip(self, kind: type) -> Response:
        """No more of the body is wanted: what to tell the MTA."""
        self._skipping = True
        return SKIP if kind is Body and self._skip_understood else CONTINUE

    def _end_message(self) -> None:
        self._place = _IDLE
        self._verdict = None
        self._skipping = False
        self.transaction = None
        self._events.clear()
        self.connection.macros.forget_after(Stage.HELO)

    # -- Packets

    def _take_packet(self, letter: bytes, data: bytes) -> None:
        """Works on a packet; whatever the filter has to hear of is in `_events` then."""
        take = _COMMANDS.get(letter)
        if not self.negotiated:
            take = Session._negotiate if letter == b"O" else None
        if take is None:
            raise ProtocolError(f"{letter!r} is no command, or not at this time")
        if self._gone:
            self._gone = self._connected = False
            self._connection_verdict = None
            self.connection = Connection()
        take(self, data)

    def _negotiate(self, data: bytes) -> None:
        agreement = agree(parse_negotiation(data), self._wishes)
        self.actions = Action(agreement.told.actions)
        self._silent = int(agreement.silent)
        self._leading_space = agreement.leading_space
        self._skip_understood = agreement.skip_understood
        self.negotiated = True
        self._out.append(format_negotiation(agreement.told))

    def _define_macros(self, data: bytes) -> None:
        stage = MACRO_STAGES.get(data[:1])
        if stage is Stage.MAIL:
            self._abort()  # they announce the next message
        if len(data) > MAX_MACROS:
            raise ProtocolError(f"{len(data)} bytes of macros; the most that are taken are {MAX_MACROS}")
        if stage is not None:  # Postfix sends those of the header with every field, too
            self.connection.macros.define(stage, data[1:])

    def _connect(self, data: bytes) -> None:
        if self._connected:
            raise ProtocolError("a connection within a connection")
        event, connection = parse_connect(data), self.connection
        connection.host, connection.family, connection.port, connection.address = event
        connection.macros.forget_after(Stage.CONNECT)
        self._connected = True
        self._push(event, Step.CONNECT)

    def _helo(self, data: bytes) -> None:
        self._abort()
        self._connected = True
        event = Helo(parse_string(data))
        self.connection.helo = event.name
        self._push(event, Step.HELO)

    def _mail(self, data: bytes) -> None:
        self._abort()
        self._connected = True
        address, *arguments = parse_strings(data)
        event = Mail(address, tuple(arguments))
        self._place = _MAIL
        self._verdict = self._connection_verdict
        self.transaction = Transaction(self.connection, without_brackets(address), event.arguments)
        self._push(event, Step.MAIL)

    def _rcpt(self, data: bytes) -> None:
        transaction = self._advance(_RCPT)
        address, *arguments = parse_strings(data)
        event = Rcpt(address, tuple(arguments))
        transaction.add_recipient(Recipient(*event))
        self._push(event, Step.RCPT)

    def _data(self, data: bytes) -> None:
        if self._place == _DATA:
            raise ProtocolError("DATA within DATA")
        self._advance(_DATA)
        self._push(Data(), Step.DATA)

    def _field(self, data: bytes) -> None:
        transaction = self._advance(_FIELD)
        if data.count(b"\0") != 2 or data[-1]:
            raise ProtocolError("a header field is not two strings")
        if not self._silent & _HEADER_STEP:
            if self._verdict is not None:
                self._tell(EndOfHeaders, self._verdict)
                return
            self._out.append(_CONTINUE)
        transaction.add_field(data[:-1].replace(b"\0", b":" if self._leading_space else b": ", 1))

    def _end_of_headers(self, data: bytes) -> None:
        if self._place == _END_OF_HEADERS:
            raise ProtocolError("the header has ended already")
        self._advance(_END_OF_HEADERS)
        self._push(EndOfHeaders(), Step.END_OF_HEADERS)

    def _body(self, data: bytes) -> None:
        self._begin_body(_BODY)
        if not self._skipping:
            self._push(Body(data), Step.BODY)
        elif not self._silent & _BODY_STEP:
            self._out.append(format_response(SKIP if self._skip_understood else CONTINUE))

    def _end_of_message(self, data: bytes) -> None:
        self._begin_body(_END)
        if data and not self._skipping:
            self._events.append((Body(data), False))
        self._events.append((EndOfMessage(), True))

    def _unknown(self, data: bytes) -> None:
        self._push(Unknown(parse_string(data)), Step.UNKNOWN)

    def _abort(self, data: bytes = b"") -> None:
        """Ends a message that is under way; there need not be one."""
        if self._place != _IDLE:
            self._end_message()
            self._events.append((Abort(), False))

    def _quit(self, data: bytes) -> None:
        self._abort()
        self._events.append((Quit(), False))

    def _quit_new_connection(self, data: bytes) -> None:
        self._abort()
        self._gone = True
        self._events.append((QuitNewConnection(), False))

    # -- Within a message

    def _push(self, event: Event, step: int) -> None:
        self._events.append((event, not self._silent & step))

    def _advance(self, place: int) -> Transaction:
        """Steps forward within the message, or stays."""
        if self.transaction is None or place < self._place:
            raise ProtocolError("a command comes at the wrong time")
        self._place = place
        return self.transaction

    def _begin_body(self, place: int) -> None:
        """An MTA that leaves out the end of the header: the filter hears of it all the same."""
        before = self._place
        self._advance(place)
        if before < _END_OF_HEADERS:
            self._events.append((EndOfHeaders(), False))


_COMMANDS: Final[Mapping[bytes, Callable[[Session, bytes], None]]] = {
    b"D": Session._define_macros,
    b"C": Session._connect,
    b"H": Session._helo,
    b"M": Session._mail,
    b"R": Session._rcpt,
    b"T": Session._data,
    b"L": Session._field,
    b"N": Session._end_of_headers,
    b"B": Session._body,
    b"E": Session._end_of_message,
    b"A": Session._abort,
    b"U": Session._unknown,
    b"Q": Session._quit,
    b"K": Session._quit_new_connection,
}
