"""The server over real sockets, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.listeners import Listener, open_listeners
from lookup_server.connection import LINGER, Connection
from lookup_server.server import Server
from lookup_server.service import Service
from tests.support.mail import MESSAGE, record, signed
from tests.support.nameserver import NameServer, silence

REQUEST = b"dkim example.org\ncontrol = dkim_verify\n\n"
GOOD = REQUEST + signed()


def settings_for(directory: Path, options: str = "") -> Settings:
    zone = directory / "zone"
    strings = " ".join(f'"{record()[i : i + 250]}"' for i in range(0, len(record()), 250))
    zone.write_text(f"sel._domainkey.example.org. TXT {strings}\n;! TIMEOUT slow._domainkey.example.org.\n")
    text = f"lookup_listen = {directory}/l.sock\ndns_zone_file = {zone}\n{options}"
    return parse_configuration(text.encode(), "test.conf")


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, reread: Callable[[], Settings] | None = None
) -> AsyncIterator[tuple[Server, list[Listener]]]:
    listeners = open_listeners(settings, None, {})
    server = Server(settings, reread)
    task = asyncio.create_task(server.serve(listeners))
    try:
        yield server, listeners
    finally:
        server.stop()
        await asyncio.wait_for(task, 20)


async def ask(path: Path, *pieces: bytes, end: bool = True) -> bytes:
    """A request as Exim sends it: everything, then the end of file; the whole reply."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


def run(tmp_path: Path, check: Callable[[Server, Path], Awaitable[None]], options: str = "") -> None:
    async def main() -> None:
        async with serving(settings_for(tmp_path, options)) as (server, _):
            await check(server, tmp_path / "l.sock")
            assert server.held == 0
        assert server.connections == set()
        assert not (tmp_path / "l.sock").exists()

    asyncio.run(main())


def test_requests(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        assert await ask(path, b"ping\n") == b"pong"
        assert await ask(path, GOOD) == b"good"
        assert await ask(path, GOOD.replace(b"Alice", b"Eve")) == b"bad"
        assert await ask(path, REQUEST + MESSAGE) == b"unsigned"
        assert await ask(path, *(GOOD[i : i + 100] for i in range(0, len(GOOD), 100))) == b"good"
        assert (await ask(path, b"")).startswith(b"error: the request is empty")
        assert (await ask(path, b"\0\xff\n" * 100)).startswith(b"error: ")

    run(tmp_path, check)


def test_clients_that_do_not_half_close(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        message = signed()
        head = REQUEST.replace(b"\n\n", b"\nlength = %d\n\n" % len(message))
        assert await ask(path, head + message, end=False) == b"good"
        assert await ask(path, head + message + b"trailing junk", end=False) == b"good"
        assert await ask(path, b"ping\nlength = 0\n\n", end=False) == b"pong"
        assert (await ask(path, b"dkim\nwrong\n\n", end=False)).startswith(b"error: line 2")
        assert (await ask(path, b"dkim x\nlength = 9\n\nshort")).startswith(b"error: the request ends")

    run(tmp_path, check)


def test_over_inet(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def main() -> None:
        settings = settings_for(tmp_path).replaced({"lookup_listen": f"<; inet:127.0.0.1:{port}".encode()})
        async with serving(settings) as (_, listeners):
            assert [listener.local for listener in listeners] == [False]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GOOD)
            writer.write_eof()
            assert await reader.read() == b"good"
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"dkim x.example\ncontrol = dkim_verify\nmessage_exim_id = 1xUw9H-00013Q-2i\n\nFrom: x\n")
            writer.write_eof()
            assert b"lookup_spool_over_inet" in await reader.read()
            writer.close()

    asyncio.run(main())


def test_500_connections_at_once(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        asked = [REQUEST + signed().replace(b"Hello", b"Hello %d" % i) if i % 2 else GOOD for i in range(500)]
        opened = [await asyncio.open_unix_connection(path) for _ in asked]
        while len(server.connections) < 500:
            await asyncio.sleep(0.01)
        for (_, writer), data in zip(opened, asked, strict=True):
            writer.write(data)
            writer.write_eof()
        replies = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in opened)), 20)
        for _, writer in opened:
            writer.close()
        assert replies == [b"bad" if i % 2 else b"good" for i in range(500)]

    run(tmp_path, check)


