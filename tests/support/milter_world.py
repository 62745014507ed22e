"""Filters of ours, served within the test's process: in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from exim_dkim.system.listeners import Listener
from milter_server.handler import Filter, MessageHandler
from milter_server.message import Transaction
from milter_server.response import Action
from milter_server.server import MAX_CONNECTIONS, Server, Service

PATIENCE = 30.0


class Serving:
    """Serves `filters` on loopback until the block ends; `addresses` are in their order."""

    def __init__(self, *filters: Filter, path: Path | None = None, max_connections: int = MAX_CONNECTIONS) -> None:
        """`path`: a Unix socket for the first filter."""
        self.addresses: list[str | tuple[str, int]] = []
        self._services = [
            Service(self._listen(path if not number else None), one) for number, one in enumerate(filters)
        ]
        self._max_connections = max_connections
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.server: Server
        self.loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> str | tuple[str, int]:
        """Where the first filter listens."""
        return self.addresses[0]

    @property
    def services(self) -> list[Service]:
        """What is served."""
        return self._services

    def _listen(self, path: Path | None) -> Listener:
        if path is not None:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(path))
            self.addresses.append(str(path))
        else:
            listening = socket.create_server(("127.0.0.1", 0))
            self.addresses.append(("127.0.0.1", listening.getsockname()[1]))
        listening.listen(1024)
        inode = path.stat().st_ino if path is not None else 0
        return Listener(listening, str(self.addresses[-1]), local=path is not None, inode=inode)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self.stop()
        self.join()

    def stop(self) -> None:
        """Asks the server to end, as SIGTERM does."""
        self.call(self.server.stop)

    def join(self) -> None:
        """Waits until the server has ended."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def call(self, action: Callable[[], object]) -> None:
        """Runs `action` in the server's thread, and waits until it has run."""
        done = threading.Event()

        def act() -> None:
            try:
                action()
            finally:
                done.set()

        self.loop.call_soon_threadsafe(act)
        assert done.wait(PATIENCE)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.server = Server(self._services, max_connections=self._max_connections)
        self.loop.call_soon(self._ready.set)
        await self.server.serve()


class MadeOf(Filter):
    """A filter whose handlers are made by a function; it remembers them."""

    name = "test"
    actions = Action(0xFF)

    def __init__(self, make: Callable[[Transaction], MessageHandler]) -> None:
        self._make = make
        self.handlers: list[MessageHandler] = []

    def begin(self, transaction: Transaction) -> MessageHandler:
        self.handlers.append(self._make(transaction))
        return self.handlers[-1]
