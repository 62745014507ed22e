"""Report records and the addresses in them (RFC 6651 §3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ParseError
from exim_dkim.names import Domain
from exim_dkim.reports.record import (
    EVERYTHING,
    MAX_RECORD,
    ReportKind,
    ReportRecord,
    parse_own_address,
    parse_report_record,
    report_name,
)

EXAMPLE = Domain("example.org")


def test_where_it_is() -> None:
    assert report_name(EXAMPLE) == "_report._domainkey.example.org"


@pytest.mark.parametrize(
    ("text", "record"),
    [
        (b"ra=dkim-errors", ReportRecord("dkim-errors")),
        (
            b"ra=dkim-errors; rp=100; rr=v:x",
            ReportRecord("dkim-errors", 100, frozenset({ReportKind.VERIFICATION, ReportKind.EXPIRED})),
        ),
        (b" ra = a.b ;\r\n\t rp = 0 ; rr = all ; ", ReportRecord("a.b", 0, EVERYTHING)),
        (b"ra=a; rr=all:d", ReportRecord("a", 100, EVERYTHING)),
        (b"ra=a; rr=D : o:p:S:u", ReportRecord("a", 100, EVERYTHING - {ReportKind.VERIFICATION, ReportKind.EXPIRED})),
        (b"ra=a; rr=z:future", ReportRecord("a", 100, frozenset())),
        (b"ra=a; rr=", ReportRecord("a", 100, frozenset())),
        (b"ra=a; rs=refused; zz=1", ReportRecord("a")),
        (b"ra=dkim=2Dreports", ReportRecord("dkim-reports")),
        (b"ra=a=3Db=2B", ReportRecord("a=b+")),
    ],
)
def test_records(text: bytes, record: ReportRecord) -> None:
    assert parse_report_record(text) == record


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v=spf1 -all",
        b"v=DKIM1; p=abc",
        b"rp=100; rr=all",
        b"ra=",
        b"ra=a; ra=b",
        b"ra=a@other.example",
        b"ra=a b=40",
        b"ra=a=0D=0ABcc: x",
        b"ra=a=00",
        b"ra=.a",
        b"ra=a..b",
        b'ra="a"',
        b"ra=-f",
        b"ra=a,b",
        b"ra=\xc3\xbc",
        b"ra=" + b"a" * 65,
        b"ra=a; rp=101",
        b"ra=a; rp=-1",
        b"ra=a; rp=",
        b"ra=a; rp=1000",
        b"ra=a; rp=\xd9\xa1",
        b"ra=a; n=" + b"x" * MAX_RECORD,
    ],
)
def test_what_is_none(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_report_record(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"postmaster@example.org", "postmaster@example.org"),
        (b"a.b@sub.EXAMPLE.org", "a.b@sub.example.org"),
        (b"a@example.org.", "a@example.org"),
        (b"a@other.example", ""),
        (b"a@org", ""),
        (b"a@notexample.org", ""),
        (b"a@example.org.other.example", ""),
        (b"a@_x.example.org", ""),
        (b"a", ""),
        (b"@example.org", ""),
        (b"a@b@example.org", ""),
        (b"<a@example.org>", ""),
        (b"a@example.org, b@example.org", ""),
        (b"a@example.org\r\nBcc: x@example.org", ""),
    ],
)
def test_addresses_that_are_the_domains_own(text: bytes, address: str) -> None:
    if address:
        assert parse_own_address(text, EXAMPLE) == address
        return
    with pytest.raises(ParseError):
        parse_own_address(text, EXAMPLE)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"ra=", b"rp=", b"rr=", b";", b"a", b"=40", b"@", b"\r\n", b" ", b":", b"9", b"\xff"]))
)
def test_whatever_stands_there(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    for parse in (parse_report_record, lambda text: parse_own_address(text, EXAMPLE)):
        try:
            found = parse(text)
        except ParseError:
            continue
        local = found.local if isinstance(found, ReportRecord) else str(found).partition("@")[0]
        assert local.isascii()
        assert local.isprintable()
        assert not set(local) & set(' ()<>[]:;@\\,"')
        assert local[0] != "-"
