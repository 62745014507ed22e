"""milter_server.domains: whose mail is signed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter_server import domains
from milter_server.domains import DomainList

ENTRIES = ["example.org", "Example.NET.", "*.wild.example", "a*.example", "[o]*.example", "bücher.example"]


@pytest.mark.parametrize(
    ("subdomains", "domain", "found"),
    [
        (False, "example.org", ("example.org", True)),
        (False, "example.net", ("example.net", True)),
        (False, "sub.example.org", None),
        (True, "deep.sub.example.org", ("example.org", True)),
        (True, "notexample.org", None),
        (True, "org", None),
        (False, "x.wild.example", ("x.wild.example", False)),
        (False, "wild.example", None),
        (False, "abc.example", ("abc.example", False)),
        (False, "bc.example", None),
        (False, "o.example", None),
        (False, "xn--bcher-kva.example", ("xn--bcher-kva.example", True)),
        (False, "bücher.example", ("xn--bcher-kva.example", True)),
        (True, "neue.bücher.example", ("xn--bcher-kva.example", True)),
        (False, "ü..example", None),
    ],
)
def test_signing_domain(subdomains: bool, domain: str, found: tuple[str, bool] | None) -> None:
    assert DomainList(ENTRIES, subdomains=subdomains).signing_domain(domain) == found


@pytest.mark.parametrize(
    "entry",
    ["", ".", "a@b.example", "/etc/domains", "a b", "a\nb", "a..example", "*..example", ".*.example", "*@x", "-"],
)
def test_what_is_no_domain(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is not a domain; write example\.org"):
        DomainList([entry])


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "MAX_DOMAINS", 1)
    with pytest.raises(ValueError, match="more than 1 domains"):
        DomainList(["a.example", "b.example"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=15), max_size=4), st.text(max_size=15), st.booleans())
def test_any_text_is_a_list_or_an_error(entries: list[str], domain: str, subdomains: bool) -> None:
    try:
        made = DomainList(entries, subdomains=subdomains)
    except ValueError:
        return
    found = made.signing_domain(domain)
    assert found is None or not domain.isascii() or domain.endswith(found[0])
