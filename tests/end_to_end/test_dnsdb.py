"""The look-up dnsdb beside Exim's own; both ask the same name server."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import expand, parse_template
from exim_dkim.system.environment import MessageEnvironment
from tests.support.peers import missing, program
from tests.support.unbound import Unbound

RECORDS = (
    "example.org. 60 IN A 192.0.2.1",
    "example.org. 60 IN AAAA 2001:db8::1",
    "example.org. 60 IN MX 10 mail.example.org.",
    'example.org. 60 IN TXT "v=spf1 -all"',
    "four.example. 60 IN A 192.0.2.4",
    'two.example. 60 IN TXT "one" "two"',
    "alias.example. 60 IN CNAME four.example.",
    "zone.example. 60 IN NS ns1.zone.example.",
    "zone.example. 60 IN SOA ns1.zone.example. host.zone.example. 7 2 3 4 5",
    "_x._tcp.example.org. 60 IN SRV 1 2 25 mail.example.org.",
    "_y._tcp.example.org. 60 IN SRV 5 6 26 .",
    f"_25._tcp.mail.example.org. 60 IN TLSA 3 1 1 {'AB' * 32}",
    'spf.example. 60 IN SPF "v=spf1" " -all"',
    "1.2.0.192.in-addr.arpa. 60 IN PTR example.org.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 60 IN PTR six.example.",
)

QUERIES = [
    "example.org",
    "txt=example.org",
    "TXT = Example.ORG",
    "a=example.org",
    "aaaa=example.org",
    "a+=example.org",
    ">, a+=example.org",
    "mx=example.org",
    "mxh=example.org",
    ">:,/ mx=example.org",
    ">:,/ mxh=example.org",
    "ptr=192.0.2.1",
    "ptr=<;2001:db8::1",
    "ptr=1.2.0.192.in-addr.arpa",
    "> a=four.example:example.org",
    ">|a=<,four.example,example.org",
    ">; txt=example.org",
    ">:; txt=example.org",
    "a=alias.example",
    "cname=alias.example",
    "cname=four.example",
    "cname=alias.example:four.example",
    "ns=zone.example",
    "ns=a.zone.example",
    "ns=.",
    "soa=zone.example",
    ">,; soa=zone.example",
    ">:,/ soa=zone.example",
    ">:,  soa=zone.example",
    "srv=_x._tcp.example.org",
    "srv=_y._tcp.example.org",
    ">:,/ srv=_x._tcp.example.org:_y._tcp.example.org",
    "srv=four.example",
    "tlsa=_25._tcp.mail.example.org",
    ">:,- tlsa=_25._tcp.mail.example.org",
    "spf=spf.example",
    ">:; spf=spf.example",
    "zns=zone.example",
    "zns=a.b.zone.example",
    "zns=a.none.example",
    "zns=a.b.zone.example:none.example:zone.example",
    "a=none.example",
    "aaaa=four.example",
    "a=none.example:example.org",
    "a=refused.example:example.org",
    "defer_never,a=refused.example",
    "defer_never,a=refused.example:example.org",
    "dnssec_lax, defer_lax,a=example.org",
    "retrans_1s,retry_1,a=example.org",
    "a=",
    "a=:",
    "",
    "  a=example.org",
]
FAILING = [
    "a=refused.example",
    "defer_strict,a=refused.example:example.org",
    "defer_strict,a=example.org:refused.example",
    "zns=refused.example",
]
TAINT = "is it tainted"  # Exim refuses to look for a tainted file
# What we give, and why it is not what Exim gives.
DIFFERENT = {
    "txt=two.example": b"<onetwo>",  # the resolver joins the strings of a record (RFC 6376 §3.6.2.2)
    "soa=a.zone.example": b"none",  # and does not tell which zone says that there is no such record
}


@pytest.fixture(scope="module", name="nameserver")
def _nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    unbound = Unbound(tmp_path_factory.mktemp("dnsdb") / "unbound", {}, ("refused.example",), RECORDS)
    yield unbound
    unbound.end()


@pytest.fixture(scope="module", name="exim")
def _exim(nameserver: Unbound, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What Exim gives for each query."""
    if os.geteuid() != 0:
        missing("Exim with a name server of our own needs root", "run the tests as root")
    directory = tmp_path_factory.mktemp("exim")
    configuration = directory / "exim.conf"
    configuration.write_text(f"spool_directory = {directory}\nlog_file_path = {directory}/%slog\nkeep_environment =\n")
    queries = [*QUERIES, *FAILING, *DIFFERENT, TAINT]
    marks = [f"@@{number}@@" for number in range(len(queries) + 1)]
    lines = [text for mark, query in zip(marks, queries, strict=False) for text in (mark, template(query))]
    mount = f'mount --bind {nameserver.resolv_conf} /etc/resolv.conf; exec "$@"'
    binary = program("exim4", "exim4-daemon-heavy")
    words = ["unshare", "-m", "sh", "-ec", mount, "sh", binary, "-C", str(configuration), "-be"]
    text = "\n".join([*lines, marks[-1], ""]).encode()
    printed = subprocess.run(words, input=text, capture_output=True, timeout=100, check=False).stdout
    results = {}
    for query, (mark, following) in zip(queries, itertools.pairwise(marks), strict=True):
        found = printed.partition(f"> {mark}\n".encode())[2].partition(f"> {following}\n".encode())[0]
        assert found.startswith(b"> "), (query, printed)
        results[query] = found[2:-1]
    return results


def template(query: str) -> str:
    if query == TAINT:
        return "${readfile{/nodir/${lookup dnsdb{a=example.org}}}}"
    return f"${{lookup dnsdb{{{query}}}{{<$value>}}{{none}}}}"


def ours(nameserver: Unbound, query: str) -> bytes:
    settings = parse_configuration(f"dns_nameservers = {nameserver.address}\n".encode())
    return expand(parse_template(template(query).encode()), MessageEnvironment(settings)).text


@pytest.mark.peer("exim")
@pytest.mark.parametrize("query", QUERIES)
def test_same_answers(nameserver: Unbound, exim: dict[str, bytes], query: str) -> None:
    assert ours(nameserver, query) == exim[query]


@pytest.mark.peer("exim")
@pytest.mark.parametrize("query", FAILING)
def test_same_failures(nameserver: Unbound, exim: dict[str, bytes], query: str) -> None:
    assert b" gave DEFER: " in exim[query]
    with pytest.raises(ExpansionError, match=" gave DEFER: "):
        ours(nameserver, query)


@pytest.mark.peer("exim")
@pytest.mark.parametrize("query", DIFFERENT)
def test_differences(nameserver: Unbound, exim: dict[str, bytes], query: str) -> None:
    assert ours(nameserver, query) == DIFFERENT[query] != exim[query]


@pytest.mark.peer("exim")
def test_answers_are_tainted(nameserver: Unbound, exim: dict[str, bytes]) -> None:
    """Not in Exim 4.96, where whoever owns a name chooses a file name."""
    assert b"No such file" in exim[TAINT]
    settings = parse_configuration(f"dns_nameservers = {nameserver.address}\n".encode())
    assert expand(parse_template(b"${lookup dnsdb{a=example.org}}"), MessageEnvironment(settings)).tainted
