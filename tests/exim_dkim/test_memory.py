"""The resolver over a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exim_dkim.memory import MAX_ALIASES, Alias, Key, MemoryResolver, Value
from exim_dkim.resolver import Answer, Question, RecordType, Trouble

RECORDS: dict[Key, Value] = {
    "sel._domainkey.example.org": "v=DKIM1; p=abc",
    "bytes.example.org": b"\xff\x00",
    "two.example.org": ["one", b"two"],
    "none.example.org": [],
    "slow.example.org": Trouble.TIMEOUT,
    "broken.example.org.": Trouble.SERVFAIL,
    "empty.example.org": Trouble.NO_DATA,
    "gone.example.org": Trouble.NXDOMAIN,
    ("mail.example.org", RecordType.A): "192.0.2.1",
    ("mail.example.org", RecordType.AAAA): "2001:db8::1",
    ("packed.example.org", RecordType.A): bytes([192, 0, 2, 9]),
    ("example.org", RecordType.MX): ["10 mail.example.org", "20 other.example.org"],
    ("odd.example.org", RecordType.A): Trouble.SERVFAIL,
    ("odd.example.org", RecordType.TXT): "text",
}


def resolve(resolver: MemoryResolver, *questions: Question) -> Sequence[Answer]:
    """Runs the coroutine without an event loop: it must not suspend."""
    coroutine = resolver.resolve(*questions)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    answers: Sequence[Answer] = stop.value.value
    return answers


@pytest.mark.parametrize(
    ("name", "record_type", "expected"),
    [
        ("sel._domainkey.example.org", "TXT", (b"v=DKIM1; p=abc",)),
        ("SEL._domainkey.Example.ORG.", "TXT", (b"v=DKIM1; p=abc",)),
        ("sel._domainkey.example.org", "A", Trouble.NO_DATA),
        ("bytes.example.org", "TXT", (b"\xff\x00",)),
        ("two.example.org", "TXT", (b"one", b"two")),
        ("none.example.org", "TXT", Trouble.NO_DATA),
        ("slow.example.org", "TXT", Trouble.TIMEOUT),
        ("slow.example.org", "A", Trouble.TIMEOUT),
        ("broken.example.org", "TXT", Trouble.SERVFAIL),
        ("empty.example.org", "TXT", Trouble.NO_DATA),
        ("gone.example.org", "TXT", Trouble.NXDOMAIN),
        ("missing.example.org", "TXT", Trouble.NXDOMAIN),
        ("mail.example.org", "A", (b"\xc0\x00\x02\x01",)),
        ("mail.example.org", "AAAA", (bytes.fromhex("20010db8000000000000000000000001"),)),
        ("mail.example.org", "TXT", Trouble.NO_DATA),
        ("packed.example.org", "A", (bytes([192, 0, 2, 9]),)),
        ("example.org", "MX", (b"10 mail.example.org", b"20 other.example.org")),
        ("odd.example.org", "A", Trouble.SERVFAIL),
        ("odd.example.org", "TXT", (b"text",)),
    ],
)
def test_answers(name: str, record_type: str, expected: tuple[bytes, ...] | Trouble) -> None:
    question = Question(name, RecordType(record_type))
    (answer,) = resolve(MemoryResolver(RECORDS), question)
    assert answer.question == question
    assert (answer.trouble or answer.records) == expected
    assert bool(answer.records) != bool(answer.trouble)


def test_many_questions_are_answered_in_order_and_recorded() -> None:
    resolver = MemoryResolver({"a.example": "a", "b.example": "b"})
    questions = [Question(name, RecordType.TXT) for name in ("b.example", "x.example", "a.example")]
    answers = resolve(resolver, *questions)
    assert [answer.records for answer in answers] == [(b"b",), (), (b"a",)]
    assert resolver.asked == questions


def test_aliases() -> None:
    records: dict[Key, Value] = {
        **RECORDS,
        "www.example.org": Alias("mail.example.org"),
        "loop.example.org": Alias("pool.example.org"),
        "pool.example.org": Alias("loop.example.org"),
        "lost.example.org": Alias("nowhere.example.org"),
        "c20.example.org": "the end",
    }
    for number in range(20):
        records[f"c{number}.example.org"] = Alias(f"C{number + 1}.example.org.")
    resolver = MemoryResolver(records)

    def found(name: str, record_type: RecordType) -> tuple[bytes, ...] | Trouble | None:
        (answer,) = resolve(resolver, Question(name, record_type))
        return answer.records or answer.trouble

    assert found("www.example.org", RecordType.A) == (bytes([192, 0, 2, 1]),)
    assert found("www.example.org", RecordType.TXT) is Trouble.NO_DATA
    assert found("loop.example.org", RecordType.TXT) is Trouble.SERVFAIL
    assert found("lost.example.org", RecordType.TXT) is Trouble.NXDOMAIN
    assert found(f"c{20 - MAX_ALIASES}.example.org", RecordType.TXT) == (b"the end",)
    assert found(f"c{20 - MAX_ALIASES - 1}.example.org", RecordType.TXT) is Trouble.SERVFAIL
