"""IP addresses, against Python's own parser."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.expansion.ip import address_in_network, ip_version


@given(st.one_of(st.ip_addresses(), st.ip_addresses(v=6)))
def test_versions(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert ip_version(str(address).encode()) == address.version
    assert ip_version(address.exploded.encode()) == address.version


@given(st.text(alphabet="0123456789abcf:./%", max_size=20))
def test_what_is_no_address(text: str) -> None:
    version = 0
    with contextlib.suppress(ValueError):
        version = int(ipaddress.ip_address(text).version)
    if "%" not in text and not any(len(part) > 1 and part[0] == "0" for part in text.split(".")):
        assert ip_version(text.encode()) == version


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 32))
def test_networks(address: ipaddress.IPv4Address, base: ipaddress.IPv4Address, bits: int) -> None:
    network = ipaddress.ip_network((base, bits), strict=False)
    assert address_in_network(str(address).encode(), f"{base}/{bits}".encode()) == (address in network)
    assert address_in_network(str(base).encode(), f"{base}/{bits}".encode())


@pytest.mark.parametrize("network", [b"", b"x", b"1.2.3.4/33", b"::/129", b"1.2.3.4/", b"1.2.3.4/-1", b"1.2.3.4/9999"])
def test_what_is_no_network(network: bytes) -> None:
    assert not address_in_network(b"1.2.3.4", network)
