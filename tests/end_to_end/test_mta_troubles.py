"""A filter that is down, dies, stops or is restarted while real MTAs use it: mail is deferred, none is lost or goes on
without having been looked at, and the next message is served as soon as the filter is there again.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import samples
from tests.support.filter_process import MilterFilter
from tests.support.mail_world import KEY, SIGNING, ZONE, first_names, results
from tests.support.milter_proxy import MilterProxy, Recorded
from tests.support.mta import Listener, Milter, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.processes import free_port
from tests.support.smtp import Client, Reply, Sink, submit

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

PATIENCE = 1
"""Seconds that the MTAs wait for a filter that says nothing."""
SIGNED = samples.signed(samples.message())
LONG = samples.message(body=b"A line of a long body.\r\n" * 20_000)


class Troubles:
    """An MTA with a port for each trouble. `fragile` is the filter, which the MTA reaches through `proxy`."""

    def __init__(self, kind: str, directory: Path, stack: contextlib.ExitStack) -> None:
        zone = directory / "zone"
        zone.write_text(ZONE)
        zone_option = ("--set", f"dns_zone_file={zone}")
        self.sink = stack.enter_context(Sink())
        self.fragile = stack.enter_context(
            MilterFilter("dkim-filter", directory, "-b", "v", *zone_option, name="fragile")
        )
        self.signer = stack.enter_context(
            MilterFilter("dkim-filter", directory, *SIGNING, "-k", KEY, "-s", "rsa", *zone_option, name="signer")
        )
        for each in (self.fragile, self.signer):
            each.wait()
        self.proxy = stack.enter_context(MilterProxy(self.fragile.port, "proxied"))
        nobody = f"inet:{free_port()}@127.0.0.1"
        listeners = {
            "deferring": Listener((Milter("deferring", nobody),)),
            "accepting": Listener((Milter("accepting", nobody, "accept"),)),
            "rejecting": Listener((Milter("rejecting", nobody, "reject"),)),
            "fragile": Listener((self.proxy.milter,)),
            "impatient": Listener((self.fragile.milter._replace(name="impatient", timeout=PATIENCE),)),
            "signer": Listener((self.signer.milter,)),
        }
        self.mta: Mta = stack.enter_context(mta(kind, directory, self.sink.port, listeners))

    def send(self, port: str, message: bytes = SIGNED) -> Reply:
        return submit(self.mta.ports[port], message, sender="alice@example.org", recipients=["bob@rx.example"])

    def is_served(self, port: str) -> None:
        """A message is taken, looked at, and delivered, and it is the next one that is."""
        answer = self.send(port)
        assert answer.code == 250, (answer, self.mta.log()[-3000:], self.fragile.log())
        assert results(self.sink.next().message) == {"dkim": "pass"}
        assert self.sink.received.empty()


@pytest.fixture(scope="module", params=NAMES)
def troubles(request: pytest.FixtureRequest) -> Iterator[Troubles]:
    with contextlib.ExitStack() as stack:
        yield Troubles(request.param, stack.enter_context(mail_directory("exim-dkim-troubles-")), stack)


@pytest.fixture(autouse=True)
def _nothing_left(troubles: Troubles) -> None:
    """What an earlier test has left would look like mail that was delivered unseen."""
    while not troubles.sink.received.empty():
        troubles.sink.received.get()


def deferred(answer: Reply) -> bool:
    return answer.code // 100 == 4


def test_filter_down(troubles: Troubles) -> None:
    """F=T, milter_default_action = tempfail: the client is to come again. What accepts lets mail through unseen."""
    assert deferred(troubles.send("deferring"))
    assert troubles.send("rejecting").code // 100 == 5
    assert troubles.send("accepting").code == 250
    delivered = troubles.sink.next().message
    assert (first_names(delivered, 1), results(delivered)) == (["Received"], {})
    assert troubles.sink.received.empty()


def killed_at(troubles: Troubles, letter: bytes) -> Reply:
    """The answer to a message when the filter dies before it gets its first packet with this letter."""

    def watch(packet: Recorded) -> None:
        if packet.from_mta and packet.packet[:1] == letter:
            troubles.proxy.watch = None
            troubles.fragile.kill()

    troubles.proxy.watch = watch
    return troubles.send("fragile", LONG)


@pytest.mark.parametrize("letter", [b"C", b"R", b"L", b"B", b"E"])
def test_filter_killed(troubles: Troubles, letter: bytes) -> None:
    """At every stage of a message: it is deferred; after a restart the next one is served, in a new connection."""
    try:
        answer = killed_at(troubles, letter)
        assert deferred(answer), (answer, troubles.mta.log()[-2000:])
    finally:
        troubles.proxy.watch = None
        troubles.fragile.stop()
        troubles.fragile.start()
        troubles.fragile.wait()
    troubles.is_served("fragile")


def test_filter_restarted_while_a_client_is_connected(troubles: Troubles) -> None:
    """SIGTERM ends a filter between messages; the client's next message is deferred, not delivered unseen."""
    with Client(troubles.mta.ports["fragile"]) as client:
        client.hello()
        client.envelope("alice@example.org", ["bob@rx.example"])
        assert client.data(SIGNED).code == 250
        assert results(troubles.sink.next().message) == {"dkim": "pass"}
        troubles.fragile.stop()
        troubles.fragile.start()
        troubles.fragile.wait()
        answer = client.envelope("alice@example.org", ["bob@rx.example"])
        answer = client.data(SIGNED) if answer.code == 250 else answer
        if not deferred(answer):  # Postfix connects again by itself
            assert answer.code == 250
            assert results(troubles.sink.next().message) == {"dkim": "pass"}
    troubles.is_served("fragile")


def test_filter_asked_to_end_finishes_a_message(troubles: Troubles) -> None:
    """SIGTERM in the middle of a message: that one is still served."""
    process = troubles.fragile

    def watch(packet: Recorded) -> None:
        if packet.from_mta and packet.packet[:1] == b"B":
            troubles.proxy.watch = None
            process.send(signal.SIGTERM)

    troubles.proxy.watch = watch
    assert troubles.send("fragile", samples.signed(LONG)).code == 250
    assert results(troubles.sink.next().message) == {"dkim": "pass"}
    process.stop()
    process.start()
    process.wait()
    troubles.is_served("fragile")


def test_filter_that_says_nothing(troubles: Troubles) -> None:
    """A filter that hangs: the MTA gives up after its time, and defers."""
    troubles.fragile.send(signal.SIGSTOP)
    try:
        assert deferred(troubles.send("impatient"))
    finally:
        troubles.fragile.send(signal.SIGCONT)
    troubles.is_served("fragile")  # with more patience: this machine may be busy


def test_filter_told_to_reload(troubles: Troubles) -> None:
    """SIGHUP in the middle of a connection."""
    with Client(troubles.mta.ports["fragile"]) as client:
        client.hello()
        for _ in range(2):
            assert client.envelope("alice@example.org", ["bob@rx.example"]).code == 250
            troubles.fragile.send(signal.SIGHUP)
            assert client.data(SIGNED).code == 250
            assert results(troubles.sink.next().message) == {"dkim": "pass"}


def test_signer_down_and_up(troubles: Troubles) -> None:
    """Nothing leaves unsigned."""
    troubles.signer.kill()
    assert deferred(troubles.send("signer", samples.message()))
    troubles.signer.start()
    troubles.signer.wait()
    assert troubles.send("signer", samples.message()).code == 250
    assert first_names(troubles.sink.next().message, 1) == ["DKIM-Signature"]
    assert troubles.sink.received.empty()
