"""milter_server.server and connection: filters over real sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import tracemalloc
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from milter_server import server as server_module
from milter_server.command import EndOfHeaders, EndOfMessage, Field, Mail, Negotiation, Rcpt, format_command
from milter_server.handler import Filter, MessageHandler
from milter_server.message import Header, Recipient, Transaction
from milter_server.response import CONTINUE, TEMPFAIL, Action, Changes, InsertField, Response
from milter_server.server import Server
from tests.support.milter_client import VERSION_2, VERSION_6, LostError, MilterClient
from tests.support.milter_world import MadeOf, Serving
from tests.support.processes import wait_until

PATIENCE = 20.0
FIELDS = [(b"From", b" alice@example.org"), (b"Subject", b" one\n two"), (b"X-Tight", b"v")]


class Counting(MessageHandler):
    """Says what it has seen, in a field."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self.seen: list[str] = []
        self.size = 0

    def sender(self) -> Response:
        self.seen.append(f"sender={self.transaction.sender.decode()}")
        return CONTINUE

    def recipient(self, recipient: Recipient) -> Response:
        self.seen.append(f"recipient={recipient.address.decode()}")
        return CONTINUE

    async def end_of_headers(self, header: Header) -> Response:
        await asyncio.sleep(0)
        self.seen.append(f"fields={len(header.fields)}")
        return CONTINUE

    def body(self, chunk: bytes) -> Response:
        self.size += len(chunk)
        return CONTINUE

    async def end_of_message(self, changes: Changes) -> Response:
        await asyncio.sleep(0)
        told = [*self.seen, f"body={self.size}", f"id={self.transaction.queue_id.decode()}"]
        changes.insert_field(f"X-Seen: {' '.join(told)}".encode())
        return CONTINUE

    def abort(self) -> None:
        self.seen.append("abort")


@pytest.mark.parametrize("offer", [VERSION_6, VERSION_2], ids=["version 6", "version 2"])
@pytest.mark.parametrize("local", [False, True])
def test_messages(offer: Negotiation, local: bool, tmp_path: Path) -> None:
    filter = MadeOf(Counting)
    filter.actions = filter.actions & offer.actions
    with (
        Serving(filter, path=tmp_path / "socket" if local else None) as world,
        MilterClient(world.address, offer) as mta,
    ):
        mta.greet()
        for body in (b"", b"text\r\n", b"long " * 100_000):
            outcome = mta.message(FIELDS, body)
            assert outcome.response == CONTINUE
            assert outcome.modifications == [
                InsertField(
                    0,
                    b"X-Seen",
                    (b" " if mta.leading_space else b"")
                    + b"sender=alice@example.org recipient=<bob@example.net> fields=3 body=%d id=QUEUEID" % len(body),
                )
            ]
        mta.quit()


class Patient(MessageHandler):
    """Waits at the end of each message until it is let go."""

    def __init__(self, transaction: Transaction, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(transaction)
        self._until_released = wait

    async def end_of_message(self, changes: Changes) -> Response:
        await self._until_released()
        return CONTINUE


def test_stopping_finishes_what_has_begun(tmp_path: Path) -> None:
    released = threading.Event()
    waiting = threading.Event()

    async def wait() -> None:
        waiting.set()
        while not released.is_set():
            await asyncio.sleep(0.005)

    path = tmp_path / "socket"
    with Serving(MadeOf(lambda transaction: Patient(transaction, wait)), path=path) as world:
        with MilterClient(world.address) as idle, MilterClient(world.address) as busy:
            idle.greet()
            busy.greet()
            for command in (Mail(b"<a@b>"), Field(b"From", b" a@b"), EndOfHeaders()):
                busy.tell(command)
            busy.flush()
            busy.send(format_command(EndOfMessage()))
            assert waiting.wait(PATIENCE)
            world.stop()
            with pytest.raises(LostError):
                idle.reply()
            with pytest.raises(OSError):
                MilterClient(world.address)
            assert not path.exists()
            released.set()
            assert busy.outcome().response == CONTINUE
            with pytest.raises(LostError):
                busy.reply()
        world.join()


def test_stopping_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "GRACE", 0.2)
    with Serving(MadeOf(Counting)) as world, MilterClient(world.address) as mta:
        mta.greet()
        mta.tell(Mail(b"<a@b>"))
        mta.flush()
        mta.tell(Rcpt(b"<c@d>"))
        mta.flush()
        wait_until("the message begins", lambda: any(not one._session.idle for one in world.server.connections))
        world.stop()
        with pytest.raises(LostError):
            mta.reply()
        world.join()


