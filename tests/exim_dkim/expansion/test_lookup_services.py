"""The look-up types that ask services of the environment: dnsdb, dkim, domainkeys, spf and senderid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.envelope import Envelope
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Value, expand, parse_template
from exim_dkim.expansion.environment import NoServices, Services, ServiceTrouble
from exim_dkim.expansion.lookups import LookupDeferred
from exim_dkim.expansion.lookups.dnsdb import Query, parse_query
from exim_dkim.expansion.value import plain
from exim_dkim.memory import Alias, Key, MemoryResolver
from exim_dkim.memory import Value as RecordValue
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from tests.support.run import run

RECORDS: dict[Key, RecordValue] = {
    "example.org": ["v=spf1 -all", "other"],
    ("example.org", RecordType.MX): ["10 mail.example.org", "20 backup.example.org"],
    ("example.org", RecordType.A): "192.0.2.1",
    ("example.org", RecordType.AAAA): "2001:db8::1",
    ("four.example", RecordType.A): ["192.0.2.4", "192.0.2.5"],
    ("1.2.0.192.in-addr.arpa", RecordType.PTR): "example.org",
    ("1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa", RecordType.PTR): "six.example",
    ("zone.example", RecordType.NS): ["ns1.zone.example", "ns2.zone.example"],
    ("zone.example", RecordType.SOA): "ns1.zone.example host.zone.example 7 2 3 4 5",
    ("_x._tcp.example.org", RecordType.SRV): "1 2 25 mail.example.org",
    ("_25._tcp.example.org", RecordType.TLSA): "3 1 1 abcd",
    ("example.org", RecordType.SPF): "v=spf1 ~all",
    "alias.example": Alias("four.example"),
    "slow.example": Trouble.TIMEOUT,
    "broken.example": Trouble.SERVFAIL,
}
RESOLVER = MemoryResolver(RECORDS)


class FromMemory(NoServices):
    """Services with a resolver in memory, and one verified message."""

    def resolve(self, *questions: Question) -> Sequence[Answer]:
        return run(RESOLVER.resolve(*questions))

    def authenticate(self, protocol: str, key: bytes) -> bytes:
        if protocol != "dkim":
            raise ServiceTrouble(f"no {protocol}")
        return b"good" if key == b"example.org" else b"unsigned"

    def judge(self, identity: str, envelope: Envelope, fields: Sequence[bytes]) -> bytes:
        if envelope.helo == b"trouble":
            raise ServiceTrouble("no DNS")
        sender = "None" if envelope.sender is None else envelope.sender.decode()
        return f"{identity}|{envelope.client}|{envelope.helo.decode()}|{sender}|{len(fields)}".encode()


class World(EmptyEnvironment):
    """An environment with these services."""

    @property
    def services(self) -> Services:
        return FromMemory()

    def variable(self, name: bytes) -> Value | None:
        return Value(b"Example.ORG", True) if name == b"sender_host_name" else None


def value(query: str) -> Value:
    return expand(parse_template(f"${{lookup {query}{{$value}}{{none}}}}".encode()), World())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("example.org", "v=spf1 -all\nother"),
        ("txt=example.org", "v=spf1 -all\nother"),
        ("TXT = Example.ORG.", "v=spf1 -all\nother"),
        ("> txt=example.org", "v=spf1 -all other"),
        (">:txt=example.org", "v=spf1 -all:other"),
        (">|; txt=example.org", "v=spf1 -all|other"),
        ("a=example.org", "192.0.2.1"),
        ("aaaa=example.org", "2001:db8::1"),
        ("a+=example.org", "2001:db8::1\n192.0.2.1"),
        (">, a=four.example:example.org", "192.0.2.4,192.0.2.5,192.0.2.1"),
        ("a=<;example.org;none.example", "192.0.2.1"),
        ("mx=example.org", "10 mail.example.org\n20 backup.example.org"),
        (">:,/ mx=example.org", "10/mail.example.org:20/backup.example.org"),
        (">: mxh=example.org", "mail.example.org:backup.example.org"),
        ("ptr=192.0.2.1", "example.org"),
        ("ptr=2001:db8::1", "none"),  # a list: its colons separate
        ("ptr=<;2001:db8::1", "six.example"),
        ("ptr=1.2.0.192.in-addr.arpa", "example.org"),
        ("cname=alias.example", "four.example"),
        ("cname=four.example", "none"),
        ("ns=zone.example", "ns1.zone.example\nns2.zone.example"),
        ("> zns=a.b.zone.example", "ns1.zone.example ns2.zone.example"),
        ("zns=none.test", "none"),
        ("zns=a.slow.example:zone.example", "ns1.zone.example\nns2.zone.example"),
        ("soa=zone.example", "ns1.zone.example"),
        (">:,/ soa=zone.example", "ns1.zone.example/host.zone.example/7/2/3/4/5"),
        ("srv=_x._tcp.example.org", "1 2 25 mail.example.org"),
        (">:,/ srv=_x._tcp.example.org", "1/2/25/mail.example.org"),
        ("tlsa=_25._tcp.example.org", "3 1 1 abcd"),
        ("spf=example.org", "v=spf1 ~all"),
        ("a=none.example", "none"),
        ("mx=four.example", "none"),
        ("a=", "none"),
        ("", "none"),
        ("a=slow.example:example.org", "192.0.2.1"),
        ("defer_never,a=slow.example", "none"),
        ("defer_lax,dnssec_lax, retrans_2s,retry_1,a=slow.example:example.org", "192.0.2.1"),
    ],
)
def test_what_the_dns_says(query: str, text: str) -> None:
    found = value(f"dnsdb{{{query}}}")
    assert found == Value(text.encode(), text != "none")


# The words are those of Exim 4.96 (exim -be).
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("foo=bar.example", "unsupported DNS record type"),
        ("=x", "unsupported DNS record type"),
        ("a b=x.invalid", "unsupported DNS record type"),
        ("defer_foo,a=x.invalid", "unsupported dnsdb defer behaviour"),
        ("dnssec_foo,a=x", "unsupported dnsdb dnssec behaviour"),
        ("defer_never a=x.invalid", "dnsdb modifier syntax error"),
        ("retry_x,a=x", "dnsdb modifier syntax error"),
        ("retrans_x,a=x", "unsupported dnsdb timeout value"),
        ("retrans_2s retry_1, a=x", "unsupported dnsdb timeout value"),
        ("csa=example.org", "dnsdb cannot ask for csa records here"),
        ("zns=a.slow.example", "slow.example: the name servers did not answer in time"),
        ("zns=" + "a." * 101 + "x", "more than 100 questions in a dnsdb query"),
        ("a=slow.example", "slow.example: the name servers did not answer in time"),
        ("defer_strict,a=broken.example:example.org", "broken.example: the name servers failed to answer"),
        ("a=" + "x:" * 51, "more than 50 names in a dnsdb query"),
    ],
)
def test_what_the_dns_cannot_be_asked(query: str, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        value(f"dnsdb{{{query}}}")
    assert caught.value.message == f'lookup of "{query}" gave DEFER: {message}'


def test_a_name_from_mail_does_not_choose_the_separator() -> None:
    assert parse_query(b"a=<;x;y", tainted=True).names == (b"x;y",)
    assert value("dnsdb{a=$sender_host_name}") == Value(b"192.0.2.1", True)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b">", b",", b";", b"a", b"=", b"defer_", b"lax", b"retry_1", b":", b" ", b"\xff"])))
def test_any_query_is_parsed_or_refused(pieces: list[bytes]) -> None:
    with suppress(LookupDeferred):
        assert isinstance(parse_query(b"".join(pieces)), Query)


def test_the_lookup_of_2008() -> None:
    assert value("dkim{example.org}") == plain(b"good")
    assert value("dkim{ ${lc:$sender_host_name} }") == plain(b"good")
    assert value("dkim{example.com}") == plain(b"unsigned")


@pytest.mark.parametrize("name", ["dkim", "dnsdb"])
def test_without_services(name: str) -> None:
    with pytest.raises(ExpansionError, match=r'lookup of "x" gave DEFER: .* here'):
        expand(parse_template(b"${lookup %s{x}}" % name.encode()), EmptyEnvironment())


class OfMessage(World):
    """An environment with an envelope and a header."""

    def __init__(self, client: bytes | None = b"192.0.2.1", helo: bytes = b"mx.example.org") -> None:
        self._known = {b"sender_helo_name": helo, b"sender_address": b"alice@example.org"}
        if client is not None:
            self._known[b"sender_host_address"] = client

    def variable(self, name: bytes) -> Value | None:
        text = self._known.get(name)
        return None if text is None else Value(text, tainted=True)

    def header_fields(self) -> Sequence[bytes]:
        return (b"From: alice@example.org\n", b"Subject: x\n")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("{alice@example.org} spf {192.0.2.1}", "spf|192.0.2.1||alice@example.org|0"),
        ("{alice@example.org} spf {2001:db8::1}", "spf|2001:db8::1||alice@example.org|0"),
        ("{alice@example.org} spf {::ffff:192.0.2.1}", "spf|192.0.2.1||alice@example.org|0"),
        ("{alice@example.org} spf {$sender_host_address}", "spf|192.0.2.1||alice@example.org|0"),
        ("{example.org} spf {192.0.2.1}", "spf|192.0.2.1||example.org|0"),
        ("{alice@example.org} spf {localhost}", "none"),
        ("{alice@example.org} spf {}", "none"),
        ("{} spf {192.0.2.1}", "none"),
        ("spf {}", "spf|192.0.2.1|mx.example.org|alice@example.org|0"),
        ("spf { mailfrom }", "spf|192.0.2.1|mx.example.org|alice@example.org|0"),
        ("spf{helo}", "spf helo|192.0.2.1|mx.example.org|alice@example.org|0"),
        ("senderid{}", "senderid pra|192.0.2.1|mx.example.org|alice@example.org|2"),
        ("senderid{PRA}", "senderid pra|192.0.2.1|mx.example.org|alice@example.org|2"),
        ("senderid {mfrom}", "senderid mfrom|192.0.2.1|mx.example.org|alice@example.org|2"),
    ],
)
def test_spf_and_senderid(query: str, text: str) -> None:
    found = expand(parse_template(f"${{lookup {query}{{$value}}{{none}}}}".encode()), OfMessage())
    assert found == plain(text.encode())


def test_a_message_that_no_host_brought() -> None:
    for query in ("spf{}", "senderid{}"):
        text = expand(parse_template(f"${{lookup {query}}}".encode()), OfMessage(client=None)).text
        assert text.split(b"|")[1] == b"None"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("spf {alice@example.org}", "a query for spf is empty, mailfrom or helo"),
        ("senderid {helo}", "a query for senderid is empty, pra or mfrom"),
        ("{a@example.org} senderid {192.0.2.1}", "a single key was given"),
        ("{a@example.org} partial-spf {192.0.2.1}", '"partial" is not permitted'),
        ("{a@example.org} spf* {192.0.2.1}", "defaults using"),
        ("domainkeys {example.org}", 'lookup of "example.org" gave DEFER: no domainkeys'),
    ],
)
def test_what_spf_and_senderid_do_not_take(query: str, message: str) -> None:
    with pytest.raises(ExpansionError, match=message):
        expand(parse_template(f"${{lookup {query}}}".encode()), OfMessage())


def test_trouble_with_spf() -> None:
    with pytest.raises(ExpansionError, match='lookup of "" gave DEFER: no DNS'):
        expand(parse_template(b"${lookup spf{}}"), OfMessage(helo=b"trouble"))
    with pytest.raises(ExpansionError, match="is not an IP address"):
        expand(parse_template(b"${lookup senderid{}}"), OfMessage(client=b"localhost"))
    with pytest.raises(ExpansionError, match="the DNS cannot be asked here"):
        expand(parse_template(b"${lookup {a@example.org} spf {192.0.2.1}}"), EmptyEnvironment())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30), st.binary(max_size=30))
def test_any_key_and_address(key: bytes, address: bytes) -> None:
    words = {b"key": Value(key, tainted=True), b"file": Value(address, tainted=True)}
    with suppress(ExpansionError):
        expand(parse_template(b"${lookup {$key} spf {$file}}"), OfMessage(), words)
