"""The running filters (asyncio): listeners, connections, signals.

SIGTERM and SIGINT: no new connections; those between messages are closed, messages under way are finished within
`GRACE` seconds. MTAs treat what is cut off then as they treat a filter that is down (F=T, milter_default_action).
SIGHUP: whatever `reload` does; it may put other filters into the services, which new connections get.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from exim_dkim.system.dns import MAX_SOCKETS
from exim_dkim.system.listeners import BACKLOG, Listener
from exim_dkim.system.notify import notify
from exim_dkim.system.serving import fault_logger, raise_descriptor_limit
from milter_server.connection import MilterConnection
from milter_server.handler import Filter

MAX_CONNECTIONS: Final = 10_000
"""Connections at once. MTAs keep one for each of their clients; an idle one takes some kilobytes."""

BUFFER: Final = 128 * 1024
"""Bytes read at a time, into one buffer for all connections: a body chunk and what goes with it."""

CLOCK: Final = 1.0
"""Seconds between looks at the clock."""

GRACE: Final = 30.0
"""Seconds in which messages under way are finished at the end."""

log = logging.getLogger("milter_server")


class Service:
    """A socket and the filter that serves it; `filter` may be replaced."""

    __slots__ = ("filter", "listener")

    def __init__(self, listener: Listener, filter: Filter) -> None:
        self.listener = listener
        self.filter = filter


class Server:
    """Serves filters until `stop`."""

    def __init__(
        self,
        services: Sequence[Service],
        reload: Callable[[], None] | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """`reload` is called on SIGHUP, and must not raise."""
        self.services = services
        self.connections: set[MilterConnection] = set()
        self.max_connections = max_connections
        self.buffer = memoryview(bytearray(BUFFER))
        self.stopping = False
        self._reload = reload
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Makes `serve` end."""
        self._stopped.set()

    def reload(self) -> None:
        """Lets the filters be configured again."""
        if self._reload:
            notify("RELOADING=1")
            self._reload()
            notify("READY=1")

    async def serve(self) -> None:
        """Serves until `stop`, then finishes what has begun. Closes the listeners and removes their files."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(fault_logger(log))
        raise_descriptor_limit(self.max_connections + MAX_SOCKETS + 64, log)
        for number, action in ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self.reload)):
            with suppress(RuntimeError, ValueError):  # not in the main thread: then nobody sends us signals
                loop.add_signal_handler(number, action)
        servers = [await self._listen(service, loop) for service in self.services]
        clock = loop.create_task(self._watch_clock(loop))
        names = ", ".join(f"{service.filter.name} on {service.listener.name}" for service in self.services)
        log.info("serving %s", names)
        notify("READY=1")
        await self._stopped.wait()
        notify("STOPPING=1")
        log.info("stopping; %d connections at hand", len(self.connections))
        for service, server in zip(self.services, servers, strict=True):
            service.listener.remove()
            server.close()
        await self._finish(loop)
        clock.cancel()
        log.info("stopped")

    async def _listen(self, service: Service, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        listener = service.listener.socket
        return await loop.create_server(
            lambda: MilterConnection(self, service.filter, loop), sock=listener, backlog=BACKLOG
        )

    async def _watch_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            await asyncio.sleep(CLOCK)
            now = loop.time()
            for connection in list(self.connections):
                connection.check(now)

    async def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stopping = True
        for connection in list(self.connections):
            connection.finish()
        deadline = loop.time() + GRACE
        while self.connections and loop.time() < deadline:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.give_up()
        await asyncio.sleep(0)
