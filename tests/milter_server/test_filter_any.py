"""milter_server.filter on any message whatsoever: an answer and changes that can leave, never an exception."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server.filter import AuthenticationFilter
from milter_server.message import Connection, Family, Header, Stage, Transaction
from milter_server.response import Changes, InsertField, Response
from tests.support.milter_filters import FIELDS, SIGNER, make_filter
from tests.support.samples import signed

FILTERS = {
    "sign": make_filter(f"{SIGNER}milter_identification\nmilter_require_fields\nmilter_actions = security=accept\n"),
    "sid": make_filter("milter_senderid_reject = 5\n", "sid-filter"),
    "all": make_filter("milter_mode = v\nmilter_methods = spf : spf_helo : senderid : dkim : domainkeys\n", "all"),
    "template": make_filter(
        SIGNER.replace("key1", "${lc:${local_part:$h_from:}}") + "dkim_identity = ${address:$h_from:}\n"
    ),
}
NAMES = st.sampled_from(
    [b"From", b"FROM ", b"To", b"Subject", b"Authentication-Results", b"DKIM-Signature", b"DomainKey-Signature", b"",
     b"X-\xff", b"Sender", b"Received", b"Resent-From"]
)  # fmt: skip
SIGNATURE = signed(b"From: a@example.org\r\n\r\n").partition(b"\r\nFrom:")[0].partition(b":")[2].replace(b"\r\n", b"\n")
VALUES = st.one_of(
    st.binary(max_size=60).map(lambda value: value.replace(b"\0", b"")),
    st.sampled_from(
        [b" alice@example.org", b" mx.example; dkim=pass (", b" mx.example; spf=pass", SIGNATURE, b"", b" a: b;",
         b" <>", " ü@münchen.example".encode(), b" v=1; a=rsa-sha256; d=example.org; s=rsa; b=; bh=; h=from"]
    ),
)  # fmt: skip
TEXTS = st.one_of(st.binary(max_size=30).map(lambda value: value.replace(b"\0", b"")), st.just(b"alice@example.org"))


async def _pass(filter: AuthenticationFilter, transaction: Transaction, header: Header, body: bytes) -> Changes:
    handler = filter.begin(transaction)
    changes = Changes(filter.actions)
    answer = handler.end_of_headers(header)
    response = answer if isinstance(answer, Response) else await answer
    if not response.final:
        handler.body(body)
        handler.end_of_message(changes)
    return changes


@pytest.mark.parametrize("name", FILTERS)
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    st.binary(max_size=100),
    st.tuples(TEXTS, TEXTS, TEXTS, TEXTS),
    st.sampled_from([b"127.0.0.1", b"192.0.2.1", b"::1", b"", b"nonsense"]),
)
def test_any_message(
    name: str, fields: list[tuple[bytes, bytes]], body: bytes, texts: tuple[bytes, bytes, bytes, bytes], address: bytes
) -> None:
    connection = Connection()
    connection.family, connection.address = Family.INET, address
    sender, connection.helo, connection.host, host = texts
    connection.macros.define(Stage.CONNECT, b"j\0" + host + b"\0")
    connection.macros.define(Stage.MAIL, b"i\0" + sender + b"\0")
    raw = [field_name + b":" + value for field_name, value in [*fields, *FIELDS[:2]]]
    changes = asyncio.run(_pass(FILTERS[name], Transaction(connection, sender, ()), Header(raw, cut=False), body))
    for change in changes.modifications:
        assert not isinstance(change, InsertField) or b"\r" not in change.value
