"""pyspf as it is, with its own DNS driver replaced by a dictionary, as its own tests do: what ours is compared with."""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from exim_dkim.envelope import Envelope
from exim_dkim.memory import MemoryResolver
from exim_dkim.resolver import Question, RecordType, Trouble
from tests.support.run import run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import spf


class Plain(NamedTuple):
    """What pyspf says: the word, the explanation (its own or the domain's), its complaint."""

    result: str
    explanation: str
    problem: str


class Dictionary:
    """Stands for `spf.DNSLookup`; answers as `resolver` does. A context manager."""

    def __init__(self, resolver: MemoryResolver) -> None:
        self._known: dict[tuple[str, str], list[tuple[tuple[str, str], Any]] | Trouble] = {}
        self._resolver = resolver
        self._kept = spf.DNSLookup

    def __enter__(self) -> None:
        spf.DNSLookup = self._look_up

    def __exit__(self, *_: object) -> None:
        spf.DNSLookup = self._kept

    def _look_up(self, name: str, qtype: str, strict: object = True, timeout: object = None) -> Any:
        found = self._known.get((name, qtype))
        if found is None:
            found = self._known[name, qtype] = self._ask(name, qtype)
        if isinstance(found, Trouble):
            raise spf.TempError(f"DNS {found.name}")
        return found

    def _ask(self, name: str, qtype: str) -> list[tuple[tuple[str, str], Any]] | Trouble:
        if qtype == "SPF":
            return []
        (answer,) = run(self._resolver.resolve(Question(name, RecordType[qtype])))
        if answer.trouble is not None and answer.trouble.temporary:
            return answer.trouble
        return [((name, qtype), value) for value in _values(qtype, answer.records)]


def _values(qtype: str, records: tuple[bytes, ...]) -> Iterator[Any]:
    for record in records:
        match qtype:
            case "TXT":
                yield (record,)
            case "A":
                yield str(ipaddress.IPv4Address(record))
            case "AAAA":
                yield record
            case "MX":
                preference, _, host = record.partition(b" ")
                yield (int(preference), host.decode())
            case _:
                yield record.decode()


def judge(envelope: Envelope, resolver: MemoryResolver) -> Plain:
    """What plain pyspf says about the MAIL FROM identity; what it raises is its problem."""
    with Dictionary(resolver):
        query = query_of(envelope)
        try:
            result, _, explanation = query.check()
        except Exception as error:  # noqa: BLE001 - it does raise
            return Plain("raised", "", type(error).__name__)
    return Plain(result, explanation, str(getattr(query, "prob", "")))


def query_of(envelope: Envelope) -> Any:
    """The question as pyspf takes it."""
    sender = (envelope.sender or b"").decode("utf-8", "replace")
    return spf.query(i=str(envelope.client), s=sender, h=envelope.helo.decode("utf-8", "replace"), strict=True)
