"""Events of a session to a filter and its handlers, and their answers back.

Faults of a filter are its `failed`. Every handler that was begun gets exactly one of `end_of_message` and `abort`, and
every client that a filter has heard of is `closed` once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from exim_dkim.printable import one_line
from exim_dkim.system.aside import Overload
from exim_dkim.system.serving import place
from milter_server.command import (
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
)
from milter_server.handler import Answer, Filter, MessageHandler
from milter_server.message import Recipient, Transaction
from milter_server.response import CONTINUE, Changes, Response
from milter_server.session import Session

log = logging.getLogger("milter_server")


class Dispatcher:
    """What one filter makes of one session."""

    __slots__ = ("_changes", "_filter", "_handler", "_known", "_session")

    def __init__(self, filter: Filter, session: Session) -> None:
        self._filter = filter
        self._session = session
        self._handler: MessageHandler | None = None
        self._changes: Changes | None = None  # of the message that ends
        self._known = False  # the filter has heard of the client

    @property
    def ending(self) -> bool:
        """Whether the answer that is awaited is the one to the end of a message."""
        return self._changes is not None

    def ask(self, event: Event) -> Answer | None:
        """Lets the filter hear of an event; None when there is no answer to it. Never raises."""
        try:
            return _ACTIONS[type(event)](self, event)
        except Exception as error:  # noqa: BLE001 - a fault of a filter must not cost a mail
            return self.failed(error)

    def answer(self, response: Response) -> None:
        """Tells the session what the filter has answered to the last event."""
        changes, self._changes = self._changes, None
        if changes is None:
            self._session.answer(response)
            return
        self._handler = None
        refused = response.final and response.letter != b"a"
        self._session.answer(response, () if refused else changes.modifications)

    def failed(self, error: BaseException) -> Response:
        """Logs a fault; what the filter makes of it."""
        transaction = self._session.transaction
        name = one_line(transaction.queue_id.decode("latin-1"), 100) if transaction else ""
        label = f"{self._filter.name}: {name}" if name else self._filter.name
        if isinstance(error, Overload):
            log.warning("%s: %s", label, error)
        else:
            log.error("%s: internal error: %s", label, place(error))
        if self._changes:
            self._changes.modifications.clear()
        try:
            return self._filter.failed(transaction, error)
        except Exception as another:  # noqa: BLE001 - as above
            log.error("%s: internal error: %s", self._filter.name, place(another))
            return Filter.failed(self._filter, transaction, error)

    def settle(self) -> None:
        """Drops the handler of a message that is over."""
        if self._handler and self._session.transaction is None:
            self._drop_handler()

    def close(self) -> None:
        """The connection is over."""
        self._drop_handler()
        self._say_closed()

    def _connect(self, event: Connect) -> Answer:
        self._known = True
        return self._filter.connected(self._session.connection)

    def _helo(self, event: Helo) -> Answer:
        self._known = True
        return self._filter.greeted(self._session.connection)

    def _mail(self, event: Mail) -> Answer:
        self._drop_handler()
        self._known = True
        self._handler = self._filter.begin(self._transaction)
        return self._handler.sender()

    def _rcpt(self, event: Rcpt) -> Answer:
        return self._handler.recipient(Recipient(*event)) if self._handler else CONTINUE

    def _data(self, event: Data) -> Answer:
        return self._handler.data() if self._handler else CONTINUE

    def _end_of_headers(self, event: EndOfHeaders) -> Answer:
        return self._handler.end_of_headers(self._transaction.header) if self._handler else CONTINUE

    def _body(self, event: Body) -> Answer:
        return self._handler.body(event.chunk) if self._handler else CONTINUE

    def _end_of_message(self, event: EndOfMessage) -> Answer:
        self._changes = Changes(self._session.actions)
        return self._handler.end_of_message(self._changes) if self._handler else CONTINUE

    def _unknown(self, event: Unknown) -> Answer:
        return self._filter.unknown(self._session.connection, event.line)

    def _abort(self, event: Abort) -> None:
        self._drop_handler()

    def _quit(self, event: Quit | QuitNewConnection) -> None:
        self._say_closed()

    @property
    def _transaction(self) -> Transaction:
        assert self._session.transaction is not None
        return self._session.transaction

    def _drop_handler(self) -> None:
        """The message is over without its end."""
        handler, self._handler = self._handler, None
        if handler:
            self._quietly(handler.abort)

    def _say_closed(self) -> None:
        if self._known:
            self._known = False
            self._quietly(lambda: self._filter.closed(self._session.connection))

    def _quietly(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - as above
            log.error("%s: internal error: %s", self._filter.name, place(error))


_ACTIONS: Final[Mapping[type, Callable[[Dispatcher, Any], Answer | None]]] = {
    Connect: Dispatcher._connect,
    Helo: Dispatcher._helo,
    Mail: Dispatcher._mail,
    Rcpt: Dispatcher._rcpt,
    Data: Dispatcher._data,
    EndOfHeaders: Dispatcher._end_of_headers,
    Body: Dispatcher._body,
    EndOfMessage: Dispatcher._end_of_message,
    Unknown: Dispatcher._unknown,
    Abort: Dispatcher._abort,
    Quit: Dispatcher._quit,
    QuitNewConnection: Dispatcher._quit,
}
