"""What real MTAs make of a filter's changes: the ground that `milter_server` builds upon.

The filter is a script that shares no code with ours. A row that stops being true is a change in an MTA that matters.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from tests.support import samples
from tests.support.mta import Listener, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.scripted_filter import Negotiation, ScriptedFilter
from tests.support.smtp import Sink, submit

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

OLD = b"Authentication-Results: mx.test.example; %s\r\n"


def insert(position: int, value: bytes) -> bytes:
    """The packet that inserts an Authentication-Results field."""
    return b"i" + position.to_bytes(4, "big") + b"Authentication-Results\0 " + value + b"\0"


def delete(position: int) -> bytes:
    """The packet that deletes the Authentication-Results field with this number."""
    return b"m" + position.to_bytes(4, "big") + b"Authentication-Results\0\0"


CHANGES = {
    "top": (insert(0, b"new"),),
    "below": (insert(1, b"new"),),
    "last-first": (delete(3), delete(2), delete(1)),
    "first-first": (delete(1), delete(2), delete(3)),
    "delete-insert": (delete(2), delete(1), insert(0, b"new")),
    "insert-delete": (insert(0, b"new"), delete(2), delete(1)),
    "too-far": (delete(7),),
}
LEADING_SPACE = Negotiation(steps=0x100000)
Running = tuple[Mta, Sink, dict[str, ScriptedFilter]]


@pytest.fixture(scope="module", params=NAMES)
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    with contextlib.ExitStack() as stack:
        filters = {
            name: stack.enter_context(ScriptedFilter({b"E": (*packets, b"c")}, LEADING_SPACE))
            for name, packets in CHANGES.items()
        }
        listeners = {name: Listener((each.milter._replace(name=name),)) for name, each in filters.items()}
        listeners["two"] = Listener((*listeners["top"].milters, *listeners["too-far"].milters))
        directory = stack.enter_context(mail_directory("exim-dkim-changes-"))
        sink = stack.enter_context(Sink())
        yield stack.enter_context(mta(request.param, directory, sink.port, listeners)), sink, filters


def delivered(running: Running, port: str, message: bytes) -> bytes:
    server, sink, _ = running
    reply = submit(server.ports[port], message, sender="alice@example.org", recipients=["bob@rx.example"])
    assert reply.code == 250, (reply, server.log())
    return sink.next().message


def trace(message: bytes) -> list[str]:
    """The Received and Authentication-Results fields of a message, in a word each."""
    words: list[str] = []
    for line in message.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n"):
        if line.startswith("Received: "):
            words.append("received")
        elif match := re.match(r"Authentication-Results: (?:mx.test.example; )?(\w+)", line):
            words.append(match[1])
    return words


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("top", ["new", "received", "one", "two", "three"]),
        ("below", ["received", "new", "one", "two", "three"]),
        ("last-first", ["received"]),
        ("delete-insert", ["new", "received", "three"]),
        ("insert-delete", ["received", "two", "three"]),  # what was inserted is counted, and deleted
        ("too-far", ["received", "one", "two", "three"]),
    ],
)
def test_fields(running: Running, port: str, expected: list[str]) -> None:
    fields = b"".join(OLD % word for word in (b"one", b"two", b"three"))
    assert trace(delivered(running, port, fields + samples.message())) == expected


def test_the_order_of_deletions_matters_to_postfix(running: Running) -> None:
    fields = b"".join(OLD % word for word in (b"one", b"two", b"three"))
    left = trace(delivered(running, "first-first", fields + samples.message()))
    assert left == (["received", "two"] if running[0].package == "postfix" else ["received"])


def names_seen(each: ScriptedFilter) -> list[bytes]:
    """The names of the fields that a filter was shown in its last conversation."""
    (conversation,) = each.take()
    return [packet[1:].partition(b"\0")[0] for from_mta, packet in conversation if from_mta and packet[:1] == b"L"]


def test_a_filter_sees_what_the_one_before_has_done(running: Running) -> None:
    second = running[2]["too-far"]
    second.take()
    assert trace(delivered(running, "two", samples.message())) == ["new", "received"]
    names = names_seen(second)
    assert b"Authentication-Results" in names
    assert b"Received" not in names  # the MTA's own


def test_what_is_missing_is_added(running: Running) -> None:
    """Postfix adds Date and Message-ID before filters see the message, Sendmail after: so never sign their absence."""
    each = running[2]["too-far"]
    each.take()
    bare = b"From: alice@example.org\r\n\r\ntext\r\n"
    assert re.findall(rb"(?im)^(Date|Message-Id):", delivered(running, "too-far", bare))
    assert (b"Date" in names_seen(each)) == (running[0].package == "postfix")