def test_filters_can_be_replaced() -> None:
    class Other(MadeOf):
        actions = Action.ADD_HEADERS

        def begin(self, transaction: Transaction) -> MessageHandler:
            raise AssertionError

    with Serving(MadeOf(Counting)) as world, MilterClient(world.address) as old:
        old.greet()
        world.services[0].filter = Other(Counting)
        with MilterClient(world.address) as new:
            new.greet()
            assert new.message(FIELDS).response == TEMPFAIL
        assert old.message(FIELDS).response == CONTINUE


def test_reloading_is_the_callers() -> None:
    called: list[str] = []
    server = Server([], reload=lambda: called.append("reload"))
    server.reload()
    assert called == ["reload"]
    Server([]).reload()


def test_several_filters() -> None:
    first, second = MadeOf(Counting), MadeOf(Counting)
    second.actions = Action.ADD_HEADERS
    with Serving(first, second) as world:
        assert [client(address).agreed.actions for address in world.addresses] == [0xFF, 0x01]


def client(address: str | tuple[str, int]) -> MilterClient:
    with MilterClient(address) as mta:
        return mta


def test_too_many_connections(caplog: pytest.LogCaptureFixture) -> None:
    with Serving(MadeOf(Counting), max_connections=2) as world:
        with MilterClient(world.address) as one, MilterClient(world.address) as two:
            one.greet()
            two.greet()
            with pytest.raises(LostError):
                MilterClient(world.address)
            assert one.message(FIELDS).response == CONTINUE
            one.quit()
            wait_until("a place is free", lambda: len(world.server.connections) < 2)
            with MilterClient(world.address) as three:
                three.greet()
        assert "too many connections (2)" in caplog.text


def test_a_thousand_connections_wait_and_are_served() -> None:
    number = 1000
    with Serving(MadeOf(Counting)) as world, ExitStack() as stack:
        clients = [stack.enter_context(MilterClient(world.address)) for _ in range(number)]
        for mta in clients:
            mta.greet()
        assert len(world.server.connections) == number
        for mta in clients[::50]:
            assert mta.message(FIELDS, b"body").response == CONTINUE


def test_memory_is_flat_and_little() -> None:
    """Nothing is left of messages and connections; a connection between messages costs some kilobytes."""
    commands = (Mail(b"<a@b>"), Rcpt(b"<c@d>"), Field(b"From", b" a@b"), EndOfHeaders(), EndOfMessage(b"body" * 1000))
    message = b"".join(format_command(command) for command in commands)
    with Serving(Forgetting()) as world, MilterClient(world.address) as mta:
        mta.greet()
        tracemalloc.start()
        try:
            taken: list[int] = []
            for number in range(600):
                mta.send(message)
                assert mta.reply() == CONTINUE
                if number in (100, 599):
                    gc.collect()
                    taken.append(tracemalloc.get_traced_memory()[0])
            assert taken[1] - taken[0] < 5000, "after 500 messages"
            with ExitStack() as stack:
                for _ in range(100):
                    stack.enter_context(MilterClient(world.address)).greet()
                each = (tracemalloc.get_traced_memory()[0] - taken[1]) / 100
                assert each < 12_000, "bytes a connection, the client's side included"
        finally:
            tracemalloc.stop()


class Forgetting(Filter):
    """Does nothing."""

    def begin(self, transaction: Transaction) -> MessageHandler:
        return MessageHandler(transaction)


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="an option of Linux")
def test_acknowledges_at_once() -> None:
    """Else each command that the MTA writes in two pieces takes 40 ms (of a clock that is no test's business)."""
    options: list[int] = []

    class Looking(Counting):
        def end_of_message(self, changes: Changes) -> Response:  # type: ignore[override]
            (connection,) = world.server.connections
            assert connection._transport is not None
            connected = connection._transport.get_extra_info("socket")
            options.append(connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
            return CONTINUE

    with Serving(MadeOf(Looking)) as world, MilterClient(world.address) as mta:
        mta.greet()
        for _ in range(3):
            mta.message(FIELDS, b"text\r\n")
    assert options == [1, 1, 1]
