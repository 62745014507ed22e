"""Addresses out of mailboxes; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.expansion.addresses import Address, address_list, parse_address, split_addresses
from tests.support.expansion import attempt

PIECES = st.sampled_from(
    [
        b"a",
        b"b.c",
        b"@",
        b"<",
        b">",
        b'"',
        b"(",
        b")",
        b",",
        b";",
        b":",
        b"[1.2.3.4]",
        b" ",
        b"\n ",
        b"\\",
        b".",
        b"\xc3",
    ]
)


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        (b"Joe <joe@Old.Example>", b"joe", b"Old.Example"),
        (b" joe . x @ (c) old . example ", b"joe.x", b"old.example"),
        (b'"a b"@c', b'"a b"', b"c"),
        (b"postmaster", b"postmaster", b""),
        (b"<@r.example,@s.example:u@d>", b"u", b"d"),
    ],
)
def test_parts(text: bytes, local_part: bytes, domain: bytes) -> None:
    assert parse_address(text) == Address(local_part, domain)


@pytest.mark.parametrize(
    "text",
    [b"", b"a@b, c@d", b"<a@b> x", b"a@b_c", b"a@b.", b"<a@[1.2.3.4]>", b"g: a@b;", b"a@" + b"b" * 2000, b"<a@b"],
)
def test_what_is_no_address(text: bytes) -> None:
    assert parse_address(text) is None


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=40), st.lists(PIECES, max_size=20).map(b"".join)))
def test_any_bytes_are_an_address_or_none(text: bytes) -> None:
    address = parse_address(text)
    if address is not None and address.domain:
        assert address.text == address.local_part + b"@" + address.domain
    assert b",".join(split_addresses(text)) == text
    listed = attempt(address_list, text)
    assert isinstance(listed, bytes) or text.strip() == b">"


@pytest.mark.parametrize(
    "text", [b"(" * 30000, b'"' * 30001, b"<@a" * 10000, b"g:" * 10000, b"a " * 30000 + b"<", b"\\" * 30001]
)
def test_long_texts_take_no_long_time(text: bytes) -> None:
    start = time.process_time()
    parse_address(text)
    address_list(text)
    assert time.process_time() - start < 5
