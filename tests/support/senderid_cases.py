"""Sender ID checks to compare with Mail::SPF: hand-made ones and drawn ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.resolver import RecordType, Trouble

Zone = dict[str, dict[str, list[str]] | str]
"""Name to records by type, or `TIMEOUT`, `SERVFAIL`. A name that is not there does not exist."""

HELO = "mx.client.example"
CLIENT = "192.0.2.1"


class Check(NamedTuple):
    """One identity, one client, one world of records."""

    name: str
    zone: Zone
    address: str = "alice@d.example"
    scope: str = "pra"
    client: str = CLIENT

    @property
    def resolver(self) -> MemoryResolver:
        """A resolver over the zone."""
        records: dict[Key, Value] = {}
        for name, held in self.zone.items():
            if isinstance(held, str):
                records[name] = Trouble[held]
                continue
            records[name] = held.get("TXT", [])
            records |= {(name, RecordType[kind]): values for kind, values in held.items() if kind != "TXT"}
        return MemoryResolver(records)


def _txt(*records: str) -> dict[str, list[str]]:
    return {"TXT": list(records)}


_SELECTION = {
    "pra record": ["spf2.0/pra -all"],
    "mfrom record": ["spf2.0/mfrom -all"],
    "record for both": ["spf2.0/mfrom,pra -all"],
    "record for both, other order": ["spf2.0/pra,mfrom -all"],
    "example of RFC 4406": ["spf2.0/mfrom,pra +mx +ip4:192.168.0.100 -all"],
    "inconclusive, RFC 4406 §3.4": ["v=spf1 -all", "spf2.0/pra ?all"],
    "fall-back": ["v=spf1 -all"],
    "spf2.0 before v=spf1": ["v=spf1 +all", "spf2.0/mfrom,pra -all"],
    "one for each scope": ["spf2.0/mfrom +all", "spf2.0/pra -all"],
    "one for each scope and v=spf1": ["v=spf1 ?all", "spf2.0/mfrom +all", "spf2.0/pra -all"],
    "other scope and v=spf1": ["spf2.0/mfrom +all", "v=spf1 -all"],
    "two for the scope": ["spf2.0/pra +all", "spf2.0/mfrom,pra -all", "v=spf1 -all"],
    "two v=spf1": ["v=spf1 +all", "v=spf1 -all"],
    "two v=spf1 and one for the scope": ["v=spf1 +all", "v=spf1 -all", "spf2.0/pra,mfrom ~all"],
    "capitals": ["SPF2.0/PRA,MFROM -ALL"],
    "no terms": ["spf2.0/pra,mfrom"],
    "several spaces": ["spf2.0/pra,mfrom   -all  "],
    "no scope": ["spf2.0 -all"],
    "empty scope": ["spf2.0/ -all"],
    "scope ends in a comma": ["spf2.0/pra, -all"],
    "unknown scope": ["spf2.0/prattle -all"],
    "unknown scope and v=spf1": ["spf2.0/prattle +all", "v=spf1 -all"],
    "unknown scope beside ours": ["spf2.0/mfrom,pra,fubar -all"],
    "RFC 4406 §4.4 step 3": ["spf2.0/mfrom,prattle,fubar -all"],
    "another minor version": ["spf2.1/pra,mfrom -all"],
    "minor version of two digits": ["spf2.00/pra,mfrom -all"],
    "not our version": ["spf3.0/pra -all"],
    "other text": ["v=DKIM1; p=", "hello"],
    "tab after the version": ["spf2.0/pra,mfrom\t-all"],
    "scope twice": ["spf2.0/pra,pra,mfrom -all"],
    "a bad term in a record for the other scope": ["spf2.0/mfrom foo:bar", "spf2.0/pra -all"],
    "a bad term in v=spf1 that is not selected": ["v=spf1 foo:bar", "spf2.0/pra,mfrom -all"],
}

_EVALUATION: dict[str, Zone] = {
    "no such domain": {},
    "no data": {"d.example": {}},
    "no TXT": {"d.example": {"A": [CLIENT]}},
    "time-out": {"d.example": "TIMEOUT"},
    "failing server": {"d.example": "SERVFAIL"},
    "include of the same scope": {
        "d.example": _txt("spf2.0/pra,mfrom include:e.example -all"),
        "e.example": _txt("spf2.0/pra +all", "spf2.0/mfrom -all"),
    },
    "include falls back": {
        "d.example": _txt("spf2.0/pra,mfrom include:e.example -all"),
        "e.example": _txt("v=spf1 +all"),
    },
    "include without record": {"d.example": _txt("spf2.0/pra,mfrom include:e.example -all"), "e.example": {}},
    "include of no such domain": {"d.example": _txt("spf2.0/pra,mfrom include:e.example -all")},
    "include for the other scope only": {
        "d.example": _txt("spf2.0/pra,mfrom include:e.example -all"),
        "e.example": _txt("spf2.0/mfrom +all"),
    },
    "redirect of the same scope": {
        "d.example": _txt("spf2.0/pra,mfrom redirect=e.example"),
        "e.example": _txt("spf2.0/pra +all", "spf2.0/mfrom -all"),
    },
    "redirect to no such domain": {"d.example": _txt("spf2.0/pra,mfrom redirect=e.example")},
    "redirect after all": {"d.example": _txt("spf2.0/pra,mfrom redirect=e.example ~all")},
    "explanation": {
        "d.example": _txt("spf2.0/pra,mfrom exp=e.example -all"),
        "e.example": _txt("%{s} %{l} %{o} %{d} %{i} %{h} %{v} %{c} %{r} %%%_%-"),
    },
    "explanation missing": {"d.example": _txt("spf2.0/pra,mfrom exp=e.example -all")},
    "two explanations": {"d.example": _txt("spf2.0/pra exp=e.example exp=f.example -all")},
    "two redirects": {"d.example": _txt("spf2.0/pra redirect=e.example redirect=f.example")},
    "unknown modifier first": {"d.example": _txt("spf2.0/pra,mfrom foo=bar +a -all"), },
    "unknown modifier after a mechanism": {"d.example": _txt("spf2.0/pra,mfrom a foo=bar foo=baz -all")},
    "unknown mechanism": {"d.example": _txt("spf2.0/pra,mfrom foo:bar -all")},
    "eleven look-ups": {
        "d.example": _txt("spf2.0/pra,mfrom " + " ".join(f"a:h{n}.example" for n in range(11)) + " -all"),
        **{f"h{n}.example": {"A": ["198.51.100.1"]} for n in range(11)},
    },
    "three void look-ups": {"d.example": _txt("spf2.0/pra,mfrom a:x.example a:y.example a:z.example -all")},
    "names of the client without address": {
        "d.example": _txt("spf2.0/pra,mfrom ptr -all"),
        "1.2.0.192.in-addr.arpa": {"PTR": ["x.example", "y.example", "z.example"]},
    },
    "record that includes itself": {"d.example": _txt("spf2.0/pra,mfrom include:d.example -all")},
    "long record": {"d.example": _txt("spf2.0/pra,mfrom " + "ip4:198.51.100.1 " * 40 + f"ip4:{CLIENT} -all")},
}  # fmt: skip

_ADDRESSES = ("a@d.example", '"a b"@d.example', "a+b@D.Example", "a@localhost", "a@b.d.example", "x.y.z@d.example")


def by_hand() -> Iterator[Check]:
    """Checks that each show one thing, for both scopes."""
    for scope in ("pra", "mfrom"):
        for name, records in _SELECTION.items():
            yield Check(f"{name}, {scope}", {"d.example": {"TXT": records, "A": ["198.51.100.1"]}}, scope=scope)
        for name, zone in _EVALUATION.items():
            yield Check(f"{name}, {scope}", zone, scope=scope)
        for address in _ADDRESSES:
            zone = {"d.example": _txt("spf2.0/pra,mfrom exists:%{l1r}.x.example exp=e.example -all")}
            zone["e.example"] = _txt("%{S} is not %{l}@%{o}")
            yield Check(f"{address}, {scope}", zone, address, scope)


_VERSIONS = (
    *("spf2.0/pra", "spf2.0/mfrom", "spf2.0/mfrom,pra", "spf2.0/pra,mfrom", "v=spf1") * 4,
    *("SPF2.0/Pra", "V=SPF1", "spf2.0/pra,xyz", "spf2.1/pra", "spf2.0", "spf2.0/", "v=spf10", "hello"),
)
_CLIENTS = (CLIENT, CLIENT, "192.0.2.77", "198.51.100.9", "2001:db8::1", "2001:db8::77", "::ffff:192.0.2.1")
_LOCALS = ("alice", "bob", "a.b", "x+y", "alice")
_DOMAINS = ("d.example", "e.example", "f.example")
_NAMES = (*_DOMAINS, "h.example", "%{d}", "%{l}.example", "%{d2}", "%{ir}.rev.example", "nx.example", "%{l1r-+}.%{o}")
_MECHANISMS = (
    "a", "mx", "ptr", "a:{}", "mx:{}", "include:{}", "exists:{}", "ip4:192.0.2.1", "ip4:192.0.2.0/26",
    "ip6:2001:db8::/64",
    "a/24", "a//64", "a:{}/25//120", "mx/28", "ptr:{}", "ip4:192.0.2.1/33", "ip4:192.0.2", "foo", "all", "x=y",
    "exp={}",
    "a:{}", "include:{}", "exists:{}",
)  # fmt: skip
_ENDS = ("-all", "-all", "~all", "?all", "+all", "", "redirect={}", "redirect=e.example")


def drawn(count: int, seed: int) -> Iterator[Check]:
    """Checks of random records, with every kind of term and trouble; always the same ones for a seed."""
    draw = random.Random(seed)

    def term(pattern: str) -> str:
        qualifier = draw.choice(("", "", "", "+", "-", "~", "?")) if "=" not in pattern else ""
        return qualifier + pattern.replace("{}", draw.choice(_NAMES), 1)

    def record() -> str:
        terms = [term(draw.choice(_MECHANISMS)) for _ in range(draw.choice((0, 1, 1, 2, 2, 3)))]
        end = draw.choice(_ENDS).replace("{}", draw.choice(_NAMES))
        return " ".join(filter(None, [draw.choice(_VERSIONS), *terms, end]))

    def held() -> dict[str, list[str]] | str:
        if draw.random() < 0.03:
            return draw.choice(("TIMEOUT", "SERVFAIL"))
        records: dict[str, list[str]] = {"TXT": [record() for _ in range(draw.choice((1, 1, 2, 2, 3)))]}
        if draw.random() < 0.6:
            records["A"] = draw.sample([CLIENT, "192.0.2.40", "198.51.100.9"], draw.choice((1, 2)))
            records["AAAA"] = [draw.choice(("2001:db8::1", "2001:db8::40"))]
        if draw.random() < 0.5:
            records["MX"] = [f"10 {name}" for name in draw.sample(("h.example", "d.example", "e.example"), 2)]
        return records

    for number in range(count):
        zone: Zone = {name: held() for name in _DOMAINS[: draw.choice((1, 2, 3, 3))]}
        zone["h.example"] = {"A": [CLIENT], "AAAA": ["2001:db8::1"]}
        zone["alice.example"] = {"A": ["127.0.0.2"]}
        zone["1.2.0.192.in-addr.arpa"] = {"PTR": [draw.choice(("h.example", "d.example", "e.example"))]}
        zone["1.2.0.192.rev.example"] = {"A": ["127.0.0.2"]}
        address = f"{draw.choice(_LOCALS)}@{draw.choice(('d.example',) * 15 + ('nx.example',))}"
        yield Check(f"drawn {number}", zone, address, draw.choice(("pra", "mfrom")), draw.choice(_CLIENTS))
