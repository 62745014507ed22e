"""Macro strings. The examples are those of RFC 7208 §7.4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.spf.macros import DOMAIN_LETTERS, TEXT_LETTERS, expand_macros, parse_macros, uses_client_name

VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "v": "in-addr",
    "h": "mx.example.org",
    "p": "mx.example.org",
    "c": "192.0.2.3",
    "r": "example.net",
    "t": "1790000000",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{s.-}", "strong.bad@email.example.com"),
        ("a%%b%_c%-d", "a%b c%20d"),
        ("see %{c} %{t} %{r}", "see 192.0.2.3 1790000000 example.net"),
        ("", ""),
    ],
)
def test_examples(text: str, expanded: str) -> None:
    string = parse_macros(text, TEXT_LETTERS)
    assert string is not None
    assert expand_macros(string, VALUES.__getitem__) == expanded


@pytest.mark.parametrize(
    "text", ["%", "%x", "%{", "%{}", "%{x}", "%{d", "%{d0}", "%{d123}", "%{d-}", "%{dR}", "a%%", "%{l!}"]
)
def test_what_is_not_plain(text: str) -> None:
    assert parse_macros(text, TEXT_LETTERS) is None


def test_letters() -> None:
    assert parse_macros("%{c}", DOMAIN_LETTERS) is None
    assert uses_client_name(parse_macros("a.%{P1}", DOMAIN_LETTERS) or ())
    assert not uses_client_name(parse_macros("p.%{d}", DOMAIN_LETTERS) or ())


@given(st.text("%{}lds1r-.a", max_size=30))
def test_any_text(text: str) -> None:
    string = parse_macros(text, DOMAIN_LETTERS)
    if string is not None:
        expand_macros(string, VALUES.__getitem__)
