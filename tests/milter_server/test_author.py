"""milter_server.author: who a message says it is from."""

from __future__ import annotations

import pytest

from exim_dkim.message import parse_field
from milter_server.author import NoAuthor, authors


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("alice@example.org", ["alice@example.org"]),
        ("Alice (of) <alice@EXAMPLE.org>", ["alice@example.org"]),
        ("a@x.example,\r\n b@y.example", ["a@x.example", "b@y.example"]),
        ("friends: a@x.example, b@y.example;", ["a@x.example", "b@y.example"]),
        ('"alice@evil.example" <bob@example.org>', ["bob@example.org"]),
        ("ü@münchen.example", ["ü@xn--mnchen-3ya.example"]),
    ],
)
def test_authors(value: str, found: list[str]) -> None:
    assert [str(author) for author in authors([parse_field(b"From: " + value.encode())])] == found


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], "no From field"),
        ([b"From: a@b.example", b"FROM: c@d.example"], "2 From fields"),
        ([b"From:"], "empty"),
        ([b"From: nobody:;"], "empty"),
        ([b"From: alice"], "cannot be read"),
        ([b"From: alice@[192.0.2.1]"], "cannot be read"),
        ([b"From: <a@b.example"], "cannot be read"),
        ([b"From: a@b.example\r\n bad@"], "cannot be read"),
    ],
)
def test_nobody(fields: list[bytes], reason: str) -> None:
    with pytest.raises(NoAuthor, match=reason):
        authors([parse_field(field) for field in fields])
