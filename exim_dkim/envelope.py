"""What SMTP says about a message besides the message: client, HELO and reverse-path (RFC 5321 §2.3, §4.1).

All of it is a stranger's claim but for the client's address. An IPv4 address that came over an IPv6 socket
(`::ffff:192.0.2.1`) is that IPv4 address (RFC 7208 §5).
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from exim_dkim.errors import ParseError

ClientAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Envelope(NamedTuple):
    """One SMTP transaction, as far as it matters to sender authentication.

    `client`: None for mail that no host brought. `sender`: the reverse-path without angle brackets; empty for the null
    reverse-path, None while MAIL FROM is not known. `helo`: the argument of HELO or EHLO, as it came.
    """

    client: ClientAddress | None = None
    helo: bytes = b""
    sender: bytes | None = None


def parse_client(text: bytes) -> ClientAddress:
    """An address as Exim's `$sender_host_address` has it: without brackets; a scope (`%eth0`) does not matter.

    Raises `ParseError`.
    """
    written = text.strip().partition(b"%")[0]
    try:
        address = ipaddress.ip_address(written.decode("ascii"))
    except ValueError:
        raise ParseError("not an IP address", text) from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
