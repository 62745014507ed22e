"""milter_server.keylist: rules that say which key signs whose mail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server import keylist
from milter_server.keylist import KeyList, Rule, parse_rule

FILES = {"/keys/mail.private", "/keys/news.pem", "/keys/plain"}


@pytest.mark.parametrize(
    ("line", "pattern", "rule"),
    [
        ("*@example.org:example.org:/keys/plain", "*@example.org", Rule("example.org", "/keys/plain", "plain")),
        ("*:*:/keys/mail", "*", Rule("", "/keys/mail.private", "mail")),
        ("*::/keys/news", "*", Rule("", "/keys/news.pem", "news")),
        ("*:d.example:/keys/mail.private", "*", Rule("d.example", "/keys/mail.private", "mail")),
        ("*:d:/keys/plain:s:a@*", "*", Rule("d", "/keys/plain", "s", "a@*")),
        ("*:d:/keys/plain::@d", "*", Rule("d", "/keys/plain", "plain", "@d")),
        (" * : D.example : /keys/gone : sel ", "*", Rule("d.example", "/keys/gone", "sel")),
    ],
)
def test_rules(line: str, pattern: str, rule: Rule) -> None:
    assert parse_rule(line, FILES.__contains__) == (pattern, rule)


@pytest.mark.parametrize("line", ["", "*", "*:d", "*:d:keys/mail", ":d:/keys/mail", "*:d:/keys/mail:s:a@b:c", "*:d:"])
def test_what_is_no_rule(line: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rule|begins with /"):
        parse_rule(line, FILES.__contains__)


def test_an_identity_has_an_at_sign() -> None:
    with pytest.raises(ValueError, match="an identity"):
        parse_rule("*:d:/keys/mail:s:more", FILES.__contains__)


RULES = KeyList(
    [
        "boss@example.org:example.org:/k/boss",
        "*@example.org:example.org:/k/org",
        "late@example.org:example.org:/k/late",
        "*@*.example.net:example.net:/k/net",
        "news*@*:example.com:/k/news",
        "*@example.com:example.com:/k/com",
    ],
    lambda path: True,
)


@pytest.mark.parametrize(
    ("address", "selector"),
    [
        ("boss@example.org", "boss"),
        ("BOSS@example.org", "boss"),
        ("alice@example.org", "org"),
        ("late@example.org", "org"),
        ("a@b.example.net", "net"),
        ("a@example.net", ""),
        ("newsletter@anything.example", "news"),
        ("newsletter@example.com", "news"),
        ("alice@example.com", "com"),
        ("alice@other.example", ""),
    ],
)
def test_the_first_rule_that_fits_decides(address: str, selector: str) -> None:
    local, _, domain = address.partition("@")
    rule = RULES.find(local, domain)
    assert (rule.selector if rule else "") == selector


@pytest.mark.parametrize(
    ("address", "selectors"),
    [
        ("boss@example.org", ["boss", "org"]),
        ("late@example.org", ["org", "late"]),
        ("newsletter@example.com", ["news", "com"]),
        ("a@example.net", []),
    ],
)
def test_all_rules_that_fit(address: str, selectors: list[str]) -> None:
    local, _, domain = address.partition("@")
    assert [rule.selector for rule in RULES.find_all(local, domain)] == selectors


def test_files() -> None:
    assert RULES.files() == {f"/k/{name}" for name in ("boss", "org", "late", "net", "news", "com")}


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keylist, "MAX_RULES", 1)
    with pytest.raises(ValueError, match="more than 1 rules"):
        KeyList(["*:*:/a", "*:*:/b"], lambda path: True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=3), st.text(max_size=10), st.text(max_size=10))
def test_any_text_is_a_list_or_an_error(lines: list[str], local: str, domain: str) -> None:
    try:
        made = KeyList(lines, lambda path: False)
    except ValueError:
        return
    found = made.find_all(local, domain)
    assert made.find(local, domain) == (found[0] if found else None)


def test_a_hostile_address_does_not_take_long() -> None:
    made = KeyList(["*a*a*a*a*a*a*a*a@x.example:d:/k"], lambda path: True)
    assert made.find("a" * 300 + "!", "x.example") is None