def test_too_many_connections_are_told_to_defer(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        idle = [await asyncio.open_unix_connection(path) for _ in range(3)]
        assert await ask(path, GOOD) == b"defer"
        assert await ask(path, GOOD.replace(b"dkim", b"why dkim", 1)) == (
            b"defer: too many connections (lookup_max_connections)"
        )
        for _, writer in idle:
            writer.close()
        while server.connections:
            await asyncio.sleep(0.01)
        assert await ask(path, GOOD) == b"good"

    run(tmp_path, check, "lookup_max_connections = 3\n")


def test_a_request_that_is_too_large_is_drained_and_refused(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        reply = await ask(path, REQUEST + b"X: y\n\n", *[b"z" * 65536] * 100)
        assert reply.startswith(b"error: the request is longer than 1048576 bytes")
        assert await ask(path, REQUEST + b"X: y\n\n", b"z" * 900_000) == b"unsigned"

    run(tmp_path, check, "lookup_max_request = 1M\n")


def test_memory_for_requests_is_bounded(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        large = REQUEST + signed() + b"more\r\n" * 12_000
        opened = [await asyncio.open_unix_connection(path) for _ in range(10)]
        for _, writer in opened:
            writer.write(large)
        while server.held + 100_000 < server.max_held:
            await asyncio.sleep(0.01)
        for _, writer in opened:
            await writer.drain()
            writer.write_eof()
        replies = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in opened)), 20)
        for _, writer in opened:
            writer.close()
        assert set(replies) == {b"bad", b"defer"}

    run(tmp_path, check, "lookup_max_request = 80K\n")


