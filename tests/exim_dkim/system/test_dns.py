"""The resolver over DNS, against a name server in the same process that can fail in every way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ConfigurationError
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.system.answercache import AnswerCache
from exim_dkim.system.dns import DnsResolver, open_resolver
from exim_dkim.system.nameservers import NameServer as Address
from exim_dkim.system.zone import ZoneResolver
from tests.support.nameserver import (
    NameServer,
    Reply,
    failure,
    in_turn,
    no_data,
    nxdomain,
    over_udp_truncated,
    preceded,
    raw,
    records,
    silence,
)
from tests.support.unbound import Unbound

NAME = "sel._domainkey.example.org"
GOOD = records('@ 300 TXT "v=DKIM1; " "p=abc"')
TEXT = (b"v=DKIM1; p=abc",)


def wrong_id(packet: bytes) -> bytes:
    return bytes([packet[0] ^ 1]) + packet[1:].replace(b"abc", b"EVL")


def wrong_question(packet: bytes) -> bytes:
    return packet.replace(b"example", b"exemple").replace(b"abc", b"EVL")


async def ask_table(
    table: dict[str, Reply], *names: str, timeout: float = 2.0, record_type: RecordType = RecordType.TXT
) -> tuple[Answer, ...]:
    async with NameServer(table) as server:
        resolver = DnsResolver([server.address], timeout)
        return await resolver.resolve(*(Question(name, record_type) for name in names))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (GOOD, TEXT),
        (records('@ 300 TXT "one"', '@ 300 TXT "two"'), (b"one", b"two")),
        (records('@ 300 TXT "\\255\\000"'), (b"\xff\x00",)),
        (nxdomain(), Trouble.NXDOMAIN),
        (no_data(), Trouble.NO_DATA),
        (records(), Trouble.NO_DATA),
        (failure("SERVFAIL"), Trouble.SERVFAIL),
        (failure("REFUSED"), Trouble.SERVFAIL),
        (failure("NOTAUTH"), Trouble.SERVFAIL),
        (records(authority=["org. 300 NS ns.example.org."]), Trouble.SERVFAIL),  # a referral
        (over_udp_truncated(GOOD), TEXT),
        (over_udp_truncated(nxdomain()), Trouble.NXDOMAIN),
        (over_udp_truncated(raw(b"garbage")), Trouble.SERVFAIL),
        (over_udp_truncated(raw()), Trouble.SERVFAIL),  # closes without a word
        (preceded(wrong_id, GOOD), TEXT),
        (preceded(wrong_question, GOOD), TEXT),
        (preceded(lambda _: b"", GOOD), TEXT),
        (preceded(lambda _: b"garbage that is no DNS message", GOOD), TEXT),
        (preceded(lambda packet: packet[:20], GOOD), TEXT),
        (in_turn(failure("FORMERR"), GOOD), TEXT),  # knows no EDNS
        (in_turn(failure("NOTIMP"), GOOD), TEXT),
        (records("@ 300 CNAME a.example.net.", 'a.example.net. 300 TXT "alias"'), (b"alias",)),
        (records("@ 300 CNAME a.example.net.", rcode="NXDOMAIN"), Trouble.NXDOMAIN),
        (
            records("@ 300 CNAME a.example.net.", "a.example.net. 300 CNAME sel._domainkey.example.org."),
            Trouble.SERVFAIL,
        ),
    ],
)
def test_outcomes(reply: Reply, expected: tuple[bytes, ...] | Trouble) -> None:
    (answer,) = asyncio.run(ask_table({NAME: reply}, NAME))
    assert (answer.trouble or answer.records) == expected
    assert answer.question == Question(NAME, RecordType.TXT)
    assert bool(answer.detail) == (expected is Trouble.SERVFAIL)


@pytest.mark.parametrize(
    ("record_type", "line", "expected"),
    [
        ("A", "@ 60 A 192.0.2.1", bytes([192, 0, 2, 1])),
        ("AAAA", "@ 60 AAAA 2001:db8::1", bytes.fromhex("20010db8000000000000000000000001")),
        ("MX", "@ 60 MX 10 Mail.Example.Org.", b"10 mail.example.org"),
        ("PTR", "@ 60 PTR Mail.Example.Org.", b"mail.example.org"),
    ],
)
def test_record_types(record_type: str, line: str, expected: bytes) -> None:
    (answer,) = asyncio.run(ask_table({NAME: records(line)}, NAME, record_type=RecordType(record_type)))
    assert answer.records == (expected,)


def test_an_alias_that_the_server_does_not_follow_is_asked_for() -> None:
    table = {NAME: records("@ 300 CNAME far.example.net."), "far.example.net": GOOD}
    assert asyncio.run(ask_table(table, NAME))[0].records == TEXT
    assert asyncio.run(ask_table({NAME: table[NAME]}, NAME))[0].trouble is Trouble.NXDOMAIN


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a..example", ".", "\u00fc.example", ".".join(["abc"] * 70)])
def test_impossible_names_do_not_exist(name: str) -> None:
    (answer,) = asyncio.run(ask_table({}, name))
    assert answer.trouble is Trouble.NXDOMAIN


def test_silence_times_out_in_time_after_several_tries() -> None:
    async def check() -> None:
        async with NameServer({}, silence) as server:
            resolver = DnsResolver([server.address], 0.6)
            began = time.monotonic()
            answers = await resolver.resolve(*(Question(f"{i}.example", RecordType.TXT) for i in range(20)))
            assert time.monotonic() - began < 2
            assert {answer.trouble for answer in answers} == {Trouble.TIMEOUT}
            assert len(server.seen) >= 40
            sent = resolver.queries
            (answer,) = await resolver.resolve(Question("0.example", RecordType.TXT))
            assert (answer.trouble, resolver.queries) == (Trouble.TIMEOUT, sent)  # remembered for a moment

    asyncio.run(check())


def test_a_lost_packet_is_sent_again_and_a_slow_answer_still_counts() -> None:
    assert asyncio.run(ask_table({NAME: in_turn(silence, GOOD)}, NAME, timeout=1.5))[0].records == TEXT
    slow = in_turn(records('@ 300 TXT "slow"', delay=0.5), silence)
    assert asyncio.run(ask_table({NAME: slow}, NAME, timeout=1.2))[0].records == (b"slow",)


def test_a_late_answer_is_nobodys() -> None:
    async def check() -> None:
        late = in_turn(*[records('@ 300 TXT "late"', delay=0.4)] * 3, GOOD)
        async with NameServer({NAME: late}) as server:
            resolver = DnsResolver([server.address], 0.3, AnswerCache(0))
            question = Question(NAME, RecordType.TXT)
            assert (await resolver.resolve(question))[0].trouble is Trouble.TIMEOUT
            assert (await resolver.resolve(question))[0].records == TEXT

    asyncio.run(check())


@pytest.mark.parametrize("first", [silence, failure("SERVFAIL"), failure("REFUSED"), over_udp_truncated(raw())])
def test_the_next_server_is_asked(first: Reply) -> None:
    async def check() -> None:
        async with NameServer({}, first) as bad, NameServer({}, GOOD) as good:
            resolver = DnsResolver([bad.address, good.address], 1.2)
            (answer,) = await resolver.resolve(Question(NAME, RecordType.TXT))
            assert answer.records == TEXT
            asked = len(bad.seen)
            await resolver.resolve(Question("other.example", RecordType.TXT))
            assert len(bad.seen) == asked  # the one that answered is asked first from now on

    asyncio.run(check())


def test_a_server_that_has_failed_is_not_asked_again() -> None:
    async def check() -> None:
        async with NameServer({}, failure("SERVFAIL")) as server:
            resolver = DnsResolver([server.address], 2)
            began = time.monotonic()
            await resolver.resolve(Question(NAME, RecordType.TXT))
            assert time.monotonic() - began < 1
            assert len(server.seen) == 1

    asyncio.run(check())


def in_loop(
    check: Callable[[NameServer, DnsResolver], Coroutine[Any, Any, None]], reply: Reply, **cache: float
) -> None:
    async def run() -> None:
        async with NameServer({}, reply) as server:
            await check(server, DnsResolver([server.address], 1.0))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reply", "queries"),
    [
        (GOOD, 1),
        (nxdomain(), 1),
        (no_data(), 1),
        (failure("SERVFAIL"), 1),
        (records('@ 0 TXT "x"'), 2),
        (nxdomain(minimum=0), 2),
        (records(rcode="NXDOMAIN"), 2),  # without an SOA nothing says for how long
        (records(rcode="NXDOMAIN", authority=["com. 60 SOA ns. h. 1 7200 900 86400 60"]), 2),  # another zone's
    ],
)
def test_what_is_kept(reply: Reply, queries: int) -> None:
    async def check(server: NameServer, resolver: DnsResolver) -> None:
        first = await resolver.resolve(Question(NAME, RecordType.TXT))
        second = await resolver.resolve(Question(NAME.upper() + ".", RecordType.TXT))
        assert second[0]._replace(question=first[0].question) == first[0]
        assert second[0].question.name == NAME.upper() + "."
        assert len(server.seen) == queries

    in_loop(check, reply)


def test_one_query_in_flight_for_a_name() -> None:
    async def check(server: NameServer, resolver: DnsResolver) -> None:
        question = Question(NAME, RecordType.TXT)
        answers = await asyncio.gather(*(resolver.resolve(question, question) for _ in range(50)))
        assert {answer.records for pair in answers for answer in pair} == {TEXT}
        assert len(server.seen) == 1

    in_loop(check, records('@ 300 TXT "v=DKIM1; p=abc"', delay=0.05))


def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    async def check(server: NameServer, resolver: DnsResolver) -> None:
        question = Question(NAME, RecordType.TXT)
        impatient = asyncio.create_task(resolver.resolve(question))
        patient = asyncio.create_task(resolver.resolve(question))
        await asyncio.sleep(0.02)
        impatient.cancel()
        assert (await patient)[0].records == TEXT
        assert len(server.seen) == 1
        with pytest.raises(asyncio.CancelledError):
            await impatient

    in_loop(check, records('@ 300 TXT "v=DKIM1; p=abc"', delay=0.1))


class Held(DnsResolver):
    """Has eight places. Questions about .good are answered at once, and all others never."""

    def __init__(self, timeout: float) -> None:
        super().__init__([Address("127.0.0.1")], timeout)
        self.asked: list[str] = []

    async def _follow(self, question: Question) -> tuple[Answer, float]:
        self.asked.append(question.name)
        if not question.name.endswith(".good"):
            await asyncio.Event().wait()
        return Answer(question, TEXT), 60


GREEDY = tuple(f"{number}.bad" for number in range(20))


def with_eight_places(
    monkeypatch: pytest.MonkeyPatch, timeout: float, check: Callable[[Held], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        resolver = Held(timeout)
        await asyncio.wait_for(check(resolver), 10)
        for flight in resolver._flights.values():
            flight.task.cancel()

    monkeypatch.setattr("exim_dkim.system.dns.MAX_IN_FLIGHT", 8)
    asyncio.run(run())


def test_who_asks_for_much_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a question that waits for a place already."""

    async def check(resolver: Held) -> None:
        greedy = asyncio.create_task(ask_all(resolver, *GREEDY, "wanted.good"))
        await asyncio.sleep(0.01)
        assert resolver.asked == [*GREEDY[:4]]
        for name in ("other.good", "wanted.good"):
            (answer,) = await ask_all(resolver, name)
            assert answer.records == TEXT
        assert resolver.asked == [*GREEDY[:4], "other.good", "wanted.good"]
        greedy.cancel()
        await asyncio.wait([greedy])
        await asyncio.sleep(0)
        assert {question.name for question in resolver._flights} == {*GREEDY[:4]}  # nobody waits for the others

    with_eight_places(monkeypatch, 30, check)


