"""Policy records."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.domainkeys.policy import DomainPolicy, format_domain_policy, parse_domain_policy, policy_name
from exim_dkim.errors import ParseError

CASES = [
    (b"t=y; o=~; n=see the web; r=a@example.org", DomainPolicy(False, True, b"a@example.org", b"see the web")),
    (b"o=-", DomainPolicy(True)),
    (b"o=~", DomainPolicy()),
    (b"o=!; t=Y", DomainPolicy(False, True)),
    (b"t=s", DomainPolicy()),
    (b"n=only a note;", DomainPolicy(notes=b"only a note")),
]  # fmt: skip


@pytest.mark.parametrize(("record", "policy"), CASES)
def test_records(record: bytes, policy: DomainPolicy) -> None:
    assert parse_domain_policy(record) == policy


@pytest.mark.parametrize(
    "record", [b"", b"v=spf1 -all", b"o", b"k=rsa; p=abc; n=a key", b"x=y", b"o=-; o=~", b"o=-;n=" + b"x" * 2048]
)
def test_what_is_no_policy(record: bytes) -> None:
    with pytest.raises(ParseError):
        parse_domain_policy(record)


def test_name() -> None:
    assert policy_name("example.org") == "_domainkey.example.org"


NOTE = st.binary(max_size=20).filter(lambda text: text.isalnum() or not text)


@settings(max_examples=100, deadline=None)
@given(st.booleans(), st.booleans(), NOTE, NOTE)
def test_what_is_written_is_read(signs_all: bool, testing: bool, address: bytes, notes: bytes) -> None:
    policy = DomainPolicy(signs_all, testing, address, notes)
    assert parse_domain_policy(format_domain_policy(policy).encode()) == policy


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_any_text(record: bytes) -> None:
    with contextlib.suppress(ParseError):
        assert isinstance(parse_domain_policy(record), DomainPolicy)
