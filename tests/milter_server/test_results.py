"""milter_server.results: what verification comes to."""

from __future__ import annotations

from itertools import product

import pytest

from exim_dkim.message import parse_field
from exim_dkim.outcome import SpfResult
from milter_server.message import Header
from milter_server.results import field_fault, forged, says_only, sender_deferred, sender_refused

PASS, FAIL, SOFT, NONE, TEMP = (
    SpfResult.PASS,
    SpfResult.FAIL,
    SpfResult.SOFTFAIL,
    SpfResult.NONE,
    SpfResult.TEMPERROR,
)


@pytest.mark.parametrize(
    ("spf", "senderid", "refusing_modes"),
    [
        (PASS, PASS, ""),
        (PASS, FAIL, "24"),
        (FAIL, PASS, "24"),
        (FAIL, FAIL, "12345"),
        (FAIL, NONE, "2345"),
        (SOFT, FAIL, "2345"),
        (SOFT, NONE, "34"),
        (NONE, NONE, "34"),
        (PASS, NONE, "4"),
        (PASS, TEMP, "4"),
        (FAIL, None, "12345"),
        (None, PASS, ""),
        (None, None, ""),
    ],
)
def test_when_spf_and_sender_id_refuse(spf: SpfResult | None, senderid: SpfResult | None, refusing_modes: str) -> None:
    assert "".join(str(mode) for mode in range(6) if sender_refused(mode, spf, senderid)) == refusing_modes


def test_a_message_is_deferred_where_the_dns_could_make_it_refused() -> None:
    for mode, other in product(range(6), (PASS, FAIL, SOFT, NONE, None)):
        could = any(sender_refused(mode, word, other) for word in (PASS, FAIL, NONE, SOFT))
        assert sender_deferred(mode, TEMP, other) is could
        assert sender_deferred(mode, other, TEMP) is any(
            sender_refused(mode, other, word) for word in (PASS, FAIL, NONE, SOFT)
        )
        assert not sender_deferred(mode, other, PASS)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("From Date", ""),
        ("From Date To Cc Subject Message-ID Received Received", ""),
        ("From", "0 Date fields"),
        ("Date", "0 From fields"),
        ("From from Date", "2 From fields"),
        ("From Date Subject SUBJECT", "2 Subject fields"),
        ("From Date To To", "2 To fields"),
    ],
)
def test_the_number_of_fields(fields: str, fault: str) -> None:
    assert field_fault([parse_field(f"{name}: x".encode()) for name in fields.split()]) == fault


HEADER = Header(
    [
        b"Authentication-Results: mx.example; dkim=pass",
        b"X: y",
        b"AUTHENTICATION-RESULTS : other.example; dkim=pass",
        b"authentication-results: MX.example; spf=pass\n\tsmtp.mailfrom=a@b",
        b"Authentication-Results: (((",
        b"Authentication-Results: mx.example",
    ],
    cut=False,
)


def test_forged_fields_are_named_from_the_last_to_the_first() -> None:
    assert list(forged(HEADER, "mx.example", lambda value: False)) == [5, 3, 1]
    assert list(forged(HEADER, "mx.example", lambda value: b"spf" in value)) == [5, 1]
    assert list(forged(HEADER, "mx.example", lambda value: True)) == []


@pytest.mark.parametrize(
    ("value", "trusted", "ours"),
    [
        (b" mx.example; spf=pass", {"spf"}, True),
        (b" mx.example; spf=pass; sender-id=none", {"spf", "sender-id"}, True),
        (b" mx.example; spf=pass; dkim=pass", {"spf"}, False),
        (b" mx.example; none", {"spf"}, False),
        (b" mx.example; spf=pass; (", {"spf"}, False),
        (b" mx.example; spf=pass", set(), False),
    ],
)
def test_fields_of_methods(value: bytes, trusted: set[str], ours: bool) -> None:
    assert says_only(value, trusted) is ours
