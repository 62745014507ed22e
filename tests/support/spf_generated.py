"""Random zones with SPF records, and envelopes to judge by them: for comparisons with other implementations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.resolver import RecordType, Trouble

DOMAINS = tuple(f"d{number}.example.org" for number in range(6))
HOSTS = tuple(f"h{number}.example.net" for number in range(5))
CLIENTS = ("192.0.2.1", "192.0.2.77", "198.51.100.9", "203.0.113.200", "2001:db8::1", "2001:db8:ffff::77")
SENDERS = ("alice", "strong-bad", "a.b.c", "o=x+y", "postmaster", "")
HELOS = ("mail.example.net", "h1.example.net", "single", "Mixed.Example.ORG")
_MACROS = """
    %{s} %{l} %{o} %{d} %{i} %{v} %{h} %{ir} %{d2} %{dr} %{d1r} %{l-} %{lr-} %{l1r-} %{o2} %{h3r} %{s.} %{L} %{D} %{S}
    %{p} %{pr} %{p2} %% %_ %- %{c} %{x} %{d0} % %{l+=}
"""
MACROS = tuple(_MACROS.split())
_JUNK = """
    moo a: mx:% ip4 ip4:192.0.2 ip4:192.0.2.1/33 ip4:192.0.2.01 ip4:192.0.2.1/ ip6:2001:db8::/129 ip6:zz all:x -all/8
    a/33 a//129 a:d1.example.org/24//64 mx/0 a:192.0.2.1 a:example.1 a:localhost ptr/8 exists include include: include:x
    exists:d1.example.org/8 redirect= exp= =x a=b x.y-z_1= redirect=d1.example.org Redirect=d1.example.org op=helo
    default=- !all ++all a, a:h1.example.net. a:h1..example.net a:.example.net A:H1.EXAMPLE.NET IP4:192.0.2.1 x=%{d}
    x=%{z} x=% - ? a:%{d}com a:h_1.example.net a:h1.example.n_t exists:%{i}.%{d}/x.example.org a:example.o-
    a:example.o-g all. include:%{d}
"""
JUNK = tuple(_JUNK.split())


class Pair(NamedTuple):
    """An envelope and the zone to judge it by."""

    envelope: Envelope
    zone: dict[Key, Value]

    @property
    def resolver(self) -> MemoryResolver:
        """A resolver over the zone."""
        return MemoryResolver(self.zone)


def pairs(count: int, seed: int, junk: float = 0.15) -> Iterator[Pair]:
    """So many pairs, the same each time; `junk`: how likely a record has a term that is odd or wrong."""
    source = random.Random(seed)
    for _ in range(count):
        zone = make_zone(source, junk)
        sender = source.choice(SENDERS) + "@" + source.choice(DOMAINS) if source.random() < 0.95 else ""
        yield Pair(
            Envelope(parse_client(source.choice(CLIENTS).encode()), source.choice(HELOS).encode(), sender.encode()),
            zone,
        )


def make_zone(source: random.Random, junk: float) -> dict[Key, Value]:
    """Six domains with records, five hosts with addresses, and the names of the clients."""
    zone: dict[Key, Value] = {}
    for name in (*DOMAINS, "mail.example.net", "single"):
        chance = source.random()
        if chance < 0.04:
            zone[name] = source.choice((Trouble.TIMEOUT, Trouble.SERVFAIL, []))
        elif chance < 0.96:
            records = [make_record(source, junk)]
            if source.random() < 0.1:
                records.append(source.choice(("v=spf10 -all", "hello", "v=spf1 -all", "v=spf1", "")))
            zone[name] = records
        _addresses(zone, name, source)
    for name in HOSTS:
        _addresses(zone, name, source)
    for client in CLIENTS:
        if source.random() < 0.7:
            names = source.sample((*HOSTS, *DOMAINS, "mail.example.net"), source.randint(1, 3))
            zone[parse_client(client.encode()).reverse_pointer, RecordType.PTR] = names
    explanations = ("not %{c} for %{s}", "%{i} %{d}", "see %{x}", "plain", "http://x/%{L}%%!")
    zone["exp.example.org"] = source.choice(explanations)
    for _ in range(3):
        labels = (
            source.choice(("alice", "strong.bad", "bad.strong", "1.2.0.192", "192.0.2.1", "com")),
            "d1.example.org",
        )
        zone[".".join(labels), RecordType.A] = "127.0.0.2"
    return zone


def _addresses(zone: dict[Key, Value], name: str, source: random.Random) -> None:
    chance = source.random()
    if chance < 0.05:
        zone[name, RecordType.A] = Trouble.TIMEOUT
    elif chance < 0.8:
        zone[name, RecordType.A] = source.sample([one for one in CLIENTS if ":" not in one], source.randint(1, 2))
    if source.random() < 0.4:
        zone[name, RecordType.AAAA] = source.sample([one for one in CLIENTS if ":" in one], source.randint(1, 2))
    if source.random() < 0.5:
        hosts = source.sample(HOSTS, source.randint(1, 3))
        zone[name, RecordType.MX] = [f"{10 * index} {host}" for index, host in enumerate(hosts)]


def make_record(source: random.Random, junk: float) -> str:
    """One record, most of them well-formed."""
    terms = [make_term(source) for _ in range(source.choice((0, 1, 1, 2, 2, 3, 4, 6)))]
    if source.random() < 0.7:
        terms.append(source.choice("+-?~") + "all")
    if source.random() < 0.2:
        terms.append(f"redirect={target(source)}")
    if source.random() < 0.25:
        terms.append(source.choice(("exp=exp.example.org", "exp=%{d}", "exp=exp.%{d2}", "exp=gone.example.org")))
    if source.random() < junk:
        term = source.choice(JUNK)
        for _ in range(source.choice((1, 1, 1, 2))):
            terms.insert(source.randint(0, len(terms)), term)
    return source.choice(("v=spf1 ", "v=spf1  ", "V=SPF1 ")) + source.choice((" ", " ", "  ")).join(terms)


def make_term(source: random.Random) -> str:
    """A mechanism with a qualifier, well-formed but for odd macros."""
    qualifier = source.choice(("", "", "", "+", "-", "~", "?"))
    kind = source.choice(("ip4", "ip4", "ip6", "a", "a", "mx", "mx", "ptr", "exists", "include", "include"))
    match kind:
        case "ip4":
            return f"{qualifier}ip4:{source.choice(CLIENTS[:4])}{source.choice(('', '', '/32', '/24', '/8', '/0'))}"
        case "ip6":
            return f"{qualifier}ip6:{source.choice(CLIENTS[4:])}{source.choice(('', '/128', '/64', '/32', '/0'))}"
        case "exists" | "include":
            return f"{qualifier}{kind}:{target(source)}"
        case _:
            where = source.choice(("", f":{target(source)}"))
            lengths = source.choice(("", "", "/24", "//64", "/16//32")) if kind != "ptr" else ""
            return f"{qualifier}{kind}{where}{lengths}"


def target(source: random.Random) -> str:
    """A domain-spec."""
    if source.random() < 0.75:
        return source.choice((*DOMAINS, *HOSTS, "gone.example.org"))
    macros = "".join(source.choice(MACROS) for _ in range(source.choice((1, 1, 2))))
    return macros + source.choice(("", ".d1.example.org", ".example.org", "._spf.example.net"))
