"""A filter that waits longer than the MTA has patience for one reply: with `progress` mail passes, else it waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from milter_server import connection, server
from milter_server.handler import ALL_STEPS, Filter, MessageHandler, Step
from milter_server.message import Header, Transaction
from milter_server.response import CONTINUE, Action, Changes, Response
from tests.support import samples
from tests.support.milter_world import Serving
from tests.support.mta import Listener, Milter, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.smtp import Reply, Sink, submit

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

PATIENCE = 2
"""Seconds that the MTA waits for a reply (Sendmail counts whole ones),"""
WAIT = 3.0
"""and those that the filter takes."""


class Slow(MessageHandler):
    """Waits at the end of the header or of the message, as if for DNS."""

    def __init__(self, transaction: Transaction, where: str) -> None:
        super().__init__(transaction)
        self.where = where

    async def end_of_headers(self, header: Header) -> Response:
        if self.where == "header":
            await asyncio.sleep(WAIT)
        return CONTINUE

    async def end_of_message(self, changes: Changes) -> Response:
        if self.where == "message":
            await asyncio.sleep(WAIT)
        changes.insert_field(b"X-Waited: at the " + self.where.encode())
        return CONTINUE


class SlowFilter(Filter):
    name = "slow"
    actions = Action.ADD_HEADERS

    def __init__(self, where: str, silent: Step) -> None:
        self.where = where
        self.silent = silent

    def begin(self, transaction: Transaction) -> MessageHandler:
        return Slow(transaction, self.where)


FILTERS = {
    "message": SlowFilter("message", ALL_STEPS),
    "header": SlowFilter("header", ALL_STEPS),
    "answered": SlowFilter("header", Step(0)),
}
Running = tuple[Mta, Sink]


@pytest.fixture(scope="module", params=NAMES)
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(connection, "PROGRESS_EVERY", 0.2)
        patch.setattr(server, "CLOCK", 0.05)
        world = stack.enter_context(Serving(*FILTERS.values()))
        listeners = {
            name: Listener((Milter(name, f"inet:{address[1]}@127.0.0.1", timeout=PATIENCE),))
            for name, address in zip(FILTERS, world.addresses, strict=True)
            if isinstance(address, tuple)
        }
        directory = stack.enter_context(mail_directory("exim-dkim-progress-"))
        sink = stack.enter_context(Sink())
        yield stack.enter_context(mta(request.param, directory, sink.port, listeners)), sink


def test_progress_keeps_an_mta_waiting(running: Running) -> None:
    """Three clients at once, since each takes as long as the filter."""
    server, sink = running

    def send(name: str) -> Reply:
        message = samples.message(subject=name)
        return submit(server.ports[name], message, sender="a@example.org", recipients=["b@rx.example"])

    with ThreadPoolExecutor(len(FILTERS)) as clients:
        replies = dict(zip(FILTERS, clients.map(send, FILTERS), strict=True))
    codes = {name: reply.code for name, reply in replies.items()}
    assert codes == {"message": 250, "header": 250, "answered": 451}, server.log()
    delivered = b"".join(sink.next().message for _ in range(2))
    assert b"X-Waited: at the message" in delivered
    assert b"X-Waited: at the header" in delivered
