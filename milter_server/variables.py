"""What an Exim string may say of a message that came through a milter: Exim's names for what the MTA tells.

The macros themselves are `$acl_m_NAME` (`{daemon_name}` is `$acl_m_daemon_name`, `i` is `$acl_m_i`), for those that the
MTA sends. All of it came from outside, so all of it is tainted but for what our own configuration says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from exim_dkim.config.settings import Settings
from exim_dkim.expansion.value import Value, plain
from exim_dkim.message import HeaderField
from exim_dkim.system.environment import MessageEnvironment
from milter_server.message import Transaction

MACROS: Final[Mapping[bytes, str]] = {
    b"authenticated_id": "auth_authen",
    b"authenticated_sender": "auth_author",
    b"interface_address": "daemon_addr",
    b"interface_port": "daemon_port",
    b"message_exim_id": "i",
    b"message_id": "i",
    b"received_ip_address": "daemon_addr",
    b"received_port": "daemon_port",
    b"sender_host_authenticated": "auth_type",
    b"sender_ident": "client_ident",
    b"tls_in_cipher": "cipher",
    b"tls_in_peerdn": "cert_subject",
    b"tls_in_ver": "tls_version",
}
"""Exim's variables that a macro has."""

SLOW: Final = (b"lookup", b"readsocket", b"dnsdb", b"run", b"readfile")
"""What in an option may make its expansion wait for somebody: then it is expanded in a thread."""


def takes_time(option: bytes) -> bool:
    """Whether the expansion of this text may wait for somebody; a text without a dollar sign asks nobody."""
    return b"$" in option and any(word in option for word in SLOW)


class MilterEnvironment(MessageEnvironment):
    """The environment of one message on its way through a milter. `variables`: those of our own, by name."""

    def __init__(
        self,
        settings: Settings,
        fields: Sequence[HeaderField],
        transaction: Transaction,
        variables: Mapping[bytes, bytes | Value],
        now: float | None = None,
    ) -> None:
        own = {name: value if isinstance(value, Value) else plain(value) for name, value in variables.items()}
        own[b"sender_address"] = Value(transaction.sender, True)
        super().__init__(settings, fields, own, now=now)
        self._transaction = transaction

    def _variable(self, name: bytes) -> Value | None:
        text = self._of_transaction(name)
        if text is not None:
            return Value(text, True)
        return None if name in MACROS else super()._variable(name)

    def _of_transaction(self, name: bytes) -> bytes | None:
        connection, macros = self._transaction.connection, self._transaction.macros
        if name in MACROS:
            return macros.get(MACROS[name])
        match name:
            case b"sender_host_address":
                return connection.address or None
            case b"sender_host_name":
                return None if connection.host.startswith(b"[") else connection.host or None
            case b"sender_host_port":
                return b"%d" % connection.port
            case b"sender_helo_name":
                return connection.helo
            case b"recipients":
                return b", ".join(each.address.strip(b"<>") for each in self._transaction.recipients)
            case b"recipients_count" | b"rcpt_count":
                return b"%d" % len(self._transaction.recipients)
            case b"primary_hostname" if not self._settings.string("primary_hostname"):
                return macros.get("j")
        if name.startswith(b"acl_m_") and name not in self._variables:
            return macros.get(name.removeprefix(b"acl_m_").decode("ascii", "replace"))
        return None
