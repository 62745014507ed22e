"""The openspf test suites (tests/vectors/openspf): their cases, and their zones as our resolver has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Alias, Key, MemoryResolver, Value
from exim_dkim.resolver import RecordType, Trouble

DIRECTORY = Path(__file__).parents[1] / "vectors" / "openspf"
SUITES = ("rfc7208", "rfc4408")


class Case(NamedTuple):
    """One case. `results`: the words that are right. `explanation`: None where it does not matter."""

    suite: str
    name: str
    client: str
    helo: str
    sender: str
    results: tuple[str, ...]
    explanation: str | None
    zone: dict[Key, Value]

    @property
    def envelope(self) -> Envelope:
        """What SMTP has said."""
        return Envelope(parse_client(self.client.encode()), self.helo.encode(), self.sender.encode())

    @property
    def resolver(self) -> MemoryResolver:
        """A resolver over the zone of the case."""
        return MemoryResolver(self.zone)


def cases(suite: str) -> Iterator[Case]:
    """All cases of a suite."""
    for scenario in json.loads((DIRECTORY / f"{suite}.json").read_text()):
        zone = read_zone(scenario["zonedata"])
        for name, test in scenario["tests"].items():
            results = test["result"]
            yield Case(
                suite,
                name,
                test["host"],
                test["helo"],
                test["mailfrom"],
                (results,) if isinstance(results, str) else tuple(results),
                test.get("explanation"),
                zone,
            )


def read_zone(data: dict[str, list[Any]]) -> dict[Key, Value]:
    """The zone of a scenario.

    `TIMEOUT` alone is for every type that has no record; a record of type SPF is also one of type TXT, unless the name
    has TXT records, of which `NONE` is none.
    """
    zone: dict[Key, Value] = {}
    for name, entries in data.items():
        records: dict[str, list[Any]] = {}
        for entry in entries:
            if entry == "TIMEOUT":
                zone[name] = Trouble.TIMEOUT
            else:
                for record_type, value in entry.items():
                    records.setdefault(record_type, []).append(value)
        records.setdefault("TXT", records.pop("SPF", []))
        for record_type, values in records.items():
            _add(zone, name, record_type, [value for value in values if value != "NONE"])
    return zone


def _add(zone: dict[Key, Value], name: str, record_type: str, values: list[Any]) -> None:
    if record_type == "CNAME":
        zone[name] = Alias(values[0])
    elif record_type == "SPF":
        return
    elif "TIMEOUT" in values:
        zone[name, RecordType[record_type]] = Trouble.TIMEOUT
    elif record_type == "MX":
        zone[name, RecordType.MX] = [f"{preference} {host}" for preference, host in values]
    elif values or name not in zone:
        texts = ["".join(value) if isinstance(value, list) else value for value in values]
        zone[name, RecordType[record_type]] = texts
