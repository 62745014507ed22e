"""What a request asks for, and what it takes to answer."""

from __future__ import annotations

import pytest

from exim_dkim.authentication import Method
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from lookup_server.query import METHODS, QUERIES, Query, methods_option, parse_query
from lookup_server.request import Request, RequestError

ALL = (Method.DKIM, Method.SPF)


@pytest.mark.parametrize(
    ("query", "key", "methods", "plain"),
    [
        ("dkim", b"example.org", [Method.DKIM], True),
        ("why dkim", b"", [Method.DKIM], False),
        ("domainkeys", b"a@example.org", [Method.DOMAINKEYS], True),
        ("spf", b"", [Method.SPF], True),
        ("spf", b"HELO", [Method.SPF_HELO], True),
        ("smtp spf", b"helo", [Method.SPF_HELO], False),
        ("senderid", b"", [Method.SENDERID], True),
        ("senderid", b"pra", [Method.SENDERID], True),
        ("why senderid", b"mfrom", [Method.SENDERID_MFROM], False),
        ("all", b"", ALL, False),
        ("json", b"example.org", ALL, False),
        ("authres", b"", ALL, False),
        ("authres", b"senderid spf : dkim", [Method.DKIM, Method.SPF, Method.SENDERID], False),
        ("forged", b"", [], False),
        ("foreign", b"", [], False),
    ],
)
def test_methods(query: str, key: bytes, methods: list[Method], plain: bool) -> None:
    found = parse_query(Request(query, key), ALL)
    assert (found.name, list(found.methods), found.plain) == (query, list(methods), plain)


@pytest.mark.parametrize("query", QUERIES)
def test_hostile_keys(query: str) -> None:
    for key in (b"\xff\0", b"x" * 10_000, b"\xe2\x80\xa8", b"@" * 100):
        try:
            assert isinstance(parse_query(Request(query, key), ALL), Query)
        except RequestError as error:
            told = str(error)
        else:
            continue
        assert told.isprintable()
        assert len(told) < 300


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_chosen(name: str) -> None:
    settings = Settings().replaced({"lookup_methods": name.encode(), "domainkeys_verify": b"true"})
    assert methods_option(settings) == (METHODS[name],)


def test_methods_of_the_option() -> None:
    assert methods_option(Settings()) == (Method.DKIM, Method.SPF, Method.SENDERID)
    with pytest.raises(ConfigurationError, match="'arc' is no method"):
        methods_option(Settings().replaced({"lookup_methods": b"dkim : arc"}))
