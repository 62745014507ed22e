"""Client addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.envelope import parse_client
from exim_dkim.errors import ParseError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b" 192.0.2.1 ", "192.0.2.1"),
        (b"2001:DB8::1", "2001:db8::1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"::FFFF:c000:201", "192.0.2.1"),
        (b"fe80::1%eth0", "fe80::1"),
        (b"::192.0.2.1", "::c000:201"),
    ],
)
def test_addresses(text: bytes, address: str) -> None:
    assert parse_client(text) == ipaddress.ip_address(address)


@pytest.mark.parametrize("text", [b"", b"localhost", b"192.0.2.256", b"192.0.2.1:25", b"[192.0.2.1]", b"1", b"\xff::1"])
def test_what_is_no_address(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_client(text)


@given(st.one_of(st.binary(max_size=40), st.ip_addresses().map(lambda address: str(address).encode())))
def test_an_address_or_the_one_error(text: bytes) -> None:
    try:
        parse_client(text)
    except ParseError:
        return
