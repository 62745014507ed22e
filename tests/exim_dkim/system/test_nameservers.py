"""Name servers from the option and from resolv.conf."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ConfigurationError
from exim_dkim.system.nameservers import (
    MAX_NAMESERVERS,
    NameServer,
    parse_nameserver,
    parse_nameservers,
    parse_resolv_conf,
    system_nameservers,
)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1 5353", "192.0.2.1", 5353),
        (" 192.0.2.1:5353 ", "192.0.2.1", 5353),
        ("2001:db8::1", "2001:db8::1", 53),
        ("2001:db8::1 5353", "2001:db8::1", 5353),
        ("[2001:db8::1]:5353", "2001:db8::1", 5353),
        ("[2001:db8::1]", "2001:db8::1", 53),
        ("fe80::1%eth0", "fe80::1%eth0", 53),
    ],
)
def test_nameserver(text: str, address: str, port: int) -> None:
    assert parse_nameserver(text) == NameServer(address, port)


@pytest.mark.parametrize(
    "text", ["", "ns.example.org", "192.0.2", "192.0.2.1 0", "192.0.2.1 65536", "192.0.2.1 x", "[192.0.2.1", "1 2 3"]
)
def test_not_a_nameserver(text: str) -> None:
    with pytest.raises(ConfigurationError, match="want ADDRESS"):
        parse_nameserver(text)


def test_the_number_of_servers_is_bounded() -> None:
    assert len(parse_nameservers(["192.0.2.1"] * MAX_NAMESERVERS)) == MAX_NAMESERVERS
    for items in ([], ["192.0.2.1"] * (MAX_NAMESERVERS + 1)):
        with pytest.raises(ConfigurationError, match="want 1 to"):
            parse_nameservers(items)


def test_resolv_conf(tmp_path: Path) -> None:
    text = "# made by hand\nsearch corp.example\nnameserver 192.0.2.1\nnameserver\t2001:db8::1\nnameserver junk\n"
    assert parse_resolv_conf(text) == (NameServer("192.0.2.1"), NameServer("2001:db8::1"))
    assert parse_resolv_conf("options edns0\n") == (NameServer("127.0.0.1"),)
    assert system_nameservers(str(tmp_path / "missing")) == (NameServer("127.0.0.1"),)
    (tmp_path / "resolv.conf").write_text(text)
    assert len(system_nameservers(str(tmp_path / "resolv.conf"))) == 2


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789.:[]% abcdefnmsrv\n\u00b2", max_size=40))
def test_any_text_is_name_servers_or_a_configuration_error(text: str) -> None:
    assert parse_resolv_conf(text)
    with contextlib.suppress(ConfigurationError):
        assert parse_nameserver(text).port
