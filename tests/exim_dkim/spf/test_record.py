"""Which TXT records are SPF records, and what plain ones say."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.outcome import SpfReason
from exim_dkim.spf.record import Kind, Networks, Target, Term, ends_in_label, parse_record, parse_target, select_spf1


@pytest.mark.parametrize(
    ("record", "terms"),
    [
        (b"v=spf1", b""),
        (b"V=SpF1 -all", b" -all"),
        (b"v=spf1  ", b"  "),
        (b"v=spf10 -all", None),
        (b"v=spf1-all", None),
        (b"v=spf1\t-all", None),
        (b" v=spf1 -all", None),
        (b"spf2.0/pra -all", None),
        (b"", None),
    ],
)
def test_selection(record: bytes, terms: bytes | None) -> None:
    assert select_spf1([b"other", record]) == ([] if terms is None else [terms])


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("all", Term(Kind.ALL, SpfReason.MATCHED_PASS, "all")),
        ("-ALL", Term(Kind.ALL, SpfReason.MATCHED_FAIL, "-ALL")),
        ("~ip4:192.0.2.128/25", Term(Kind.IP4, SpfReason.MATCHED_SOFTFAIL, "~ip4:192.0.2.128/25", None, 25165829, 7)),
        ("ip4:1.2.3.4", Term(Kind.IP4, SpfReason.MATCHED_PASS, "ip4:1.2.3.4", None, 0x01020304, 0)),
        ("ip6:8000::/1", Term(Kind.IP6, SpfReason.MATCHED_PASS, "ip6:8000::/1", None, 1, 127)),
        ("ip6:::1.2.3.4", Term(Kind.IP6, SpfReason.MATCHED_PASS, "ip6:::1.2.3.4", None, 0x01020304, 0)),
        ("?a", Term(Kind.A, SpfReason.MATCHED_NEUTRAL, "?a", None, 0, 0, 0)),
        ("a//64", Term(Kind.A, SpfReason.MATCHED_PASS, "a//64", None, 0, 0, 64)),
        ("mx/24//64", Term(Kind.MX, SpfReason.MATCHED_PASS, "mx/24//64", None, 0, 8, 64)),
        ("a:A.example/0", Term(Kind.A, SpfReason.MATCHED_PASS, "a:A.example/0", Target("A.example"), 0, 32, 0)),
        ("a:b/c.example", Term(Kind.A, SpfReason.MATCHED_PASS, "a:b/c.example", Target("b/c.example"), 0, 0, 0)),
        ("ptr", Term(Kind.PTR, SpfReason.MATCHED_PASS, "ptr")),
        ("exists:a.b.", Term(Kind.EXISTS, SpfReason.MATCHED_PASS, "exists:a.b.", Target("a.b"))),
    ],
)
def test_mechanisms(written: str, term: Term) -> None:
    record = parse_record(f"  {written}  x=y ")
    assert record is not None
    assert record.terms == (term,)


@pytest.mark.parametrize(
    "written",
    """
    moo ip4 ip4: ip4:1.2.3 ip4:1.2.3.4/33 ip4:1.2.3.04 ip4:1.2.3.4/ ip4:1.2.3.4//32 ip6:: ip6:1::2::3 ip6:::1/129 all:x
    all/8 a: a:x a:1.2.3.4 a:x.1 a:x.y- a:x.y/33 a//129 a/ a/01 mx: ptr: ptr/8 exists exists: exists:x.y/8 include
    include: %{d} =x
    a:%{x} a:%{d a:%{d0} a:%{d-} a:% a:%{c} a:%{d}x exp= redirect= redirect=x Exp=a x=%{z} +-all !all a, a:%%{d}
    """.split(),  # noqa: SIM905
)
def test_what_is_not_plain(written: str) -> None:
    assert parse_record(f"{written} -all") is None


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("192.0.2.1", "-ip4:192.0.2.1"),
        ("192.0.2.2", "?ip4:192.0.2.0/24"),
        ("192.0.3.1", "ip4:192.0.0.0/16"),
        ("10.0.0.1", None),
        ("2001:db8::1", "~ip6:2001:db8::/32"),
        ("2001:db9::1", "ip6:::/0"),
    ],
)
def test_the_first_network_counts(address: str, written: str | None) -> None:
    networks = "-ip4:192.0.2.1 ?ip4:192.0.2.0/24 ip4:192.0.2.1 ~ip6:2001:db8::/32 ip4:192.0.0.0/16 ip6:::/0"
    record = parse_record(f"a {networks} mx ip4:192.0.2.1 all")
    assert record is not None
    first, step, second, other, last = record.steps
    assert [type(one) for one in (first, step, second, other, last)] == [Term, Networks, Term, Networks, Term]
    assert isinstance(step, Networks)
    client = ip_address(address)
    term = step.find(int(client), client.version == 4)
    assert (term and term.text) == written


def test_modifiers() -> None:
    record = parse_record("redirect=a.example x=1 x=2 exp=%{d} all")
    assert record is not None
    assert record.redirect == Target("a.example")
    assert record.exp is not None
    assert record.exp.template is not None
    assert parse_record("exp=a.b Exp=a.b") is None
    assert parse_record("EXP=a.b") == parse_record("exp=a.b")
    assert parse_record("redirect=a.b a redirect=c.d") is None


def test_terms_that_ask_for_names_known_before() -> None:
    record = parse_record("ip4:192.0.2.1 a mx:x.y exists:%{i}.x.y ptr include:z.y all a:never.y")
    assert record is not None
    assert [term.text for term in record.asking] == ["a", "mx:x.y", "include:z.y"]


def test_the_end_of_a_domain() -> None:
    assert all(map(ends_in_label, ("a.b", "a.b.", "..b", "a.1-2", "a.b1", "a._.xn--x")))
    assert not any(map(ends_in_label, ("", "a", "a.", "a.b..", "a.1", "a.b-", "a.-b", "a._b", "a.b c", "a.é")))


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    parse_record(text)
    target = parse_target(text)
    assert target is None or bool(target.name) != bool(target.template)
