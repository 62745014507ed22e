"""The resolver over a zone file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ConfigurationError
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from exim_dkim.system.zone import ZoneResolver, read_zone

ZONE = """\
; a comment
$TTL 300
$ORIGIN example.org.
@               IN SOA ns hostmaster 1 7200 900 86400 60
                IN MX 10 mail
sel._domainkey  IN TXT ( "v=DKIM1; k=rsa; "
                         "p=abc" ) ; in two strings
Two._domainkey  TXT "one"
Two._domainkey  TXT "two"
alias._domainkey CNAME sel._domainkey.example.org.
far             CNAME there.example.net.
loop            CNAME pool
pool            CNAME loop
dangling        CNAME nowhere.example.net.
mail  60        A 192.0.2.1
mail            AAAA 2001:db8::1
*.wild          TXT "star"
zone            NS ns.zone
_x._tcp         SRV 1 2 25 mail
_25._tcp        TLSA 3 1 0 ABCD
old             SPF "v=spf1" " -all"
eight           TXT "caf\\195\\169" "caf\u00e9"
;! SERVFAIL broken._domainkey
;!TIMEOUT slow.example.net.   ; and why
failing         CNAME slow.example.net.
$ORIGIN example.net.
there           TXT "net"
;! SERVFAIL other
$ORIGIN deeper.sub.example.net.
@               TXT "another origin"
1.2.0.192.in-addr.arpa. PTR Mail.Example.Org.
"""


def ask(resolver: ZoneResolver, name: str, record_type: str = "TXT") -> Answer:
    return asyncio.run(resolver.resolve(Question(name, RecordType(record_type))))[0]


@pytest.mark.parametrize(
    ("name", "record_type", "expected"),
    [
        ("sel._domainkey.example.org", "TXT", (b"v=DKIM1; k=rsa; p=abc",)),
        ("SEL._DomainKey.example.org.", "TXT", (b"v=DKIM1; k=rsa; p=abc",)),
        ("sel._domainkey.example.org", "A", Trouble.NO_DATA),
        ("two._domainkey.example.org", "TXT", (b"one", b"two")),
        ("alias._domainkey.example.org", "TXT", (b"v=DKIM1; k=rsa; p=abc",)),
        ("alias._domainkey.example.org", "MX", Trouble.NO_DATA),
        ("far.example.org", "TXT", (b"net",)),
        ("loop.example.org", "TXT", Trouble.SERVFAIL),
        ("dangling.example.org", "TXT", Trouble.NXDOMAIN),
        ("example.org", "MX", (b"10 mail.example.org",)),
        ("alias._domainkey.example.org", "CNAME", (b"sel._domainkey.example.org",)),
        ("sel._domainkey.example.org", "CNAME", Trouble.NO_DATA),
        ("zone.example.org", "NS", (b"ns.zone.example.org",)),
        ("_x._tcp.example.org", "SRV", (b"1 2 25 mail.example.org",)),
        ("_25._tcp.example.org", "TLSA", (b"3 1 0 abcd",)),
        ("old.example.org", "SPF", (b"v=spf1 -all",)),
        ("mail.example.org", "A", (bytes([192, 0, 2, 1]),)),
        ("mail.example.org", "AAAA", (bytes.fromhex("20010db8000000000000000000000001"),)),
        ("1.2.0.192.in-addr.arpa", "PTR", (b"mail.example.org",)),
        ("a.wild.example.org", "TXT", (b"star",)),
        ("a.b.wild.example.org", "TXT", (b"star",)),
        ("a.wild.example.org", "A", Trouble.NO_DATA),
        ("wild.example.org", "TXT", Trouble.NO_DATA),
        ("eight.example.org", "TXT", ("caf\u00e9caf\u00e9".encode(),)),
        ("broken._domainkey.example.org", "TXT", Trouble.SERVFAIL),
        ("broken._domainkey.example.org", "A", Trouble.SERVFAIL),
        ("slow.example.net", "TXT", Trouble.TIMEOUT),
        ("failing.example.org", "TXT", Trouble.TIMEOUT),
        ("other.example.net", "TXT", Trouble.SERVFAIL),
        ("deeper.sub.example.net", "TXT", (b"another origin",)),
        ("_domainkey.example.org", "TXT", Trouble.NO_DATA),  # nothing of its own, but names below it
        ("missing.example.org", "TXT", Trouble.NXDOMAIN),
        ("example.com", "TXT", Trouble.NXDOMAIN),
        ("", "TXT", Trouble.NO_DATA),
    ],
)
def test_answers(name: str, record_type: str, expected: tuple[bytes, ...] | Trouble) -> None:
    answer = ask(ZoneResolver(ZONE), name, record_type)
    assert (answer.trouble or answer.records) == expected
    assert answer.question == Question(name, RecordType(record_type))


def test_without_origin_names_are_absolute() -> None:
    assert ask(ZoneResolver('s._domainkey.example TXT "x"\n'), "s._domainkey.example").records == (b"x",)
    assert ask(ZoneResolver('* TXT "x"\n'), "any.thing").records == (b"x",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a TXT "x"\nb NONSENSE "y"\n', 2),
        ('\n\na TXT "never closed\n', 3),
        ("a A 1.2.3\n", 1),
        ('a CNAME b.\na TXT "x"\n', 2),
        ("$INCLUDE /etc/passwd\n", 1),
        ("$GENERATE 1-2 a$ A 192.0.2.$\n", 1),
        (";! REFUSED a\n", 1),
        ("; fine\n;! SERVFAIL\n", 2),
        (";! SERVFAIL a..b\n", 1),
        (f'{"a" * 64} TXT "x"\n', 1),
    ],
)
def test_a_fault_has_file_and_line(text: str, line: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ZoneResolver(text, "db.example")
    assert (caught.value.file, caught.value.line) == ("db.example", line)
    assert caught.value.message


def test_read_zone(tmp_path: Path) -> None:
    file = tmp_path / "db.example"
    file.write_text(ZONE, encoding="utf-8")
    assert ask(read_zone(str(file)), "there.example.net").records == (b"net",)
    file.write_bytes(b'a TXT "ok"\nb TXT "\xff"\n')
    with pytest.raises(ConfigurationError, match=r"/db\.example:2: .*UTF-8"):
        read_zone(str(file))
    with pytest.raises(ConfigurationError, match="No such file"):
        read_zone(str(tmp_path / "missing"))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='abz.@ \t\n"\\();!$0159TXATLORIGNSEVFCM*', max_size=60))
def test_any_text_is_a_zone_or_a_configuration_error(text: str) -> None:
    try:
        resolver = ZoneResolver(text)
    except ConfigurationError:
        return
    assert ask(resolver, "a.example").question.name == "a.example"
