"""milter_server.connection: filters that wait, fail and take too long; MTAs that stall, vanish and talk nonsense.

Whatever one connection does, another one is served all the while.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from milter_server import connection as module
from milter_server import server as server_module
from milter_server.command import (
    Connect,
    EndOfHeaders,
    EndOfMessage,
    Field,
    Helo,
    Mail,
    Quit,
    QuitNewConnection,
    Rcpt,
    Unknown,
    format_command,
)
from milter_server.handler import ALL_STEPS, Answer, Filter, MessageHandler, Step
from milter_server.message import Connection, Family, Header, Transaction
from milter_server.packet import format_packet
from milter_server.reply import PROGRESS
from milter_server.response import ACCEPT, CONTINUE, REJECT, TEMPFAIL, Action, Changes, Response
from tests.support.milter_client import VERSION_2, LostError, MilterClient
from tests.support.milter_world import MadeOf, Serving
from tests.support.processes import wait_until

FIELDS = [(b"From", b" alice@example.org"), (b"Subject", b" s")]
PATIENCE = 20.0


class Recording(MessageHandler):
    """Does what it is told to, and remembers how it ended."""

    def __init__(self, transaction: Transaction, act: Callable[[str], Answer | None]) -> None:
        super().__init__(transaction)
        self.act = act
        self.ends: list[str] = []
        self.body_size = 0

    def _do(self, what: str) -> Answer:
        return self.act(what) or CONTINUE

    def sender(self) -> Answer:
        return self._do("sender")

    def end_of_headers(self, header: Header) -> Answer:
        return self._do("end_of_headers")

    def body(self, chunk: bytes) -> Answer:
        self.body_size += len(chunk)
        return self._do("body")

    def end_of_message(self, changes: Changes) -> Answer:
        self.ends.append("end_of_message")
        changes.add_field(b"X-Test: 1")
        return self._do("end_of_message")

    def abort(self) -> None:
        self.ends.append("abort")
        self._do("abort")


class Acting(MadeOf):
    """A filter whose handlers act so."""

    def __init__(self, act: Callable[[str], Answer | None] = lambda _: None) -> None:
        super().__init__(lambda transaction: Recording(transaction, act))
        self.clients: list[str] = []

    def connected(self, connection: Connection) -> Answer:
        self.clients.append("connected")
        return CONTINUE

    def closed(self, connection: Connection) -> None:
        self.clients.append("closed")

    @property
    def ends(self) -> list[list[str]]:
        """How each message has ended."""
        return [handler.ends for handler in self.handlers if isinstance(handler, Recording)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is looked at often, and little patience."""
    monkeypatch.setattr(server_module, "CLOCK", 0.02)
    monkeypatch.setattr(module, "STALL", 0.6)
    monkeypatch.setattr(module, "PATIENCE", 0.4)
    monkeypatch.setattr(module, "PROGRESS_EVERY", 0.05)


def assert_served(world: Serving) -> None:
    """Others are served."""
    with MilterClient(world.address) as mta:
        mta.greet()
        assert mta.message(FIELDS, b"body").response == CONTINUE


# -- Handlers