def test_requests_that_never_end(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        began = time.monotonic()
        replies = await asyncio.gather(
            ask(path, b"dkim example.org\n", end=False), ask(path, end=False), ask(path, GOOD, end=False)
        )
        assert all(b"lookup_request_timeout" in reply for reply in replies)
        assert 0.9 < time.monotonic() - began < 4

    run(tmp_path, check, "lookup_request_timeout = 1s\n")


def test_a_client_that_drips_is_not_kept_for_ever(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        reply = asyncio.create_task(reader.read())
        while server.connections:
            with contextlib.suppress(ConnectionError):
                writer.write(b"x")
            await asyncio.sleep(0.05)
        assert (await reply).startswith(b"error: ")
        writer.close()

    run(tmp_path, check, "lookup_request_timeout = 1s\n")


def test_a_client_that_does_not_take_its_reply(tmp_path: Path) -> None:
    long = b"json\ncontrol = dkim_verify\n\n" + b"DKIM-Signature: v=1; d=example.org\n" * 150 + b"\nbody\n"

    async def check(server: Server, path: Path) -> None:
        clients = []
        for _ in range(3):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            client.connect(str(path))
            client.sendall(long)
            client.shutdown(socket.SHUT_WR)
            clients.append(client)
        assert len(await ask(path, long)) > 30_000
        deadline = time.monotonic() + LINGER + 3
        while server.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert server.connections == set()
        for client in clients:
            client.close()

    run(tmp_path, check)


def test_a_reply_larger_than_the_socket_holds_arrives_whole(tmp_path: Path) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            for each in (ours, theirs):
                each.setblocking(False)
            server = Server(settings_for(tmp_path))
            theirs.sendall(b"json\ncontrol = dkim_verify\n\n" + b"DKIM-Signature: v=1; d=x\n" * 199 + b"\nbody\n")
            theirs.shutdown(socket.SHUT_WR)
            Connection(server, ours, True, asyncio.get_running_loop()).begin()
            reply = b""
            while data := await asyncio.get_running_loop().sock_recv(theirs, 65536):
                reply += data
                await asyncio.sleep(0.001)
            assert len(reply) > 30_000
            assert server.connections == set()

    asyncio.run(main())


def test_without_descriptors_clients_wait_instead_of_being_refused(tmp_path: Path) -> None:
    class Exhausted(socket.socket):
        """Cannot accept the first two times."""

        left = 2

        def accept(self) -> tuple[socket.socket, Any]:
            if self.left:
                self.left -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return super().accept()

    async def main() -> None:
        settings = settings_for(tmp_path)
        (listener,) = open_listeners(settings, None, {})
        server = Server(settings)
        exhausted = Exhausted(fileno=listener.socket.detach())
        task = asyncio.create_task(server.serve([listener._replace(socket=exhausted)]))
        assert await ask(tmp_path / "l.sock", GOOD) == b"good"
        assert exhausted.left == 0
        server.stop()
        await task

    asyncio.run(main())


def test_clients_that_go_away(tmp_path: Path) -> None:
    async def check(server: Server, path: Path) -> None:
        for data in (b"", b"dkim", GOOD):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(data)
            writer.transport.abort()
        for _ in range(3):  # closes at once, and does not take the reply
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(GOOD)
            writer.close()
        assert await ask(path, GOOD) == b"good"
        deadline = time.monotonic() + LINGER + 2
        while server.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert server.connections == set()

    run(tmp_path, check)


def test_name_servers_that_never_answer(tmp_path: Path) -> None:
    """With the time-outs of the defaults: Exim waits 5 seconds."""

    async def main() -> None:
        async with NameServer({}, silence) as nameserver:
            servers = f"127.0.0.1 {nameserver.address.port}".encode()
            settings = settings_for(tmp_path).replaced({"dns_zone_file": b"", "dns_nameservers": servers})
            async with serving(settings):
                began = time.monotonic()
                asked = [REQUEST + signed(selector=f"s{i}") for i in range(50)]
                replies = await asyncio.gather(*(ask(tmp_path / "l.sock", data) for data in asked))
                assert set(replies) == {b"defer"}
                assert time.monotonic() - began < 5
                assert await ask(tmp_path / "l.sock", asked[0].replace(b"dkim", b"why dkim", 1)) == (
                    b"defer: d=example.org s=s0: the key could not be fetched: the name servers did not answer in time"
                    b" (s0._domainkey.example.org: no answer within 3s)"
                )

    asyncio.run(main())


def test_stop_finishes_what_has_begun(tmp_path: Path) -> None:
    async def main() -> None:
        settings = settings_for(tmp_path, "lookup_timeout = 1s\n")
        listeners = open_listeners(settings, None, {})
        server = Server(settings)
        task = asyncio.create_task(server.serve(listeners))
        path = tmp_path / "l.sock"
        assert await ask(path, b"ping") == b"pong"
        reader, writer = await asyncio.open_unix_connection(path)
        idle_reader, idle_writer = await asyncio.open_unix_connection(path)
        writer.write(GOOD[:100])
        server.stop()
        await asyncio.sleep(0.2)
        assert not path.exists()
        with pytest.raises(OSError):
            await ask(path, b"ping")
        writer.write(GOOD[100:])
        writer.write_eof()
        assert await reader.read() == b"good"
        assert await idle_reader.read() == b"defer"  # the end of patience
        await asyncio.wait_for(task, 10)
        for each in (writer, idle_writer):
            each.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "line",
    ["lookup_timeout = 0s", "lookup_request_timeout = 0s", "lookup_max_connections = 0", "lookup_max_request = 1"],
)
def test_limits_that_leave_no_room(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match="must be at least") as caught:
        Server(settings_for(tmp_path, line))
    assert caught.value.line == 3


def test_a_patience_longer_than_exims_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lookup_server"), "propagate", True)
    Server(settings_for(tmp_path, "lookup_timeout = 5s"))
    assert caplog.messages == ["lookup_timeout is 5s: Exim gives up after 5s by default"]


def test_a_fault_that_nothing_caught_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lookup_server"), "propagate", True)

    async def check(server: Server, path: Path) -> None:
        asyncio.get_running_loop().call_soon(divmod, 1, 0)
        assert await ask(path, b"ping") == b"pong"

    run(tmp_path, check)
    (line,) = (message for message in caplog.messages if "internal error" in message)
    assert "ZeroDivisionError" in line
    assert "\n" not in line


def test_a_fault_of_ours_is_defer_and_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lookup_server"), "propagate", True)

    async def check(server: Server, path: Path) -> None:
        for name in ("answer", "finish", "refuse"):
            with monkeypatch.context() as patch:
                patch.setattr(Service, name, lambda *_: divmod(1, 0))
                assert await ask(path, b"" if name == "refuse" else GOOD.replace(b"Alice", name.encode())) == b"defer"
        assert await ask(path, GOOD) == b"good"

    run(tmp_path, check)
    lines = [message for message in caplog.messages if "internal error: ZeroDivisionError" in message]
    assert len(lines) == 3


def test_reload(tmp_path: Path) -> None:
    new = [settings_for(tmp_path, "lookup_max_request = 2K\n")]

    def reread() -> Settings:
        if not new:
            raise ConfigurationError("broken", "test.conf", 7)
        return new.pop()

    async def main() -> None:
        async with serving(settings_for(tmp_path), reread) as (server, _):
            path = tmp_path / "l.sock"
            long = REQUEST + b"X: " + b"y" * 3000 + b"\n\n"
            assert await ask(path, long) == b"unsigned"
            old = server.service
            server.reload()
            assert server.service is not old
            assert (await ask(path, long)).startswith(b"error: ")
            kept = server.service
            server.reload()
            assert server.service is kept
            assert (await ask(path, long)).startswith(b"error: ")

    asyncio.run(main())
