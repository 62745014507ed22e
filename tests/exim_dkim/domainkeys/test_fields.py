"""Which fields a signature is about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.domainkeys.fields import SignedFields, choose_fields
from exim_dkim.domainkeys.signature import parse_signature
from exim_dkim.message import parse_field

BELOW = [parse_field(text) for text in (b"A: 1", b"B: 1", b"a: 2", b"C: 1", b"A: 3")]


def chosen(*names: bytes) -> str:
    return " ".join(field.raw.decode() for field in choose_fields(names, BELOW))


def test_without_h_all_below() -> None:
    assert choose_fields(None, BELOW) is BELOW


@pytest.mark.parametrize(
    ("names", "want"),
    [
        ((b"b", b"c"), "B: 1 C: 1"),
        ((b"c", b"b"), "C: 1 B: 1"),
        ((b"a",), "A: 1 a: 2 A: 3"),
        ((b"a", b"b", b"a", b"c", b"a"), "A: 1 B: 1 a: 2 C: 1 A: 3"),
        ((b"a", b"b", b"a"), "A: 1 a: 2 B: 1 A: 3"),
        ((b"b", b"a", b"a", b"a", b"a", b"a"), "B: 1 A: 1 a: 2 A: 3"),
        ((b"missing", b"b"), "B: 1"),
    ],
)
def test_with_h(names: tuple[bytes, ...], want: str) -> None:
    assert chosen(*names) == want


NAMES = (b"from", b"to", b"subject", b"x", b"domainkey-signature")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(NAMES), max_size=12),
    st.one_of(st.none(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=8)),
    st.integers(0, 11),
)
def test_the_count_is_that_of_the_choice(header: list[bytes], names: list[bytes] | None, place: int) -> None:
    fields = [parse_field(name + b": x") for name in header]
    tags = b"d=example.org; s=s; b=YWJj" + (b"" if names is None else b"; h=" + b":".join(names))
    signature = parse_signature(parse_field(b"DomainKey-Signature: " + tags))
    below = choose_fields(signature.names, fields[place + 1 :])
    counted = SignedFields(fields)
    for name in (b"from", b"to", b"subject"):
        assert counted.signed(name, signature, place) == sum(field.name == name for field in below)
