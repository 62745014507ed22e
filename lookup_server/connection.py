"""One connection of the look-up server: bytes to a request, the reply to bytes (asyncio).

The request is read whole before it is answered, since Exim writes it in one call that no time-out guards. When a
request is seen to be wrong earlier, the reply is sent at once, and what still comes is read and forgotten until the
client is done, or `LINGER` seconds have passed without anything from it: a close with unread bytes would tear the reply
away.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from lookup_server.reply import DEFER
from lookup_server.request import RequestError, RequestReader
from lookup_server.service import Service

LINGER: Final = 2.0
"""Seconds that a client gets to take its reply, or to stop sending."""

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


class Connection(asyncio.Protocol):
    """A client. `local`: it came over a Unix socket."""

    __slots__ = ("_busy", "_done", "_ended", "_held", "_host", "_local", "_reader", "_task", "_timer", "_transport")

    def __init__(self, host: Host, local: bool) -> None:
        self._host = host
        self._local = local
        self._reader = RequestReader(host.max_request)
        self._busy = ""
        self._done = False  # replied, or about to
        self._ended = False  # the client has closed its side: nothing more can come
        self._held = 0
        self._task: asyncio.Task[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host = self._host
        host.connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(host.request_timeout, self._expire)
        if len(host.connections) > host.max_connections:
            self._be_busy("too many connections (lookup_max_connections)")

    def data_received(self, data: bytes) -> None:
        if self._done:
            self._rest_later()
            return
        reader = self._reader
        reader.feed(data)
        self._count_held(reader.held)
        if reader.error or reader.complete:
            self._answer()

    def eof_received(self) -> bool:
        self._ended = True
        if self._done:
            return self._task is not None  # the reply is to come; else the client is done, and so are we
        self._reader.end()
        self._answer()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._done = True
        self._count_held(0)
        self._host.connections.discard(self)
        if self._timer:
            self._timer.cancel()
        if self._task:
            self._task.cancel()

    def give_up(self) -> None:
        """The server ends: what is not answered by now is `defer`."""
        if not self._done or self._task:
            self._done = self._ended = True
            self._send(DEFER)

    def _answer(self) -> None:
        self._done = True
        if self._timer:
            self._timer.cancel()
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
        self._task = asyncio.create_task(reply)
        self._task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[bytes]) -> None:
        self._task = None
        if task.cancelled():
            self._send(DEFER)
        elif error := task.exception():
            log.error("internal error: %s: %s", type(error).__name__, error)
            self._send(DEFER)
        else:
            self._send(task.result())

    def _send(self, reply: bytes) -> None:
        """The reply, and the end."""
        self._count_held(0)
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(reply)
        if self._ended:
            transport.close()
        else:
            transport.write_eof()
        self._rest_later()

    def _rest_later(self) -> None:
        """Ends the connection for good when the client has been quiet for a while."""
        if self._task is None:
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def _expire(self) -> None:
        self._reader.refuse(f"the request did not come within {self._host.request_timeout:g}s (lookup_request_timeout)")
        self._answer()

    def _be_busy(self, why: str) -> None:
        if not self._busy:
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