@pytest.mark.parametrize("step", ["sender", "end_of_headers", "body", "end_of_message"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "awaited"])
@pytest.mark.parametrize("silent", [ALL_STEPS, Step(0)], ids=["silent", "answered"])
def test_a_handler_that_fails_tempfails(step: str, later: bool, silent: Step, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> Response:
        await asyncio.sleep(0)
        raise ZeroDivisionError("secret" * 200)

    def act(what: str) -> Answer | None:
        if what == step and sick:
            if later:
                return fail()
            raise ZeroDivisionError
        return None

    sick = True
    filter = Acting(act)
    filter.silent = silent
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        outcome = mta.message(FIELDS, b"body")
        assert outcome.response == TEMPFAIL
        assert outcome.modifications == []
        sick = False
        assert mta.message(FIELDS, b"body").response == CONTINUE
        mta.quit()
    assert "internal error: ZeroDivisionError" in caplog.text
    assert len(filter.handlers) == 2
    assert [len(ends) for ends in filter.ends] == [1, 1]


def test_a_filter_may_say_what_a_failure_means(caplog: pytest.LogCaptureFixture) -> None:
    def act(what: str) -> Answer | None:
        raise KeyError(what)

    filter = Acting(act)
    filter.failed = lambda transaction, error: ACCEPT  # type: ignore[method-assign]
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        outcome = mta.message(FIELDS)
        assert outcome.response == ACCEPT
        assert outcome.modifications == []


def test_failing_at_failing_is_a_tempfail(caplog: pytest.LogCaptureFixture) -> None:
    def act(what: str) -> Answer | None:
        raise KeyError(what)

    def failed(transaction: Transaction | None, error: BaseException) -> Response:
        raise ValueError

    filter = Acting(act)
    filter.failed = failed  # type: ignore[method-assign]
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        assert mta.message(FIELDS).response == TEMPFAIL


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("step", "silent", "told"),
    [
        ("end_of_message", Step(0), True),
        ("end_of_message", ALL_STEPS, True),
        ("end_of_headers", ALL_STEPS, True),  # the MTA has said everything, and waits
        ("end_of_headers", Step(0), False),  # Sendmail would not understand it there
        ("body", ALL_STEPS & ~Step.BODY, False),
    ],
)
def test_progress(step: str, silent: Step, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", PATIENCE)

    async def take_long() -> Response:
        await asyncio.sleep(0.3)
        return CONTINUE

    filter = Acting(lambda what: take_long() if what == step else None)
    filter.silent = silent
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        outcome = mta.message(FIELDS, b"body")
        assert outcome.response == CONTINUE
        assert bool(outcome.progress) == told
        assert outcome.progress < 100


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("step", ["end_of_headers", "end_of_message"])
def test_a_handler_that_does_not_end_tempfails(step: str, caplog: pytest.LogCaptureFixture) -> None:
    async def never() -> Response:
        await asyncio.Event().wait()
        return CONTINUE

    acting: Acting = Acting(lambda what: never() if what == step and len(acting.handlers) == 1 else None)
    with Serving(acting) as world, MilterClient(world.address) as mta:
        mta.greet()
        assert mta.message(FIELDS, b"body").response == TEMPFAIL
        assert mta.message(FIELDS, b"body").response == CONTINUE
    assert "no answer within" in caplog.text


def test_the_session_waits_for_its_handler() -> None:
    """What comes while a handler waits is looked at afterwards, in its order."""
    order: list[str] = []

    def act(what: str) -> Answer | None:
        order.append(what)
        if what != "end_of_headers":
            return None

        async def wait() -> Response:
            await asyncio.sleep(0.05)
            order.append("done")
            return CONTINUE

        return wait()

    filter = Acting(act)
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        mta.message(FIELDS, b"x" * 200_000)
    assert order[:3] == ["sender", "end_of_headers", "done"]
    assert order[-1] == "end_of_message"
    assert order.count("body") == 4


@pytest.mark.parametrize("size", [200, 65535])
def test_a_sender_of_much_is_held_back_while_a_handler_waits(size: int) -> None:
    """Backpressure: what is read meanwhile is bounded, and nothing is lost."""
    released = threading.Event()

    async def wait() -> Response:
        while not released.is_set():
            await asyncio.sleep(0.01)
        return CONTINUE

    filter = Acting(lambda what: wait() if what == "end_of_headers" else None)
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        for command in (Mail(b"<a@b>"), Field(b"X", b" 1"), EndOfHeaders()):
            mta.tell(command)
        mta.flush()
        chunks = format_packet(b"B", b"x" * size) * (100_000_000 // size)
        mta.socket.setblocking(False)
        sent, stuck = 0, 0
        while stuck < 50:
            try:
                sent += mta.socket.send(chunks[sent : sent + 65536])
                stuck = 0
            except BlockingIOError:
                stuck += 1
                time.sleep(0.01)
        assert sent < 20_000_000, "what the sockets hold, and a little more"
        released.set()
        mta.socket.settimeout(PATIENCE)
        rest = (size + 5) - sent % (size + 5)
        mta.send(chunks[sent : sent + rest] + format_command(EndOfMessage()))
        assert mta.outcome().response == CONTINUE
        (handler,) = filter.handlers
        assert isinstance(handler, Recording)
        assert handler.body_size == (sent + rest) // (size + 5) * size


def test_every_message_ends_once() -> None:
    acting: Acting = Acting(lambda what: REJECT if what == "body" and len(acting.handlers) == 1 else None)
    acting.silent = ALL_STEPS & ~Step.BODY
    with Serving(acting) as world:
        with MilterClient(world.address) as mta:
            mta.greet()
            assert mta.message(FIELDS, b"body").response == REJECT
            assert mta.message(FIELDS, b"body").response == CONTINUE
            mta.tell(Mail(b"<a@b>"))
            mta.abort()
            mta.tell(Mail(b"<a@b>"))
            mta.tell(Mail(b"<a@b>"))
            mta.tell(Mail(b"<a@b>"))
            mta.quit()
        with MilterClient(world.address) as mta:
            mta.greet()
            mta.tell(Mail(b"<a@b>"))
            mta.flush()
        wait_until("both have gone", lambda: acting.clients.count("closed") == 2)
    assert acting.ends == [["abort"], ["end_of_message"], ["abort"], ["abort"], ["abort"], ["abort"], ["abort"]]
    assert acting.clients == ["connected", "closed"] * 2


# -- MTAs


CONVERSATION = [
    format_command(command)
    for command in (
        Connect(b"client", Family.INET, 25, b"192.0.2.1"),
        Helo(b"client"),
        Mail(b"<a@b>"),
        Rcpt(b"<c@d>"),
        Field(b"From", b" a@b"),
        EndOfHeaders(),
        EndOfMessage(b"body"),
    )
]
OPTIONS = format_packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))


