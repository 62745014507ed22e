"""Whose mail a message is: that of a client that we sign for, or a stranger's.

Ours is who has authenticated to the MTA, who comes through a daemon or with a macro that says so (`-m`, `-M`), and
internal hosts (`-i`); and who has fetched mail before (`pop_before_smtp`). Mail that no host brought (a local
program's) comes from this host.

SPF and Sender ID are about hosts that deliver mail of a domain, not about users who submit it: what a user submits is
not judged by them, and what internal hosts send is, but not refused for it.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

from exim_dkim.envelope import ClientAddress
from milter_server.configuration import Configuration
from milter_server.hosts import HostList
from milter_server.message import Connection, Family, Transaction

LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
_NO_NAMES: Final = (b"", b"unknown")


def client_of(connection: Connection) -> tuple[ClientAddress | None, str]:
    """Address and verified name of a client; this host's for a local program."""
    address = connection.client
    if address is None and (
        connection.family is Family.UNIX or (connection.family is Family.UNKNOWN and connection.host == b"localhost")
    ):
        return LOOPBACK, "localhost"
    host = connection.host
    return address, "" if host.startswith(b"[") or host in _NO_NAMES else host.decode("utf-8", "backslashreplace")


def is_listed(hosts: HostList, connection: Connection) -> bool:
    """Whether the client is in a list."""
    return bool(hosts) and hosts.contains(*client_of(connection))


class Origin(NamedTuple):
    """Whose mail it is. `why` it is ours, empty for a stranger's; `submitted`: by a user, wherever the client is."""

    why: str = ""
    submitted: bool = False


FETCHED_MAIL: Final = Origin("POP before SMTP", submitted=True)


def origin_of(configuration: Configuration, transaction: Transaction) -> Origin:
    """Whose mail this is, as far as that can be said at once."""
    macros = transaction.macros
    if user := macros.get("auth_authen"):
        return Origin(f"authenticated as {user[:100].decode('utf-8', 'backslashreplace')}", submitted=True)
    daemon = macros.get("daemon_name")
    if daemon is not None and daemon in configuration.daemons:
        return Origin(f"daemon {daemon.decode('utf-8', 'backslashreplace')}", submitted=True)
    for name, wanted in configuration.macros:
        value = macros.get(name)
        if value is not None and (wanted is None or value == wanted):
            return Origin(f"macro {name}", submitted=True)
    return Origin("internal host" if is_listed(configuration.internal_hosts, transaction.connection) else "")
