"""A look-up server that is stopped, refuses, hangs or talks nonsense: mail goes on, and Exim's log stays what it is."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.exim import Exim
from tests.support.processes import exim_user, give
from tests.support.samples import message, signed
from tests.support.smtp import Client, submit
from tests.support.world import World

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
PATIENCE = 1


@pytest.fixture(name="place")
def socket_path(world: World) -> Iterator[Path]:
    """The path of the socket that the Exims of this module use; nothing is there before and after a test."""
    directory = world.directory / "down"
    directory.mkdir(exist_ok=True)
    give(directory, exim_user(), 0o755)
    yield directory / "lookup.sock"
    (directory / "lookup.sock").unlink(missing_ok=True)


def receiver(world: World, place: Path, when_deferred: str) -> Exim:
    name = "patient" if when_deferred == "accept" else "impatient"
    macros = {
        "LOOKUP_SOCKET": str(place),
        "LOOKUP_PATIENCE": f"{PATIENCE}s",
        "WHEN_DEFERRED": when_deferred,
        "OTHER_KEYS": "a.example;b.example",
    }
    return world.receiver(name, macros)


def stale(place: Path) -> None:
    """A socket whose server has died."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    place.chmod(0o666)


def forbidden(place: Path) -> None:
    """A socket that Exim's user may not use."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    place.chmod(0)


def no_socket(place: Path) -> None:
    """A plain file."""
    place.write_text("not a socket\n")
    place.chmod(0o666)


def absent(place: Path) -> None:
    """Nothing."""


@contextlib.contextmanager
def answering(place: Path, reply: bytes | Mapping[bytes, bytes] | None) -> Iterator[list[bytes]]:
    """A server that gives everybody this reply, or one by the query; with None it says nothing until the end.

    Yields the requests.
    """
    requests: list[bytes] = []
    over = threading.Event()
    held: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    place.chmod(0o666)
    listener.listen(50)
    listener.settimeout(0.05)

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(10)
            requests.append(b"".join(iter(lambda c=connection: c.recv(65536), b"")))  # type: ignore[misc]
            if reply is None:
                held.append(connection)
                continue
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                query = requests[-1].partition(b"\n")[0].partition(b" ")[0]
                connection.sendall(reply if isinstance(reply, bytes) else reply[query])
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield requests
    finally:
        over.set()
        thread.join()
        for connection in [*held, listener]:
            connection.close()


def send_five(exim: Exim, text: bytes) -> list[int]:
    """Five messages in one connection, which is still good at its end."""
    with Client(exim.port) as client:
        client.hello()
        codes = [client.data(text).code for _ in range(5) if client.envelope("", ["bob@rx.example"]).code == 250]
        assert client.command("NOOP").code == 250
        assert client.command("QUIT").code == 221
    return codes


def assert_sound(exim: Exim) -> None:
    """Every line of the log is a line of the log, and nobody panicked."""
    assert exim.panic_log() == ""
    for line in exim.main_log().splitlines():
        assert LOG_LINE.match(line), line
    assert "Bad file descriptor" not in exim.main_log()
    assert " 421 " not in exim.main_log()


@pytest.mark.parametrize("trouble", [absent, stale, forbidden, no_socket])
@pytest.mark.parametrize(("when_deferred", "code"), [("accept", 250), ("defer", 451)])
def test_no_connection(world: World, place: Path, trouble: object, when_deferred: str, code: int) -> None:
    """Here Exim's sticky descriptor would end the session with 421 at the second message."""
    assert callable(trouble)
    trouble(place)
    exim = receiver(world, place, when_deferred)
    assert send_five(exim, signed(message())) == [code] * 5
    exim.wait_for_log("look-up failed: no answer from ")
    exim.wait_for_log("DKIM defer for example.org$")
    assert_sound(exim)


def test_no_field_of_results_is_kept(world: World, place: Path) -> None:
    """Nobody can tell which are forged, so a message keeps none."""
    exim = receiver(world, place, "accept")
    fields = b"Authentication-Results: rx.example; dkim=pass\r\nauthentication-results: x.example; none\r\n"
    reply = submit(exim.port, message(header=fields), sender="", recipients=["bob@rx.example"])
    identifier = reply.text.partition("id=")[2]
    exim.wait_for_log(f"{identifier} Authentication-Results removed, forged: failed$")
    exim.wait_for_log(f"{identifier} Completed")
    arrived = next(each for each in exim.delivered("bob") if identifier.encode() in each)
    assert b"authentication-results" not in arrived.lower()
    assert_sound(exim)


