"""One connection of an MTA: bytes to a session and back, time limits, and waiting for handlers.

Everything that a filter can answer at once happens in the turn of the event loop in which it was read; only for a
coroutine a task is made, and while it runs the session waits. Faults of the MTA close the connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from exim_dkim.system.serving import acknowledgement
from milter_server.command import Event, Quit
from milter_server.dispatch import Dispatcher
from milter_server.handler import Filter
from milter_server.packet import ProtocolError
from milter_server.reply import PROGRESS
from milter_server.response import Response
from milter_server.session import Session

STALL: Final = 60.0
"""Seconds for options to come, for a packet that has begun, and for replies to be taken: MTAs do each in one go."""

IDLE: Final = 7210.0
"""Seconds without a packet: an MTA keeps its connection as long as its client does, and an SMTP client may be silent
for an hour (Sendmail's Timeout.command; 7210 is the limit of Sendmail's own library)."""

PATIENCE: Final = 240.0
"""Seconds that a handler may take for one answer; Postfix waits 300 (milter_content_timeout), Sendmail as long for the
end of a message (E:5m)."""

PROGRESS_EVERY: Final = 5.0
"""Seconds between words of progress at the end of a message; Sendmail gives up after 10 without (R:10s)."""

MAX_WAITING: Final = 256 * 1024
"""Bytes that may wait for an answer to what came before; then no more is read until there is one."""

log = logging.getLogger("milter_server")


class Host(Protocol):
    """What a connection needs of its server."""

    buffer: memoryview
    connections: set[MilterConnection]
    max_connections: int
    stopping: bool


class MilterConnection(asyncio.BufferedProtocol):
    """See above. `deadline` and `progress_at` are for who looks at the clock (`check`)."""

    __slots__ = (
        "_acknowledge", "_answering", "_dispatcher", "_host", "_late", "_loop", "_name", "_paused", "_session",
        "_stuck", "_task", "_transport", "_waiting", "deadline", "progress_at",
    )  # fmt: skip

    def __init__(self, host: Host, filter: Filter, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._name = filter.name
        self._loop = loop
        self._session = Session(filter)
        self._dispatcher = Dispatcher(filter, self._session)
        self._transport: asyncio.Transport | None = None
        self._acknowledge: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._answering: Coroutine[Any, Any, Response] | None = None  # what the task waits for
        self._late = False  # the handler has run out of time
        self._waiting = 0  # bytes received that nobody has looked at
        self._paused = False  # nothing is read
        self._stuck = False  # replies are not taken
        self.deadline = loop.time() + STALL
        self.progress_at = 0.0

    # -- What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=0)
        self._acknowledge = acknowledgement(transport)
        if len(self._host.connections) >= self._host.max_connections:
            log.error("too many connections (%d); this one is closed", self._host.max_connections)
            transport.abort()
            return
        self._host.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._host.connections.discard(self)
        self._transport = None
        if self._task and self._answering:
            answering = self._answering
            self._task.cancel()
            self._task.add_done_callback(lambda _: answering.close())  # a task that has not begun leaves it behind
        self._dispatcher.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._host.buffer

    def buffer_updated(self, nbytes: int) -> None:
        session, begun = self._session, self._session.partial
        if self._acknowledge:
            self._acknowledge()
        try:
            completed = session.receive(bytes(self._host.buffer[:nbytes]))
        except ProtocolError as error:
            self._refuse(error)
            return
        if self._task or self._stuck:
            self._waiting += nbytes
            if self._waiting > MAX_WAITING:
                self._pause(True)
            return
        if completed or not begun:  # a packet has to be complete in time, however it trickles in
            self._wait_for_more()
        self._proceed()

    def pause_writing(self) -> None:
        self._stuck = True
        self.deadline = self._loop.time() + STALL

    def resume_writing(self) -> None:
        self._stuck = False
        if self._task:
            self.deadline = self._loop.time() + PATIENCE
        else:
            self._wait_for_more()
            self._proceed()

    # -- What the server calls

    def check(self, now: float) -> None:
        """Looks at the clock."""
        if self._transport is None:
            return
        if self._task and now >= self.progress_at and not self._stuck:
            self.progress_at = now + PROGRESS_EVERY
            if self._dispatcher.ending or self._session.end_is_awaited:
                self._transport.write(PROGRESS)
        if now < self.deadline:
            return
        if self._task and not self._late and not self._stuck:
            self._late = True
            self._task.cancel()
            return
        log.warning("%s: the MTA has been silent for too long, or does not read; closing", self._name)
        self._transport.abort()

    def finish(self) -> None:
        """Ends now if no message is under way; else after it."""
        if self._transport and self._session.idle and not self._task:
            self._transport.close()

    def give_up(self) -> None:
        """Ends now."""
        if self._transport:
            self._transport.abort()

    # -- Events

    def _proceed(self) -> None:
        """Works through what has come, until more has to be received or a handler has to be waited for."""
        session = self._session
        try:
            while self._open and not self._task and not self._stuck:
                event = session.next_event()
                if event is None:
                    break
                self._take(event)
        except ProtocolError as error:
            self._refuse(error)
            return
        self._flush()
        self._dispatcher.settle()
        if self._waiting and not self._task and not self._stuck:
            self._waiting = 0
            self._pause(False)
        if self._host.stopping:
            self.finish()

    def _take(self, event: Event) -> None:
        """Lets the filter hear of an event."""
        answer = self._dispatcher.ask(event)
        if answer is None:
            if isinstance(event, Quit):
                self._close()
            return
        if isinstance(answer, Response):
            self._dispatcher.answer(answer)
            return
        now = self._loop.time()
        self.deadline = now + PATIENCE
        self.progress_at = now + PROGRESS_EVERY
        self._answering = answer
        self._task = self._loop.create_task(self._wait(answer))

    async def _wait(self, answer: Coroutine[Any, Any, Response]) -> None:
        """Awaits an answer, then goes on."""
        try:
            response = await answer
        except asyncio.CancelledError:
            if not self._late or self._transport is None:
                raise
            response = self._dispatcher.failed(TimeoutError(f"no answer within {PATIENCE:g} seconds"))
        except Exception as error:  # noqa: BLE001 - as above
            response = self._dispatcher.failed(error)
        self._task, self._answering, self._late = None, None, False
        if self._transport:
            self._wait_for_more()
            self._dispatcher.answer(response)
            self._proceed()

    def _refuse(self, error: ProtocolError) -> None:
        """The MTA makes no sense: it gets what it has been answered, then the end."""
        log.warning("%s: closing a connection: %s", self._name, error)
        self._close()

    # -- Input and output

    @property
    def _open(self) -> bool:
        """Whether the conversation goes on; a connection that is to be closed may still have something to send."""
        return self._transport is not None and not self._transport.is_closing()

    def _flush(self) -> None:
        data = self._session.take()
        if data and self._transport:
            self._transport.write(data)

    def _close(self) -> None:
        """Ends when what is to be sent has been sent."""
        if self._transport:
            self._flush()
            self._transport.close()

    def _pause(self, pause: bool) -> None:
        if self._transport and pause != self._paused:
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _wait_for_more(self) -> None:
        session = self._session
        limit = STALL if session.partial or not session.negotiated else IDLE
        self.deadline = self._loop.time() + limit
