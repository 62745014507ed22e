"""Versions, scopes and the choice of records (RFC 4406 §3.1, §4.4)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.senderid.record import Scope, parse_version, select_record, selector

PRA, MFROM = Scope.PRA, Scope.MFROM


@pytest.mark.parametrize(
    ("record", "version"),
    [
        # RFC 4406 §3.1
        ("spf2.0/mfrom,pra +mx +ip4:192.168.0.100 -all", "2 mfrom,pra| +mx +ip4:192.168.0.100 -all"),
        ("spf2.0/pra", "2 pra|"),
        ("spf2.0/pra ", "2 pra| "),
        ("SPF2.0/Pra,MFrom A -all", "2 mfrom,pra| A -all"),
        ("v=spf1 -all", "1 mfrom,pra| -all"),
        ("V=SPF1", "1 mfrom,pra|"),
        # §4.4 steps 2 and 3: unknown scopes and minor versions are well-formed
        ("spf2.0/mfrom,prattle,fubar ?all", "2 fubar,mfrom,prattle| ?all"),
        ("spf2.0/mfrom,pra,fubar ?all", "2 fubar,mfrom,pra| ?all"),
        ("spf2.17/pra ?all", "2 pra| ?all"),
        ("spf2.0/x-y.z_1 ?all", "2 x-y.z_1| ?all"),
        ("spf2.0/pra,pra -all", "2 pra| -all"),
        # No proper version and scope
        ("spf2.0 -all", None),
        ("spf2.0/ -all", None),
        ("spf2.0/pra, -all", None),
        ("spf2.0/,pra -all", None),
        ("spf2.0/mfrom, pra -all", None),
        ("spf2.0/1pra -all", None),
        ("spf2.0/p%a -all", None),
        ("spf2./pra -all", None),
        ("spf2/pra -all", None),
        ("spf2.x/pra -all", None),
        ("spf3.0/pra -all", None),
        ("spf2.0/pra\t-all", None),
        ("spf2.0/pra\n", None),
        ("v=spf2.0/pra -all", None),
        ("v=spf10 -all", None),
        ("v=spf1-all", None),
        (" spf2.0/pra -all", None),
        ("", None),
        ("v=DKIM1; p=", None),
    ],
)
def test_version(record: str, version: str | None) -> None:
    found = parse_version(record.encode())
    if found is None:
        assert version is None
    else:
        assert f"{found.number} {b','.join(sorted(found.scopes)).decode()}|{found.terms.decode()}" == version


V1, PRA_ONLY, MFROM_ONLY, BOTH = "v=spf1 v1", "spf2.0/pra p", "spf2.0/mfrom m", "spf2.0/mfrom,pra b"


@pytest.mark.parametrize(
    ("records", "pra", "mfrom"),
    [
        ([], [], []),
        (["google-site-verification=x", "v=DKIM1; p="], [], []),
        ([V1], [" v1"], [" v1"]),
        ([BOTH], [" b"], [" b"]),
        ([PRA_ONLY], [" p"], []),
        ([MFROM_ONLY], [], [" m"]),
        ([PRA_ONLY, MFROM_ONLY], [" p"], [" m"]),
        ([MFROM_ONLY, V1, PRA_ONLY], [" p"], [" m"]),
        ([V1, BOTH], [" b"], [" b"]),
        ([V1, PRA_ONLY], [" p"], [" v1"]),
        ([MFROM_ONLY, V1], [" v1"], [" m"]),
        ([V1, "spf2.0/prattle p"], [" v1"], [" v1"]),
        ([V1, "spf2.0 x", "spf2.0/ x"], [" v1"], [" v1"]),
        ([V1, V1], [" v1", " v1"], [" v1", " v1"]),
        ([V1, V1, PRA_ONLY], [" p"], [" v1", " v1"]),
        ([PRA_ONLY, BOTH], [" p", " b"], [" b"]),
        ([PRA_ONLY, "spf2.1/pra q"], [" p", " q"], []),
    ],
)
def test_selection(records: list[str], pra: list[str], mfrom: list[str]) -> None:
    encoded = [record.encode() for record in records]
    assert [terms.decode() for terms in selector(PRA)(encoded)] == pra
    assert [terms.decode() for terms in selector(MFROM)(encoded)] == mfrom
    without = [terms.decode() for terms in selector(PRA, spf1=False)(encoded)]
    assert without == [terms for terms in pra if terms != " v1"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["spf2.0", "v=spf1", "/", "pra", "mfrom", ",", " ", "x", "é"])).map("".join)),
    st.sampled_from(Scope),
)
def test_any_records(texts: list[str], scope: Scope) -> None:
    records = [text.encode() for text in texts]
    for terms in select_record(scope, True, records):
        assert any(record.endswith(terms) for record in records)
        assert terms[:1] in b" "
