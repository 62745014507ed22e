"""From one real MTA, which signs, to another, which verifies: the whole way of a message, and a filter that is down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support import samples
from tests.support.filter_process import MilterFilter
from tests.support.mail_world import KEY, SIGNING, ZONE, first_names, results
from tests.support.mta import Listener, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.processes import wait_until
from tests.support.smtp import Sink, submit

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]


class Chain(NamedTuple):
    """`first` passes what it has signed to `second`, which has it verified, and passes it to the sink."""

    first: Mta
    second: Mta
    verifier: MilterFilter
    sink: Sink

    def send(self, message: bytes) -> None:
        answer = submit(self.first.ports["out"], message, sender="alice@example.org", recipients=["bob@rx.example"])
        assert answer.code == 250, (answer, self.first.log()[-3000:])


@pytest.fixture(scope="module", params=NAMES)
def chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    (other,) = set(NAMES) - {request.param}
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mail_directory("exim-dkim-chain-"))
        sink = stack.enter_context(Sink())
        (directory / "zone").write_text(ZONE)
        lists = ("--sendmail-lists",) if request.param == "sendmail" else ()
        signing = MilterFilter("dkim-filter", directory, *SIGNING, "-k", KEY, "-s", "rsa", *lists, name="signer")
        signer = stack.enter_context(signing)
        verifying = ("-b", "v", "--set", f"dns_zone_file={directory / 'zone'}")
        verifier = stack.enter_context(MilterFilter("dkim-filter", directory, *verifying, name="verifier"))
        for each in (signer, verifier):
            each.wait()
        second = stack.enter_context(mta(other, directory, sink.port, {"in": Listener((verifier.milter,))}))
        out = {"out": Listener((signer.milter,))}
        first = stack.enter_context(mta(request.param, directory, second.ports["in"], out, (), "out.test.example"))
        yield Chain(first, second, verifier, sink)


def test_signed_here_and_verified_there(chain: Chain) -> None:
    recipients = ",".join(f"person{number}@rx.example" for number in range(20))
    for message in (samples.message(), samples.message(header=f"Cc:{recipients}\r\n".encode())):
        chain.send(message)
        delivered = chain.sink.next(20).message
        assert results(delivered) == {"dkim": "pass"}, chain.second.log()[-3000:]
        assert first_names(delivered, 4) == ["Authentication-Results", "Received", "DKIM-Signature", "Received"]


def test_deferred_until_the_filter_is_back(chain: Chain) -> None:
    """The verifying filter is down: the message waits in the queue of the MTA before, and comes through when asked."""
    chain.verifier.kill()
    chain.send(samples.message())
    chain.first.wait_for_log("stat=Deferred|status=deferred")
    assert len(chain.first.queue()) == 1
    assert chain.sink.received.empty()
    chain.verifier.start()
    chain.verifier.wait()
    chain.first.run_queue()
    assert results(chain.sink.next(20).message) == {"dkim": "pass"}
    wait_until("the queue is empty", lambda: not chain.first.queue())
