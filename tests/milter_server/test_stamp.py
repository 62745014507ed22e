"""milter_server.stamp: our own fields, known again by other filters of this host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exim_dkim.authres import AuthenticationResults, MethodResult, Property, format_authres
from milter_server import stamp as module
from milter_server.message import Connection, Stage, Transaction
from milter_server.stamp import host_key, is_stamped, stamp

KEY = b"0b2a5d0e-1111-2222-3333-444455556666"
RESULTS = (
    MethodResult("spf", "pass", (Property("smtp", "mailfrom", "a@example.org"),), comments=("(odd) comment",)),
    MethodResult("sender-id", "fail"),
)


def transaction(
    queue_id: bytes = b"4WfG2p1", address: bytes = b"192.0.2.1", sender: bytes = b"a@b.example"
) -> Transaction:
    connection = Connection()
    connection.address = address
    connection.macros.define(Stage.MAIL, b"i\0" + queue_id + b"\0")
    return Transaction(connection, sender, ())


def value(results: tuple[MethodResult, ...] = RESULTS, of: Transaction | None = None, key: bytes = KEY) -> bytes:
    """A stamped field, without its name."""
    field = format_authres(AuthenticationResults("mx.example", results))
    return (field + stamp(of or transaction(), "mx.example", field, key)).partition(b":")[2]


def test_a_stamp_is_known_again() -> None:
    assert is_stamped(value(), transaction(), "mx.example", KEY)
    assert is_stamped(value().replace(b"\r\n\t", b"\n        "), transaction(), "mx.example", KEY)
    assert is_stamped(value((MethodResult("dkim", "none"),)), transaction(), "mx.example", KEY)


@pytest.mark.parametrize(
    "change",
    [
        lambda field: field.replace(b"fail", b"pass"),
        lambda field: field.replace(b"spf=pass", b"dkim=pass"),
        lambda field: field.replace(b"a@example.org", b"a@bank.example"),
        lambda field: field.replace(b"smtp.mailfrom", b"header.from"),
        lambda field: field.replace(b"sender-id=fail", b"sender-id=fail header.from=bank.example"),
        lambda field: field.replace(b"sender-id=fail", b"sender-id=fail reason=x"),
        lambda field: field + b"; dkim=pass",
        lambda field: field.partition(b"\r\n\t(exim-dkim")[0],
        lambda field: field[:-2] + (b"1)" if field.endswith(b"0)") else b"0)"),
        lambda field: b" (((",
        lambda field: b" mx.example; none" + field[field.rfind(b"(") :],
    ],
)
def test_nothing_else_is(change: Callable[[bytes], bytes]) -> None:
    changed = change(value())
    assert changed != value()
    assert not is_stamped(changed, transaction(), "mx.example", KEY)


@pytest.mark.parametrize(
    ("other", "authserv_id", "key"),
    [
        (transaction(queue_id=b"4WfG2p2"), "mx.example", KEY),
        (transaction(address=b"192.0.2.2"), "mx.example", KEY),
        (transaction(sender=b""), "mx.example", KEY),
        (transaction(queue_id=b"4WfG2p11", address=b"92.0.2.1"), "mx.example", KEY),
        (transaction(), "other.example", KEY),
        (transaction(), "mx.example", KEY[::-1]),
        (transaction(), "mx.example", b""),
        (transaction(queue_id=b""), "mx.example", KEY),
    ],
)
def test_a_stamp_is_for_one_message_and_one_host(other: Transaction, authserv_id: str, key: bytes) -> None:
    assert not is_stamped(value(), other, authserv_id, key)


def test_without_key_or_queue_id_there_is_no_stamp() -> None:
    field = b"Authentication-Results: mx.example; spf=pass"
    assert stamp(transaction(), "mx.example", field, b"") == b""
    assert stamp(transaction(queue_id=b""), "mx.example", field, KEY) == b""


def test_the_key_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    host_key.cache_clear()
    assert len(host_key()) >= 32
    host_key.cache_clear()
    monkeypatch.setattr(module, "BOOT_ID", "/nonexistent")
    assert host_key() == b""
    host_key.cache_clear()