def test_required_signature_waits(world: World, place: Path) -> None:
    """Even where deferred mail is accepted, that of a domain that signs always is not."""
    exim = receiver(world, place, "accept")
    text = signed(message("info@bank.example"), domain="bank.example")
    assert send_five(exim, text) == [451] * 5
    assert_sound(exim)


WELL = {
    b"spf": b"none",
    b"dkim": b"good",
    b"all": b"dkim=good",
    b"authres": b"Authentication-Results: rx.example; none",
}


@pytest.mark.parametrize("trouble", [absent, stale])
def test_server_comes_back(world: World, place: Path, trouble: object) -> None:
    """Within one connection: down, up, down, up."""
    assert callable(trouble)
    exim = receiver(world, place, "defer")
    codes = []
    with Client(exim.port) as client:
        client.hello()
        for up in (False, True, False, True):
            place.unlink(missing_ok=True)
            with answering(place, WELL) if up else contextlib.nullcontext():
                if not up:
                    trouble(place)
                client.envelope("", ["bob@rx.example"])
                codes.append(client.data(message()).code)
    assert codes == [451, 250, 451, 250]
    assert_sound(exim)


def test_server_hangs(world: World, place: Path) -> None:
    """One wait for one message, however many keys are asked for."""
    exim = receiver(world, place, "accept")
    with answering(place, None):
        started = time.monotonic()
        assert submit(exim.port, message(), sender="", recipients=["bob@rx.example"]).code == 250
        elapsed = time.monotonic() - started
    assert PATIENCE <= elapsed < PATIENCE + 3
    exim.wait_for_log("look-up failed: no answer from ")
    assert_sound(exim)


NONSENSE = {
    "nothing": b"",
    "error": b"error: I do not understand",
    "newline": b"good\n",
    "two words": b"good bad",
    "log forgery": b"bad\n2026-01-01 00:00:00 <= forged\r\x1b[31m",
    "NUL": b"\0good",
    "expansion": b"${run{/bin/false}}",
    "large": b"x" * 300_000,
    "8 bit": b"\xff\xfe\x80",
}


@pytest.mark.parametrize("reply", NONSENSE.values(), ids=NONSENSE)
def test_nonsense(world: World, place: Path, reply: bytes) -> None:
    """What is not one of the five words is a failure, and never gets into log or mail as it is."""
    exim = receiver(world, place, "defer")
    with answering(place, reply) as requests:
        assert send_five(exim, message()) == [451] * 5
    assert len(requests) == 5
    assert_sound(exim)


def test_restarts_while_mail_comes_in(world: World) -> None:
    """Stopping finishes what has begun; in between mail is deferred; the answers are never wrong."""
    server = world.server("restarted")
    macros = {"LOOKUP_SOCKET": str(server.socket), "WHEN_DEFERRED": "defer"}
    exim = world.receiver("busy", macros, extra="queue_only")
    over = threading.Event()

    def send(text: bytes) -> list[tuple[int, str]]:
        answers = []
        with Client(exim.port) as client:
            client.hello()
            while not over.is_set():
                assert client.envelope("", ["bob@rx.example"]).code == 250
                answers.append(client.data(text))
            assert client.command("QUIT").code == 221
        return [(reply.code, reply.text.partition("id=")[2]) for reply in answers]

    with ThreadPoolExecutor(2) as pool:
        good, unsigned = pool.submit(send, signed(message())), pool.submit(send, message())
        for _ in range(3):
            server.stop()
            server.start()
        over.set()
        results = {"good": good.result(30), "unsigned": unsigned.result(30)}
    for word, answers in results.items():
        assert {code for code, _ in answers} <= {250, 451}
        accepted = [identifier for code, identifier in answers if code == 250]
        assert accepted
        for identifier in accepted:
            assert f"{identifier} DKIM {word} for example.org" in exim.main_log()
    assert_sound(exim)
