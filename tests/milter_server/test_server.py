"""milter_server.server and connection: filters over real sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from milter_server.command import Negotiation
from milter_server.handler import MessageHandler
from milter_server.message import Header, Recipient, Transaction
from milter_server.response import CONTINUE, Changes, InsertField, Response
from tests.support.milter_client import VERSION_2, VERSION_6, MilterClient
from tests.support.milter_world import MadeOf, Serving

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
