"""milter_server.message: macros, clients and headers as filters see them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from exim_dkim.message import is_well_formed
from milter_server.message import Connection, Family, Header, Macros, Stage, Transaction


def test_macros_with_and_without_braces() -> None:
    macros = Macros()
    macros.define(Stage.CONNECT, b"j\0mx.example\0{daemon_name}\0MTA\0")
    assert macros.get("j") == macros.get("{j}") == b"mx.example"
    assert macros.get("daemon_name") == macros.get("{daemon_name}") == b"MTA"
    assert macros.get("i") is None


def test_the_latest_stage_counts_and_messages_end() -> None:
    macros = Macros()
    macros.define(Stage.CONNECT, b"i\0early\0j\0mx\0")
    macros.define(Stage.END_OF_MESSAGE, b"i\0late\0")
    macros.define(Stage.END_OF_HEADERS, b"i\0before\0")
    assert macros.get("i") == b"late"
    macros.forget_after(Stage.MAIL)
    assert macros.get("i") == b"early"
    macros.define(Stage.CONNECT, b"")
    assert macros.get("j") is None


def test_macros_without_a_value() -> None:
    macros = Macros()
    macros.define(Stage.MAIL, b"i\0one\0left")
    assert macros.get("i") == b"one"
    assert macros.get("left") is None


@pytest.mark.parametrize(
    ("family", "address", "client"),
    [
        (Family.INET, b"192.0.2.1", IPv4Address("192.0.2.1")),
        (Family.INET6, b"2001:db8::1", IPv6Address("2001:db8::1")),
        (Family.INET6, b"::ffff:192.0.2.1", IPv4Address("192.0.2.1")),
        (Family.INET, b"what", None),
        (Family.UNIX, b"/run/socket", None),
        (Family.UNKNOWN, b"", None),
    ],
)
def test_clients(family: Family, address: bytes, client: object) -> None:
    connection = Connection()
    connection.family, connection.address, connection.helo = family, address, b"mail.example"
    assert connection.client == client
    assert connection.client == client
    connection.address, connection.family = b"192.0.2.99", Family.INET
    assert str(connection.client) == "192.0.2.99"
    connection.family, connection.address = family, address
    transaction = Transaction(connection, b"a@b.example", ())
    assert transaction.envelope == (client, b"mail.example", b"a@b.example")
    assert transaction.queue_id == b""


def test_header() -> None:
    header = Header([b"Subject: a\n b", b"X-A:1", b"subject : c\r\n d"], False)
    assert header.text == b"Subject: a\r\n b\r\nX-A:1\r\nsubject : c\r\n d\r\n"
    assert [field.name for field in header.fields] == [b"subject", b"x-a", b"subject"]
    assert header.occurrences(b"SUBJECT") == [(1, b" a\n b"), (2, b" c\r\n d")]
    assert header.occurrences(b"X-B") == []


def test_a_header_without_fields() -> None:
    assert Header((), False).text == b""
    assert Header((), False).fields == ()


def test_odd_fields_are_malformed_and_still_counted_as_the_mta_does() -> None:
    header = Header([b": no name", b"X-A: one\nX-A: hidden", b"X-A: two"], False)
    assert not is_well_formed(header.fields)
    assert [number for number, _ in header.occurrences(b"X-A")] == [1, 2]
    assert len(header.fields) == 4
