"""Authentication-Results beside the `authres` package: each reads what the other writes, and finds the same in it.

Left out is what that package refuses or gets wrong: UTF-8, a quoted authserv-id, an empty value, quotes and backslashes
in a value, a property after a quoted value, versions of methods other than 1, a reason after two comments. What it
writes without quotes although it needs them is left out the other way round. It drops comments; see our own tests.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.authres import AuthenticationResults, MethodResult, Property, format_authres, parse_authres
from tests.support import peers

try:
    import authres
except ImportError:
    peers.missing("authres", "pip install authres")

KEYWORDS = st.sampled_from(["dkim", "spf", "sender-id", "domainkeys", "iprev", "x-test"])
RESULTS = st.sampled_from(["pass", "fail", "none", "temperror", "policy", "hardfail"])
TYPES = st.sampled_from(["smtp", "header", "body", "policy"])
NAMES = st.sampled_from(["d", "i", "b", "mailfrom", "helo", "from", "iprev", "x-name"])
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)
VALUES = PRINTABLE.map(lambda text: re.sub(r'["\\]', "", text).strip(" ")).filter(bool)
TOKENS = st.from_regex(r"[A-Za-z0-9]{1,12}(@[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){1,2})?", fullmatch=True)
COMMENTS = PRINTABLE.map(lambda text: re.sub(" +", " ", text).strip(" "))
IDS = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){0,2}", fullmatch=True)


def fields(values: st.SearchStrategy[str]) -> st.SearchStrategy[AuthenticationResults]:
    results = st.builds(
        MethodResult,
        KEYWORDS,
        RESULTS,
        st.tuples(
            st.lists(st.builds(Property, TYPES, NAMES, TOKENS), max_size=3),
            st.lists(st.builds(Property, TYPES, NAMES, values), max_size=1),
        ).map(lambda lists: (*lists[0], *lists[1])),
        st.none() | values,
        st.lists(COMMENTS, max_size=1).map(tuple),
        st.sampled_from([None, 1]),
    )
    return st.builds(
        AuthenticationResults,
        IDS,
        st.lists(results, max_size=4).map(tuple),
        st.sampled_from([None, 1]),
        st.lists(COMMENTS, max_size=1).map(tuple),
    )


Found = tuple[str, list[tuple[str, str, str | None, list[tuple[str, ...]]]]]


def theirs(field: bytes) -> Found:
    read = authres.AuthenticationResultsHeader.parse(field.decode("ascii"))
    found: list[tuple[str, str, str | None, list[tuple[str, ...]]]] = [
        (each.method, each.result, each.reason, [(one.type, one.name, one.value) for one in each.properties])
        for each in read.results
    ]
    return str(read.authserv_id), found


def ours(results: AuthenticationResults) -> Found:
    found = [
        (each.method, each.result, each.reason, [tuple(one) for one in each.properties]) for each in results.results
    ]
    return results.authserv_id, found


@given(fields(VALUES))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_it_reads_what_we_write(results: AuthenticationResults) -> None:
    assert theirs(format_authres(results)) == ours(results)


@given(fields(TOKENS))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_we_read_what_it_writes(results: AuthenticationResults) -> None:
    written = authres.AuthenticationResultsHeader(
        authserv_id=results.authserv_id,
        results=[
            authres.AuthenticationResult(
                each.method,
                result=each.result,
                reason=each.reason,
                properties=[authres.AuthenticationResultProperty(*one) for one in each.properties],
            )
            for each in results.results
        ],
    )
    assert ours(parse_authres(str(written).partition(":")[2].encode())) == ours(results)


def test_where_it_differs() -> None:
    """What the package gets wrong, so that nobody takes it for the run-time."""
    written = authres.AuthenticationResultProperty("smtp", "mailfrom", "a\r\nBcc: eve@x")
    assert "\r\nBcc: eve@x" in str(written)
    with pytest.raises(authres.core.SyntaxError):
        authres.AuthenticationResultsHeader.parse('Authentication-Results: "mx.example"; none')
    read = authres.AuthenticationResultsHeader.parse(
        "Authentication-Results: mx.example; spf=pass (one) (two) reason=x"
    )
    assert read.results[0].reason is None
