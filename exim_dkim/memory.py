"""A resolver over a dictionary: for tests, demonstrations and programs that have their keys at hand.

Pure: it awaits nothing, so a coroutine that uses it runs to its end without an event loop. A name that is not in the
dictionary does not exist (NXDOMAIN); a name that is there with another type only has no data.

    MemoryResolver({
        "sel._domainkey.example.org": "v=DKIM1; p=...",             # one TXT record
        "two._domainkey.example.org": ["v=DKIM1; p=...", b"junk"],  # several
        "slow._domainkey.example.org": Trouble.TIMEOUT,             # any trouble, for every type
        ("mail.example.org", RecordType.A): "192.0.2.1",            # other types are named
        ("example.org", RecordType.MX): "10 mail.example.org",
        "www.example.org": Alias("mail.example.org"),               # a CNAME, for every type
    })
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exim_dkim.resolver import Answer, Question, RecordType, Trouble

MAX_ALIASES = 8
"""How many CNAMEs are followed for one question; a longer chain, or a loop, is SERVFAIL."""


class Alias(str):
    """The name that a CNAME leads to."""

    __slots__ = ()


Value = str | bytes | Trouble | Sequence[str | bytes]
"""What a name holds: one record, several, none (an empty sequence: no data), a trouble or an alias."""

Key = str | tuple[str, RecordType]
"""A name (its TXT records; with a `Trouble`, every type) or a name and a type. Case and a final dot do not matter."""

Records = Mapping[str, Value] | Mapping[tuple[str, RecordType], Value] | Mapping[Key, Value]


class MemoryResolver:
    """Answers from `records`. `asked` lists every question in the order asked, for tests to look at."""

    def __init__(self, records: Records) -> None:
        self.asked: list[Question] = []
        self._records: dict[Question, tuple[bytes, ...] | Trouble] = {}
        self._troubles: dict[str, Trouble] = {}
        self._aliases: dict[str, str] = {}
        self._names: set[str] = set()
        self._answers: dict[Question, Answer] = {}  # to the questions that records were given for, as they were given
        for key, value in records.items():
            self._add(key, value)
        for question, found in self._records.items():
            if found:
                self._answers[question] = self._answer(question)

    def _add(self, key: Key, value: Value) -> None:
        if isinstance(key, str):
            name = fold_name(key)
            if isinstance(value, Trouble):
                self._troubles[name] = value
                return
            if isinstance(value, Alias):
                self._aliases[name] = fold_name(value)
                return
            question = Question(name, RecordType.TXT)
        else:
            question = Question(fold_name(key[0]), key[1])
        if value is not Trouble.NXDOMAIN:
            self._names.add(question.name)
        self._records[question] = value if isinstance(value, Trouble) else _pack_all(question.type, value)

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        """The answers, one for each question, in the order asked. Never raises, never suspends."""
        self.asked.extend(questions)
        known = self._answers
        return tuple([known.get(question) or self._answer(question) for question in questions])

    def _answer(self, question: Question) -> Answer:
        found = self._records.get(question) or self._look_up(fold_name(question.name), question.type)
        if isinstance(found, Trouble):
            return Answer(question, (), found)
        return Answer(question, found)

    def _look_up(self, name: str, record_type: RecordType) -> tuple[bytes, ...] | Trouble:
        found = self._records.get(Question(name, record_type)) or self._troubles.get(name)
        if found:
            return found
        if name in self._aliases:
            if record_type is RecordType.CNAME:
                return (self._aliases[name].encode(),)
            return self._follow(name, record_type)
        return Trouble.NO_DATA if name in self._names else Trouble.NXDOMAIN

    def _follow(self, name: str, record_type: RecordType) -> tuple[bytes, ...] | Trouble:
        for _ in range(MAX_ALIASES):
            name = self._aliases[name]
            if name not in self._aliases:
                return self._look_up(name, record_type)
        return Trouble.SERVFAIL


def fold_name(name: str) -> str:
    """`name` as names are compared: lower case, without the final dot."""
    return name.removesuffix(".").lower()


def _pack_all(record_type: RecordType, value: str | bytes | Sequence[str | bytes]) -> tuple[bytes, ...]:
    values = (value,) if isinstance(value, str | bytes) else tuple(value)
    return tuple(_pack(record_type, one) for one in values)


def _pack(record_type: RecordType, value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    if record_type in (RecordType.A, RecordType.AAAA):
        import ipaddress  # only the rare address record needs it

        return ipaddress.ip_address(value).packed
    return value.encode("utf-8")
