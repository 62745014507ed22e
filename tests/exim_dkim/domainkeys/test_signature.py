"""The DomainKey-Signature field."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.domainkeys.signature import parse_signature
from exim_dkim.message import HeaderField, parse_field
from exim_dkim.outcome import DomainKeysReason

FULL = b"a=rsa-sha1; q=dns; c=nofws; d=Example.ORG; s=Sel; h=From:To : Subject; b=YWJj"


def parse(value: bytes) -> HeaderField:
    return parse_field(b"DomainKey-Signature: " + value)


def test_every_tag() -> None:
    signature = parse_signature(parse(FULL))
    assert signature.fault is None
    assert (signature.canonicalization, signature.domain, signature.selector) == ("nofws", "example.org", "sel")
    assert signature.names == (b"from", b"to", b"subject")
    assert signature.data == b"abc"
    assert signature.key_name == "sel._domainkey.example.org"


def test_tags_that_signers_left_out() -> None:
    signature = parse_signature(parse(b"d=example.org; s=sel; b=YWJj"))
    assert signature.fault is None
    assert (signature.canonicalization, signature.names) == ("simple", None)


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (b"", DomainKeysReason.MISSING_TAG, "d= is missing"),
        (b"nonsense", DomainKeysReason.BAD_TAG_LIST, "tag=value expected"),
        (FULL + b"; d=x.example", DomainKeysReason.DUPLICATE_TAG, "tag d stands twice"),
        (FULL.replace(b"s=Sel; ", b""), DomainKeysReason.MISSING_TAG, "s= is missing"),
        (FULL.replace(b"b=YWJj", b""), DomainKeysReason.MISSING_TAG, "b= is missing"),
        (FULL.replace(b"d=Example.ORG", b"d=-"), DomainKeysReason.BAD_TAG_VALUE, "d= is not a domain name"),
        (FULL.replace(b"s=Sel", b"s=a..b"), DomainKeysReason.BAD_TAG_VALUE, "s= is not a selector"),
        (FULL.replace(b"YWJj", b"YWJ"), DomainKeysReason.BAD_TAG_VALUE, "b= is not base64"),
        (FULL.replace(b"YWJj", b""), DomainKeysReason.BAD_TAG_VALUE, "b= is not base64"),
        (FULL.replace(b"From:To : Subject", b" : "), DomainKeysReason.BAD_TAG_VALUE, "h= names no field"),
        (FULL.replace(b"rsa-sha1", b"rsa-sha256"), DomainKeysReason.UNKNOWN_ALGORITHM, "a=rsa-sha256"),
        (FULL.replace(b"q=dns", b"q=ldap"), DomainKeysReason.UNKNOWN_QUERY_METHOD, "q=ldap"),
        (FULL.replace(b"nofws", b"relaxed"), DomainKeysReason.UNKNOWN_CANONICALIZATION, "c=relaxed"),
        (FULL.replace(b"nofws", b"nofws/nofws"), DomainKeysReason.UNKNOWN_CANONICALIZATION, "c=nofws/nofws"),
    ],
)
def test_faults(value: bytes, reason: DomainKeysReason, detail: str) -> None:
    signature = parse_signature(parse(value))
    assert (signature.fault, signature.detail) == (reason, detail)


def test_a_fault_is_laid_at_somebodys_door() -> None:
    assert parse_signature(parse(FULL.replace(b"YWJj", b"!"))).domain == "example.org"
    assert parse_signature(parse(FULL.replace(b"s=Sel; ", b""))).domain == "example.org"
    assert parse_signature(parse(FULL.replace(b"d=Example.ORG", b"d=-"))).domain is None


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [b"a=rsa-sha1", b"d=x.example", b"s=s", b"b=YWJj", b"c=\xff", b"q=\xff", b"h=:", b"d=", b"x"]
            )
        ).map(b";".join),
    )
)
def test_any_field_is_a_signature_or_a_fault(value: bytes) -> None:
    signature = parse_signature(parse(value))
    if signature.fault is None:
        assert signature.domain
        assert signature.selector
        assert signature.data
