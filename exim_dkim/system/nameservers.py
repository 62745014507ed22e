"""Which name servers are asked: the option `dns_nameservers`, or the system's `/etc/resolv.conf` (resolv.conf(5)).

The search list is never used: every name that this package asks for is absolute.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

from exim_dkim.errors import ConfigurationError

RESOLV_CONF = "/etc/resolv.conf"
MAX_RESOLV_CONF = 64 * 1024
MAX_NAMESERVERS = 8
"""More than this could not all be asked within a sensible time-out."""

_WITH_PORT = re.compile(r"\[([^]]+)\](?::(\d{1,5}))?|(\d+\.\d+\.\d+\.\d+):(\d{1,5})|(\S+?)(?:\s+(\d{1,5}))?")


class NameServer(NamedTuple):
    """One name server."""

    address: str
    port: int = 53


def parse_nameserver(text: str) -> NameServer:
    """`ADDRESS`, `ADDRESS PORT`, `[ADDRESS]:PORT` or `V4:PORT`; ConfigurationError for anything else."""
    found = _WITH_PORT.fullmatch(text.strip())
    if found:
        address = found[1] or found[3] or found[5]
        port = int(found[2] or found[4] or found[6] or 53)
        try:
            ipaddress.ip_address(address)
        except ValueError:
            pass
        else:
            if 0 < port < 65536:
                return NameServer(address, port)
    raise ConfigurationError(
        f"dns_nameservers: {text.strip()!r} is not an address; want ADDRESS, ADDRESS PORT or [ADDRESS]:PORT"
        " (begin a list that has IPv6 addresses with <;)"
    )


def parse_nameservers(items: Iterable[str]) -> tuple[NameServer, ...]:
    """The name servers of the option's list."""
    servers = tuple(parse_nameserver(item) for item in items if item.strip())
    if not servers or len(servers) > MAX_NAMESERVERS:
        raise ConfigurationError(f"dns_nameservers: want 1 to {MAX_NAMESERVERS} name servers, not {len(servers)}")
    return servers


def parse_resolv_conf(text: str) -> tuple[NameServer, ...]:
    """The name servers of a resolv.conf; 127.0.0.1 when it names none, as the C library has it."""
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                servers.append(parse_nameserver(words[1]))
            except ConfigurationError:
                continue  # as the C library does
    return tuple(servers[:MAX_NAMESERVERS]) or (NameServer("127.0.0.1"),)


def system_nameservers(path: str = RESOLV_CONF) -> tuple[NameServer, ...]:
    """The name servers that the system uses."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return parse_resolv_conf(stream.read(MAX_RESOLV_CONF))
    except OSError:
        return parse_resolv_conf("")
