"""One connection of the look-up server: bytes to a request, the reply to bytes.

It works on the socket itself, not on asyncio's transports: Exim connects, writes and half-closes at once, so most
requests are complete at the first read, and are answered in the same turn of the event loop, at a third of the cost.

The request is read whole before it is answered, since Exim writes it in one call that no time-out guards. When a
request is seen to be wrong earlier, the reply is sent at once, and what still comes is read and forgotten until the
client is done, or `LINGER` seconds have passed without anything from it: a close with unread bytes would tear the reply
away.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from exim_dkim.system.serving import place
from lookup_server.reply import DEFER
from lookup_server.request import RequestError, RequestReader
from lookup_server.service import Pending, Service

LINGER: Final = 2.0
"""Seconds that a client gets to take its reply, or to stop sending."""

PIECE: Final = 256 * 1024
"""Bytes read at a time."""

PIECES_A_TURN: Final = 8
"""Reads in one turn of the event loop: then it is the others' turn."""

SMALL: Final = 64 * 1024
"""What a connection may hold in any case; more only while the server holds less than `max_held` in all."""

log = logging.getLogger("lookup_server")


class Host(Protocol):
    """What a connection needs of its server."""

    service: Service
    max_request: int
    max_connections: int
    max_held: int
    request_timeout: float
    held: int
    connections: set[Connection]


class Connection:
    """A client. `local`: it came over a Unix socket."""

    __slots__ = (
        "_busy", "_done", "_ended", "_held", "_host", "_local", "_loop", "_pending", "_reader", "_reading", "_socket",
        "_timer", "_unsent", "_until", "_writing",
    )  # fmt: skip

    def __init__(self, host: Host, client: socket.socket, local: bool, loop: asyncio.AbstractEventLoop) -> None:
        """`client`: an accepted socket, which does not block."""
        self._host = host
        self._socket = client
        self._local = local
        self._loop = loop
        self._reader = RequestReader(host.max_request)
        self._busy = ""
        self._reading = False  # the event loop looks for more
        self._done = False  # replied, or about to
        self._ended = False  # the client has closed its side: nothing more can come
        self._held = 0
        self._unsent = b""
        self._writing = False  # the event loop waits until more can be sent
        self._until = 0.0  # when the client's time to stop sending is over
        self._pending: Pending | None = None
        self._timer: asyncio.TimerHandle | None = None
        host.connections.add(self)

    def begin(self) -> None:
        """Reads what is there already, and answers if that is all. Never raises; nor does what follows."""
        self._guard(self._begin)

    def _guard(self, step: Callable[[], None]) -> None:
        """Every entry from the event loop: a fault of ours is logged, and costs nobody but the client a `defer`."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - see above
            log.error("internal error: %s", place(error))
            self._pending = None
            self._done = False
            self.give_up()

    def _begin(self) -> None:
        beyond = len(self._host.connections) - self._host.max_connections
        if beyond > 0:
            self._be_busy("too many connections (lookup_max_connections)", tell=beyond == 1)
        self._read()
        if not self._done:
            self._set_timer(self._host.request_timeout, self._expire)
            self._look_for_more(True)

    def give_up(self) -> None:
        """The server ends: what is not answered by now is `defer`."""
        if not self._done or self._pending:
            self._done = self._ended = True
            self._send(DEFER)
        self._close()

    def _read(self) -> None:
        """What the client has sent."""
        for _ in range(PIECES_A_TURN):
            try:
                data = self._socket.recv(PIECE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._close()
                return
            if not data:
                self._end()
                return
            if not self._done:
                self._take(data)
            elif self._pending is None:
                self._set_timer(min(LINGER, self._until - self._loop.time()), self._close)

    def _take(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        self._count_held(reader.held)
        if reader.error or reader.complete:
            self._answer()

    def _end(self) -> None:
        """The client has closed its side."""
        self._ended = True
        self._look_for_more(False)
        if not self._done:
            self._reader.end()
            self._answer()
        elif self._pending is None and not self._unsent:
            self._close()

    def _answer(self) -> None:
        self._done = True
        service = self._host.service
        reader, self._reader = self._reader, RequestReader(0)
        try:
            request = reader.request()
        except RequestError as error:
            self._send(service.refuse(str(error)))
            return
        if self._busy:
            self._send(service.defer(request, self._busy))
            return
        reply = service.answer(request, self._local)
        if isinstance(reply, bytes):
            self._send(reply)
            return
        self._look_for_more(False)
        self._pending = reply
        self._set_timer(service.timeout, lambda: self._finish(service))
        reply.task.add_done_callback(lambda _: self._guard(lambda: self._finish(service)))

    def _finish(self, service: Service) -> None:
        """What was waited for is there, or the time for it is over."""
        if self._pending:
            pending, self._pending = self._pending, None
            self._send(service.finish(pending))

    def _send(self, reply: bytes) -> None:
        """The reply, and the end."""
        self._count_held(0)
        self._unsent = reply
        self._until = self._loop.time() + self._host.request_timeout
        self._write()

    def _write(self) -> None:
        """Sends what is left of the reply, then closes: at once if the client has ended, else when it does."""
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._close()
            return
        if self._ended and not self._unsent:
            self._close()
            return
        self._set_timer(LINGER, self._close)
        self._wait_to_send(bool(self._unsent))
        if not self._unsent:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            self._look_for_more(True)

    def _close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._done = True
        self._count_held(0)
        self._look_for_more(False)
        self._wait_to_send(False)
        if self._timer:
            self._timer.cancel()
        self._pending = None
        self._host.connections.discard(self)
        self._socket.close()

    def _look_for_more(self, yes: bool) -> None:
        if yes != self._reading:
            self._reading = yes
            if yes:
                self._loop.add_reader(self._socket, self._guard, self._read)
            else:
                self._loop.remove_reader(self._socket)

    def _wait_to_send(self, yes: bool) -> None:
        if yes != self._writing:
            self._writing = yes
            if yes:
                self._loop.add_writer(self._socket, self._guard, self._write)
            else:
                self._loop.remove_writer(self._socket)

    def _set_timer(self, seconds: float, action: Callable[[], None]) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._guard, action)

    def _expire(self) -> None:
        self._reader.refuse(f"the request did not come within {self._host.request_timeout:g}s (lookup_request_timeout)")
        self._answer()

    def _be_busy(self, why: str, tell: bool = True) -> None:
        if tell and not self._busy:
            log.warning("defer: %s", why)
        self._busy = why
        self._reader.drop()

    def _count_held(self, held: int) -> None:
        """Keeps the server's count of bytes held; beyond its bound the message is dropped, and the reply is `defer`."""
        host = self._host
        host.held += held - self._held
        self._held = held
        if host.held > host.max_held and held > SMALL:
            self._be_busy("the requests at hand take too much memory")
            host.held -= held
            self._held = 0