def cuts() -> Iterator[bytes]:
    """Every beginning of a conversation, cut within and between packets."""
    whole = b""
    for packet in (OPTIONS, *CONVERSATION):
        for length in (2, 4, 5, len(packet) - 1, len(packet)):
            yield whole + packet[:length]
        whole += packet


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_connections_that_end_anywhere(reset: bool) -> None:
    filter = Acting()
    with Serving(filter) as world:
        for beginning in cuts():
            assert isinstance(world.address, tuple)
            with socket.create_connection(world.address, PATIENCE) as mta:
                mta.sendall(beginning)
                if reset:
                    mta.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert_served(world)
        wait_until("all have gone", lambda: not world.server.connections)
    assert all(len(ends) == 1 for ends in filter.ends)
    assert filter.clients.count("connected") == filter.clients.count("closed")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\x80\0\0\0L",
        b"\0\x10\0\1B",
        b"GET / HTTP/1.1\r\n\r\n",
        b"EHLO example.org\r\n",
        format_packet(b"Z"),
        format_packet(b"O", b"\0\0\0\6"),
        format_packet(b"O", struct.pack("!III", 1, 0x1FF, 0x1FFFFF)),
        format_packet(b"O", struct.pack("!III", 6, 0, 0x1FFFFF)),
        format_packet(b"M", b"<a@b>\0"),
        OPTIONS + OPTIONS,
        OPTIONS + format_packet(b"L", b"Subject\0 s\0"),
        OPTIONS + format_packet(b"M", b"<a@b>\0") + format_packet(b"L", b"no NUL"),
        OPTIONS + format_packet(b"M", b"<a@b>\0") + format_packet(b"E") + format_packet(b"E"),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_nonsense_ends_the_connection(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with Serving(Acting()) as world:
        assert isinstance(world.address, tuple)
        with MilterClient(world.address) as other, socket.create_connection(world.address, PATIENCE) as mta:
            other.greet()
            mta.sendall(garbage)
            while mta.recv(4096):
                pass
            assert other.message(FIELDS).response == CONTINUE
    assert "closing a connection" in caplog.text
    assert "internal error" not in caplog.text


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("said", [b"", OPTIONS[:3], OPTIONS + CONVERSATION[2][:7], OPTIONS + b"\0"])
def test_an_mta_that_stalls_is_left(said: bytes) -> None:
    with Serving(Acting()) as world:
        assert isinstance(world.address, tuple)
        with socket.create_connection(world.address, PATIENCE) as mta:
            mta.sendall(said)
            assert_served(world)
            while mta.recv(4096):
                pass


def trickle(mta: socket.socket, data: bytes) -> None:
    for place in range(len(data)):
        mta.sendall(data[place : place + 1])
        time.sleep(0.01)


@pytest.mark.usefixtures("quick")
def test_trickling_does_not_help() -> None:
    with Serving(Acting()) as world:
        assert isinstance(world.address, tuple)
        with socket.create_connection(world.address, PATIENCE) as mta:
            mta.sendall(OPTIONS)
            packet = format_packet(b"M", b"<" + b"a" * 10_000 + b">\0")
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                trickle(mta, packet)


@pytest.mark.usefixtures("quick")
def test_a_long_message_may_take_its_time() -> None:
    """What is read ends in the middle of a packet again and again, for longer than STALL, as over a slow network."""
    filter = Acting()
    with Serving(filter) as world, MilterClient(world.address) as mta:
        mta.greet()
        for command in (Mail(b"<a@b>"), EndOfHeaders()):
            mta.tell(command)
        mta.flush()
        chunk = format_packet(b"B", b"x" * 1000)
        mta.send(chunk[:500])
        for _ in range(20):
            time.sleep(0.05)
            mta.send(chunk[500:] + chunk[:500])
        mta.send(chunk[500:] + format_command(EndOfMessage()))
        assert mta.outcome().response == CONTINUE
    (handler,) = filter.handlers
    assert isinstance(handler, Recording)
    assert handler.body_size == 21_000


@pytest.mark.usefixtures("quick")
def test_an_mta_between_packets_may_take_its_time() -> None:
    with Serving(Acting()) as world, MilterClient(world.address) as mta:
        mta.greet()
        mta.tell(Mail(b"<a@b>"))
        mta.flush()
        time.sleep(1.0)  # longer than STALL: nothing must happen
        assert mta.message(FIELDS).response == CONTINUE


def pour(mta: socket.socket, data: bytes) -> None:
    while True:
        mta.sendall(data * 1000)


@pytest.mark.usefixtures("quick")
def test_an_mta_that_does_not_read_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """It pipelines what it should await answers to, and takes none."""
    filter = Acting()
    filter.actions = Action.ADD_HEADERS
    with Serving(filter) as world:
        assert isinstance(world.address, tuple)
        with socket.create_connection(world.address, PATIENCE) as mta:
            mta.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mta.sendall(format_command(VERSION_2))
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                pour(mta, b"".join(CONVERSATION[1:3]))
        assert_served(world)
        wait_until("all have gone", lambda: not world.server.connections)
    assert "silent for too long, or does not read" in caplog.text


def test_an_mta_that_reads_late_gets_every_answer(tmp_path: Path) -> None:
    number = 100_000
    filter = Acting()
    filter.actions = Action.ADD_HEADERS
    with Serving(filter, path=tmp_path / "socket") as world, MilterClient(world.address, VERSION_2) as mta:
        writer = threading.Thread(target=mta.send, args=(CONVERSATION[1] * number,))
        writer.start()
        wait_until("replies are not taken", lambda: any(one._stuck for one in world.server.connections))
        for _ in range(number):
            assert mta.reply() == CONTINUE
        writer.join(PATIENCE)


@pytest.mark.parametrize("began", [False, True])
def test_a_client_that_goes_while_a_handler_waits(began: bool) -> None:
    """Even in the same turn of the event loop, before the handler's coroutine has begun: no word of it remains."""
    ended: list[str] = []

    async def wait() -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return CONTINUE

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        connection = module.MilterConnection(server, filter, loop)
        ours, theirs = socket.socketpair()
        transport, _ = await loop.create_connection(lambda: connection, sock=ours)
        data = OPTIONS + b"".join(CONVERSATION)
        server.buffer[: len(data)] = data
        connection.buffer_updated(len(data))
        if began:
            await asyncio.sleep(0)
        connection.connection_lost(None)
        transport.abort()
        await asyncio.sleep(0.01)
        theirs.close()

    filter = Acting(lambda what: wait() if what == "end_of_headers" else None)
    filter.actions = Action.ADD_HEADERS
    server = server_module.Server([])
    asyncio.run(talk())
    gc.collect()
    assert filter.ends == [["abort"]]
    assert ended == (["cancelled"] if began else [])


def test_one_connection_for_several_clients() -> None:
    filter = Acting()
    filter.unwanted = Step(0)
    with Serving(filter) as world, MilterClient(world.address) as mta:
        for _ in range(3):
            mta.greet()
            assert mta.message(FIELDS, b"body").response == CONTINUE
            mta.tell(Unknown(b"HELP"))
            mta.tell(Mail(b"<a@b>"))
            mta.tell(QuitNewConnection())
        mta.quit()
    assert filter.clients == ["connected", "closed"] * 3
    assert filter.ends == [["end_of_message"], ["abort"]] * 3


@pytest.mark.parametrize("end", [b"\0\0\0\1Q", b"\0\0\0\1X"])
def test_nothing_is_heard_after_the_end(end: bytes) -> None:
    filter = Acting()
    with Serving(filter) as world:
        assert isinstance(world.address, tuple)
        with socket.create_connection(world.address, PATIENCE) as mta:
            mta.sendall(OPTIONS + b"".join(CONVERSATION) + end + b"".join(CONVERSATION[1:]))
            while mta.recv(4096):
                pass
    assert filter.ends == [["end_of_message"]]


def test_a_filter_that_fails_to_say_goodbye(caplog: pytest.LogCaptureFixture) -> None:
    def act(what: str) -> Answer | None:
        if what == "abort":
            raise ZeroDivisionError
        return None

    with Serving(Acting(act)) as world, MilterClient(world.address) as mta:
        mta.greet()
        mta.tell(Mail(b"<a@b>"))
        mta.abort()
        assert mta.message(FIELDS).response == CONTINUE
    assert "internal error: ZeroDivisionError" in caplog.text


def test_quitting() -> None:
    with Serving(Acting()) as world, MilterClient(world.address) as mta:
        mta.greet()
        mta.send(format_command(Quit()))
        with pytest.raises(LostError):
            mta.reply()


def test_progress_is_five_bytes() -> None:
    assert PROGRESS == b"\0\0\0\1p"


def test_defaults_of_a_filter() -> None:
    filter = Filter()
    assert filter.unknown(Connection(), b"HELP") is CONTINUE
    assert filter.greeted(Connection()) is CONTINUE
    with pytest.raises(NotImplementedError):
        filter.begin(Transaction(Connection(), b"", ()))
