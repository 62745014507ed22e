"""milter_server.hosts: lists of hosts."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server import hosts
from milter_server.hosts import HostList, HostListError, file_entries, read_entries

LIST = HostList(
    [
        "127.0.0.1",
        "192.0.2.0/24",
        "!192.0.2.128/25",
        "192.0.2.200",
        "2001:db8::/32",
        "!2001:db8:bad::/48",
        "[2001:db8:bad::1]",
        "mail.example.org",
        "*.example.net",
        "!.evil.example.net",
        "good.evil.example.net",
        "!203.0.113.9",
    ]
)


@pytest.mark.parametrize(
    ("address", "name", "is_in"),
    [
        ("127.0.0.1", "", True),
        ("127.0.0.2", "", False),
        ("192.0.2.1", "", True),
        ("192.0.2.129", "", False),
        ("192.0.2.200", "", True),
        ("2001:db8::1", "", True),
        ("2001:db8:bad::2", "", False),
        ("2001:db8:bad::1", "", True),
        ("198.51.100.1", "mail.example.org", True),
        ("198.51.100.1", "MAIL.EXAMPLE.ORG.", True),
        ("198.51.100.1", "sub.mail.example.org", False),
        ("198.51.100.1", "a.b.example.net", True),
        ("198.51.100.1", "example.net", False),
        ("198.51.100.1", "x.evil.example.net", False),
        ("192.0.2.1", "x.evil.example.net", False),
        ("198.51.100.1", "good.evil.example.net", True),
        ("203.0.113.9", "", False),
        (None, "mail.example.org", True),
        (None, "", False),
    ],
)
def test_contains(address: str | None, name: str, is_in: bool) -> None:
    assert LIST.contains(ipaddress.ip_address(address) if address else None, name) is is_in


def test_an_ipv4_address_that_came_in_ipv6_form_is_that_address() -> None:
    listed = HostList(["::ffff:192.0.2.7", "::ffff:198.51.100.0/120"])
    assert listed.contains(ipaddress.ip_address("192.0.2.7"))
    assert listed.contains(ipaddress.ip_address("198.51.100.9"))


def test_an_empty_list() -> None:
    assert not HostList()
    assert LIST
    assert not HostList().contains(ipaddress.ip_address("127.0.0.1"), "localhost")


@pytest.mark.parametrize(
    "entry", ["300.1.1.1", "192.0.2.0/33", "a b", "@", "", "!", "..example", "1.2.3", "*", "*.", "a.*.example"]
)
def test_what_is_no_host(entry: str) -> None:
    with pytest.raises(HostListError, match="is not a host; write an address"):
        HostList([entry])


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MAX_ENTRIES", 2)
    with pytest.raises(HostListError, match="more than 2 entries"):
        HostList(["192.0.2.1", "192.0.2.2", "192.0.2.3"])


def test_entries_of_options_and_files() -> None:
    files = {"/etc/hosts.list": "# ours\n192.0.2.1\n  !192.0.2.2  # but not this\n\n.example.org\n"}
    read = list(read_entries("127.0.0.1, /etc/hosts.list ::1", files.__getitem__))
    assert read == ["127.0.0.1", "192.0.2.1", "!192.0.2.2", ".example.org", "::1"]
    assert list(file_entries("")) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.ip_addresses().map(str),
            st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 33)),
        ),
        max_size=5,
    ),
    st.ip_addresses(),
)
def test_any_text_is_a_list_or_an_error(
    entries: list[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    try:
        made = HostList(entries)
    except HostListError:
        return
    assert made.contains(address, "host.example") in (True, False)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32), st.booleans()), min_size=1, max_size=6),
    st.ip_addresses(v=4),
)
def test_the_narrowest_network_decides(
    networks: list[tuple[ipaddress.IPv4Address, int, bool]], address: ipaddress.IPv4Address
) -> None:
    entries = {ipaddress.ip_network((base, length), strict=False): included for base, length, included in networks}
    made = HostList([f"{'' if included else '!'}{network}" for network, included in entries.items()])
    covering = [network for network in entries if address in network]
    wanted = entries[max(covering, key=lambda network: network.prefixlen)] if covering else False
    assert made.contains(address) is wanted
