"""The running server (asyncio): listeners, connections, signals.

SIGTERM and SIGINT: no new connections; what has begun is finished, within `lookup_timeout`; what is not is `defer`.
SIGHUP: the configuration is read again; a bad one is reported and the old one stays. Sockets and user stay as they are.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from exim_dkim.config.options import OPTIONS
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError, EximDkimError
from exim_dkim.system.dns import MAX_SOCKETS, open_resolver
from exim_dkim.system.listeners import Listener
from exim_dkim.system.notify import notify
from exim_dkim.system.serving import fault_logger, raise_descriptor_limit
from lookup_server.connection import LINGER, Connection
from lookup_server.service import Service

HELD_REQUESTS: Final = 4
"""Requests of the largest size that may be in memory at once: 256 MiB with the default `lookup_max_request`."""

EXIM_PATIENCE: Final = 5
"""Seconds that `${readsocket` waits for a reply by default."""

DRAIN_BACKLOG: Final = 0.05
"""Seconds at the end, in which connections made before the socket was removed are accepted, and last replies leave."""

ACCEPTED_A_TURN: Final = 32
"""Connections accepted, and mostly answered, in one turn of the event loop."""

ACCEPT_AGAIN: Final = 0.5
"""Seconds without accepting when there are no descriptors left."""

log = logging.getLogger("lookup_server")


class Server:
    """Serves listeners until `stop`. `reread` reads the configuration again; it raises `EximDkimError`."""

    def __init__(self, settings: Settings, reread: Callable[[], Settings] | None = None) -> None:
        """`ConfigurationError` for options without sense."""
        self.connections: set[Connection] = set()
        self.held = 0
        self._reread = reread
        self._stopped = asyncio.Event()
        self._configure(settings)

    def _configure(self, settings: Settings) -> None:
        """Takes on a configuration, or raises and keeps the old one."""
        self.service = make_service(settings)
        _warn_of_patience(settings)
        self.max_request = settings.size("lookup_max_request")
        self.max_held = HELD_REQUESTS * self.max_request
        self.max_connections = settings.integer("lookup_max_connections")
        self.request_timeout: float = settings.seconds("lookup_request_timeout")
        self._grace = settings.seconds("lookup_timeout") + LINGER
        self._listen_setting = settings.shown("lookup_listen")

    def stop(self) -> None:
        """Makes `serve` end."""
        self._stopped.set()

    def reload(self) -> None:
        """Reads the configuration again."""
        if self._reread is None:
            return
        notify("RELOADING=1")
        sockets = self._listen_setting
        try:
            self._configure(self._reread())
        except EximDkimError as error:
            log.error("the old configuration stays: %s", error)
        else:
            log.info("configuration read again")
            if self._listen_setting != sockets:
                log.warning("lookup_listen has changed; that takes a restart")
        notify("READY=1")

    async def serve(self, listeners: Sequence[Listener]) -> None:
        """Serves until `stop`, then finishes what has begun. Closes the listeners and removes their files."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(fault_logger(log))
        raise_descriptor_limit(2 * self.max_connections + MAX_SOCKETS + 64, log)  # a spool file each, and DNS
        for number, action in ((signal.SIGTERM, self.stop), (signal.SIGINT, self.stop), (signal.SIGHUP, self.reload)):
            with suppress(RuntimeError, ValueError):  # not in the main thread: then nobody sends us signals
                loop.add_signal_handler(number, action)
        for listener in listeners:
            listener.socket.setblocking(False)
            loop.add_reader(listener.socket, self._accept, listener, loop)
        log.info("serving on %s", ", ".join(listener.name for listener in listeners))
        notify("READY=1")
        await self._stopped.wait()
        notify("STOPPING=1")
        log.info("stopping; %d connections at hand", len(self.connections))
        for listener in listeners:
            listener.remove()
        await asyncio.sleep(DRAIN_BACKLOG)
        for listener in listeners:
            loop.remove_reader(listener.socket)
            listener.socket.close()
        await self._finish()
        log.info("stopped")

    def _accept(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        """Takes the connections that wait."""
        for _ in range(ACCEPTED_A_TURN):
            try:
                client, _ = listener.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors: whoever waits is better served later than refused.
                log.error("cannot accept a connection: %s", error.strerror)
                loop.remove_reader(listener.socket)
                loop.call_later(ACCEPT_AGAIN, self._accept_again, listener, loop)
                return
            client.setblocking(False)
            Connection(self, client, listener.local, loop).begin()

    def _accept_again(self, listener: Listener, loop: asyncio.AbstractEventLoop) -> None:
        if listener.socket.fileno() >= 0:
            loop.add_reader(listener.socket, self._accept, listener, loop)

    async def _finish(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._grace
        while self.connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.give_up()
        await asyncio.sleep(DRAIN_BACKLOG)


def make_service(settings: Settings) -> Service:
    """What answers by these settings; `ConfigurationError` for options without sense."""
    least = {"lookup_timeout": 1, "lookup_request_timeout": 1, "lookup_max_connections": 1, "lookup_max_request": 1024}
    for name, minimum in least.items():
        read = {"time": settings.seconds, "size": settings.size}.get(OPTIONS[name].type, settings.integer)
        if read(name) < minimum:
            raise ConfigurationError(f"{name} must be at least {minimum}", *settings.place(name))
    for spool in settings.items("lookup_spool_directories"):
        if not spool.startswith("/"):
            text = f"lookup_spool_directories: {spool!r} is not an absolute path, as Exim's spool_directory is"
            raise ConfigurationError(text, *settings.place("lookup_spool_directories"))
    return Service(settings, open_resolver(settings))


def _warn_of_patience(settings: Settings) -> None:
    if settings.seconds("lookup_timeout") >= EXIM_PATIENCE:
        log.warning(
            "lookup_timeout is %s: Exim gives up after %ds by default", settings.shown("lookup_timeout"), EXIM_PATIENCE
        )