def test_nothing_is_remembered_of_what_could_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(resolver: Held) -> None:
        assert {answer.trouble for answer in await ask_all(resolver, *GREEDY)} == {Trouble.TIMEOUT}
        while resolver._flights:
            await asyncio.sleep(0.01)
        asked = len(resolver.asked)
        assert asked < len(GREEDY)
        for name in (GREEDY[0], GREEDY[-1]):
            assert (await ask_all(resolver, name))[0].trouble is Trouble.TIMEOUT
        assert resolver.asked[asked:] == [GREEDY[-1]]

    with_eight_places(monkeypatch, 0.1, check)


def test_one_resolver_serves_several_event_loops() -> None:
    resolver: DnsResolver | None = None

    async def ask(reply: Reply) -> Answer:
        nonlocal resolver
        async with NameServer({}, reply) as server:
            resolver = resolver or DnsResolver([server.address], 0.3, AnswerCache(0))
            resolver._servers = (server.address,)
            return (await resolver.resolve(Question(NAME, RecordType.TXT)))[0]

    assert asyncio.run(ask(silence)).trouble is Trouble.TIMEOUT
    assert asyncio.run(ask(GOOD)).records == TEXT


def test_open_resolver(tmp_path: Path) -> None:
    def opened(text: str) -> object:
        return open_resolver(parse_configuration(text.encode(), "test.conf", lambda path: b""))

    zone = tmp_path / "db"
    zone.write_text('a.example TXT "x"\n')
    assert isinstance(opened(f"dns_zone_file = {zone}\n"), ZoneResolver)
    assert isinstance(opened("dns_nameservers = <; 192.0.2.1 5353 ; [2001:db8::1]:54\n"), DnsResolver)
    assert isinstance(opened(""), DnsResolver)
    for text in ("dns_nameservers = ns.example.org\n", f"dns_zone_file = {tmp_path}/missing\n"):
        with pytest.raises(ConfigurationError):
            opened(text)


@pytest.mark.peer("unbound")
def test_a_real_name_server(tmp_path: Path) -> None:
    large = "v=DKIM1; p=" + "abc" * 1000  # does not fit into UDP
    records = {"large.example.org": large, "small.example.org": "v=DKIM1; p=abc"}
    unbound = Unbound(tmp_path / "unbound", records, refused=("refused.example.org",))
    try:
        resolver = DnsResolver([Address(unbound.address)], 5)
        names = ("large.example.org", "small.example.org", "missing.example.org", "refused.example.org", "example.org")
        answers = asyncio.run(ask_all(resolver, *names))
        again = asyncio.run(ask_all(resolver, *names))
    finally:
        unbound.end()
    assert [answer.trouble or answer.records for answer in answers] == [
        (large.encode(),),
        (b"v=DKIM1; p=abc",),
        Trouble.NXDOMAIN,
        Trouble.SERVFAIL,
        Trouble.NO_DATA,
    ]
    assert again == answers


async def ask_all(resolver: DnsResolver, *names: str) -> tuple[Answer, ...]:
    return await resolver.resolve(*(Question(name, RecordType.TXT) for name in names))
