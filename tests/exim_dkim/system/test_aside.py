"""exim_dkim.system.aside: coroutines of the engine give the same when they are stepped from a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from exim_dkim.authentication import Method
from exim_dkim.dkim.verify import verify_header
from exim_dkim.envelope import Envelope
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_header, parse_message
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Answer, Question, RecordType, Resolver
from exim_dkim.system.aside import LARGE, MAX_WAITING, Overload, aside, is_large, step_aside
from exim_dkim.system.authenticate import Authenticator, Policies
from tests.support.samples import RECORDS, message, signed

QUESTION = Question("a.example", RecordType.TXT)


class Recording:
    """A resolver that knows from which thread it was asked; `gate` holds it up."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.threads: set[int] = set()
        self._gate = gate

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        self.threads.add(threading.get_ident())
        self.asked.append(tuple(question.name for question in questions))
        if self._gate:
            await self._gate.wait()
        return [Answer(question, (question.name.encode(),)) for question in questions]


async def work(resolver: Resolver, threads: set[int]) -> list[bytes]:
    found: list[bytes] = []
    for names in (("a.example",), ("b.example", "c.example")):
        threads.add(threading.get_ident())
        for answer in await resolver.resolve(*(Question(name, RecordType.TXT) for name in names)):
            found += answer.records
    threads.add(threading.get_ident())
    return found


def test_steps_are_taken_in_a_thread_and_questions_asked_in_the_loop() -> None:
    resolver, threads = Recording(), set[int]()
    found = asyncio.run(step_aside(lambda carrier: work(carrier, threads), resolver))
    assert found == [b"a.example", b"b.example", b"c.example"]
    assert resolver.asked == [("a.example",), ("b.example", "c.example")]
    assert resolver.threads == {threading.get_ident()}
    assert threading.get_ident() not in threads


def test_faults_come_back() -> None:
    async def fail(resolver: Resolver) -> None:
        await resolver.resolve(QUESTION)
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError, match="of ours"):
        asyncio.run(step_aside(fail, Recording()))

    class Broken:
        async def resolve(self, *questions: Question) -> Sequence[Answer]:
            raise OSError("no resolver")

    with pytest.raises(OSError, match="no resolver"):
        asyncio.run(step_aside(fail, Broken()))


@pytest.mark.filterwarnings("error")
def test_who_gives_up_leaves_nothing_behind() -> None:
    """While a question is asked, and while a step is taken."""
    ended = list[str]()

    async def wait_for_dns(resolver: Resolver) -> None:
        try:
            await resolver.resolve(QUESTION)
        finally:
            ended.append("waiting")

    begun, go = threading.Event(), threading.Event()

    async def take_time(resolver: Resolver) -> None:
        try:
            begun.set()
            assert go.wait(10)
            await resolver.resolve(QUESTION)
        finally:
            ended.append("working")

    async def main() -> None:
        resolver = Recording(asyncio.Event())
        task = asyncio.create_task(step_aside(wait_for_dns, resolver))
        while not resolver.asked:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert ended == ["waiting"]
        task = asyncio.create_task(step_aside(take_time, resolver))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert ended == ["waiting"]
        go.set()
        await aside(lambda: None)  # the thread is through with it
        while len(ended) < 2:
            await asyncio.sleep(0.001)
        assert task.cancelled()
        assert len(resolver.asked) == 1

    asyncio.run(asyncio.wait_for(main(), 20))
    assert ended == ["waiting", "working"]


def test_too_much_at_once_is_refused() -> None:
    """And what nobody waits for any more is not begun."""
    begun, go, done = threading.Event(), threading.Event(), list[int]()

    def block() -> None:
        begun.set()
        assert go.wait(10)

    async def main() -> None:
        tasks = [asyncio.create_task(aside(block))]
        tasks += [asyncio.create_task(aside(lambda: done.append(1))) for _ in range(MAX_WAITING - 1)]
        while not begun.is_set():
            await asyncio.sleep(0.001)
        with pytest.raises(Overload):
            await aside(block)
        with pytest.raises(Overload):
            await step_aside(lambda carrier: work(carrier, set()), Recording())
        verifier = Authenticator(MemoryResolver({}), Policies(), lambda: 0.0)
        found = await verifier.begin(parse_header(b"X: " + b"a" * LARGE), Envelope(), [Method.DKIM])
        assert found.finish().unfinished == {Method.DKIM: "too many large headers at once"}
        tasks[1].cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait(tasks)
        assert len(done) == MAX_WAITING - 2
        await asyncio.gather(*(aside(lambda: None) for _ in range(MAX_WAITING)))

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_verification_is_the_same() -> None:
    text = signed(message())
    fields, body = parse_message(text).fields, parse_message(text).body
    resolver, policy = MemoryResolver(dict(RECORDS)), VerificationPolicy()

    async def main() -> None:
        plain = await verify_header(fields, resolver, policy, 0)
        stepped = await step_aside(lambda carrier: verify_header(fields, carrier, policy, 0), resolver)
        for verification in (plain, stepped):
            verification.update(body)
        assert [v.result.value for v in stepped.finish()] == [v.result.value for v in plain.finish()] == ["pass"]

    asyncio.run(main())


def test_what_is_large() -> None:
    assert not is_large(parse_header(b"X: " + b"a" * (LARGE - 3)))
    assert is_large(parse_header(b"X: \r\n" * (LARGE // 3 + 1)))
