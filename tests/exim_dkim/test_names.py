"""Domains, selectors, addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.errors import ParseError
from exim_dkim.names import Domain, Selector, split_address


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (b"example.org", "example.org"),
        (b"Example.ORG.", "example.org"),
        (b"xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("münchen.example".encode(), "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example".encode(), "xn--mnchen-3ya.example"),
        (b"a_b.example", "a_b.example"),
        (b"localhost", "localhost"),
    ],
)
def test_domain(text: bytes, domain: str) -> None:
    assert Domain.parse(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        b"", b".", b"a..b", b".a", b"-a.example", b"a-.example", b"a b", b"[192.0.2.1]", b"a/../b", b"a\n", b"a\0b",
        b"x" * 64 + b".example", b"a" + "\u00ad".encode() * 1000 + b".example",
        b".".join([b"a" * 50] * 6), b"\xff\xfe", "☃..example".encode(),
    ],
)  # fmt: skip
def test_not_a_domain(text: bytes) -> None:
    with pytest.raises(ParseError):
        Domain.parse(text)


@pytest.mark.parametrize(
    ("inner", "outer", "under"),
    [
        (b"example.org", b"example.org", True),
        (b"a.b.example.org", b"example.org", True),
        (b"badexample.org", b"example.org", False),
        (b"example.org", b"a.example.org", False),
    ],
)
def test_is_under(inner: bytes, outer: bytes, under: bool) -> None:
    assert Domain.parse(inner).is_under(Domain.parse(outer)) is under


@pytest.mark.parametrize(
    ("text", "host"), [(b"a.example", True), (b"a_b.example", False), (b"192.0.2.1", False), (b"1.example", True)]
)
def test_is_host_name(text: bytes, host: bool) -> None:
    assert Domain.parse(text).is_host_name is host


def test_selector_and_domain_are_text() -> None:
    assert f"{Selector.parse(b'S1')}._domainkey.{Domain.parse(b'D.example')}" == "s1._domainkey.d.example"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"user@Example.org", (b"user", "example.org")),
        (b"@example.org", (b"", "example.org")),
        (b"a@b@example.org", (b"a@b", "example.org")),
    ],
)
def test_split_address(text: bytes, parts: tuple[bytes, str]) -> None:
    assert split_address(text) == parts


@pytest.mark.parametrize("text", [b"", b"example.org", b"user@", b"user@a b"])
def test_not_an_address(text: bytes) -> None:
    with pytest.raises(ParseError):
        split_address(text)


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(text: bytes) -> None:
    """A name or ParseError; a name is in a form that DNS takes, and stays as it is when parsed again."""
    try:
        domain = Domain.parse(text)
    except ParseError:
        return
    assert domain.isascii()
    assert domain == domain.lower()
    assert len(domain) <= 253
    assert all(0 < len(label) <= 63 for label in domain.split("."))
    assert Domain.parse(domain.encode()) == domain
