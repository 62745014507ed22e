"""milter_server.variables: what Exim strings may say of a message on its way through a milter."""

from __future__ import annotations

import pytest

from exim_dkim.config.settings import Settings
from exim_dkim.expansion import expand, parse_template
from exim_dkim.expansion.value import Value
from exim_dkim.message import parse_field
from milter_server.message import Connection, Family, Recipient, Stage, Transaction
from milter_server.variables import MilterEnvironment, takes_time

MACROS = {
    Stage.CONNECT: b"j\0mx.example\0{daemon_name}\0MSA\0{daemon_addr}\x00192.0.2.25\0{daemon_port}\x00587\0",
    Stage.HELO: b"{tls_version}\0TLSv1.3\0{cipher}\0AES\0{cert_subject}\0CN=x\0",
    Stage.MAIL: b"i\0QUEUEID\0{auth_authen}\0alice\0{auth_author}\0alice@example.org\0{auth_type}\0PLAIN\0",
}


def environment(host: bytes = b"client.example") -> MilterEnvironment:
    connection = Connection()
    connection.host, connection.family, connection.address, connection.port = host, Family.INET, b"192.0.2.1", 2525
    connection.helo = b"helo.example"
    for stage, pairs in MACROS.items():
        connection.macros.define(stage, pairs)
    transaction = Transaction(connection, b"bob@example.net", ())
    transaction.recipients += [Recipient(b"<a@x.example>"), Recipient(b"<b@x.example>")]
    own: dict[bytes, bytes | Value] = {b"acl_m_signing_domain": b"example.org", b"acl_m_signing_key": Value(b"k", True)}
    return MilterEnvironment(Settings(), [parse_field(b"From: Carol <carol@example.org>")], transaction, own)


@pytest.mark.parametrize(
    ("template", "text", "tainted"),
    [
        ("$sender_address", "bob@example.net", True),
        ("$sender_address_domain", "example.net", True),
        ("$sender_address_local_part", "bob", True),
        ("$sender_host_address", "192.0.2.1", True),
        ("$sender_host_name", "client.example", True),
        ("$sender_host_port", "2525", True),
        ("$sender_helo_name", "helo.example", True),
        ("$authenticated_id", "alice", True),
        ("$authenticated_sender", "alice@example.org", True),
        ("$sender_host_authenticated", "PLAIN", True),
        ("$message_exim_id", "QUEUEID", True),
        ("$received_ip_address $received_port", "192.0.2.25 587", True),
        ("$tls_in_ver $tls_in_cipher $tls_in_peerdn", "TLSv1.3 AES CN=x", True),
        ("$primary_hostname", "mx.example", True),
        ("$recipients_count", "2", True),
        ("$recipients", "a@x.example, b@x.example", True),
        ("$acl_m_daemon_name", "MSA", True),
        ("$acl_m_i", "QUEUEID", True),
        ("$acl_m_nothing", "", False),
        ("$acl_m_signing_domain", "example.org", False),
        ("$acl_m_signing_key", "k", True),
        ("${domain:$h_from:}", "example.org", True),
        ("$dkim_verify_status", "", False),
    ],
)
def test_variables(template: str, text: str, tainted: bool) -> None:
    value = expand(parse_template(template.encode()), environment())
    assert value == Value(text.encode(), tainted)


def test_a_client_without_a_name() -> None:
    assert environment(b"[192.0.2.1]").variable(b"sender_host_name") is None


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (b"${lookup redis{get $sender_host_address}{yes}}", True),
        (b"${readfile{/etc/selector}}", True),
        (b"/run/mail/pop.db", False),
        (b"$acl_m_signing_domain", False),
        (b"", False),
    ],
)
def test_what_may_wait_for_somebody(option: bytes, expected: bool) -> None:
    assert takes_time(option) is expected
