"""Lists of patterns; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Files, FileTrouble, Value
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.patterns import match_list
from tests.support.expansion import attempt


class Lists(EmptyEnvironment):
    """Named lists, one of which is in itself, and one file of patterns."""

    lists = {(kind, b"loop"): b"+loop" for kind in ("domain", "localpart", "address", "host")} | {
        ("domain", b"excluding"): b"/patterns",
        ("domain", b"ours"): b"a.example : !*.b.example : *.example",
    }

    def named_list(self, kind: str, name: bytes) -> bytes | None:
        return self.lists.get((kind, name))

    @property
    def files(self) -> Files:
        return PatternFile()


class PatternFile:
    """`/patterns`."""

    def read(self, path: bytes) -> bytes:
        if path != b"/patterns":
            raise FileTrouble("No such file or directory")
        return b"# comment\n a.example # more\n!b.example\n\n*.c.example\n"

    def exists(self, path: bytes) -> bool:
        return False

    def kind(self, path: bytes, follow: bool) -> str | None:
        return None


def matches(kind: str, subject: bytes, items: bytes) -> bool:
    return match_list(kind, Value(subject, True), items, State(Lists(), {})) is not None


@pytest.mark.parametrize(
    ("subject", "items", "wanted"),
    [
        (b"A.Example", b"a.example", True),
        (b"x.example", b"+ours", True),
        (b"x.b.example", b"+ours", False),
        (b"x.org", b"+ours", False),
        (b"x.org", b"!a.example", True),
        (b"x.org", b"", False),
        (b"a.example", b"/patterns", True),
        (b"x.c.example", b"/patterns", True),
        (b"b.example", b"/patterns : *", False),
        (b"b.example", b"+excluding : *", True),
        (b"b.example", b"!/patterns : x", True),
        (b"a.example", b"!/patterns : *", False),
        (b"A.Example", b"^a\\.", True),
        (b"A.Example", b"^(?-i)a", False),
        (b"a.example", b"!^a : *", False),
    ],
)
def test_domains(subject: bytes, items: bytes, wanted: bool) -> None:
    assert matches("domain", subject, items) == wanted


@pytest.mark.parametrize(
    ("kind", "items", "message"),
    [
        ("domain", b"+loop", "lists refer to each other"),
        ("domain", b"+none", 'unknown named domain list "+none"'),
        ("domain", b"^(", 'regular expression error in "^(": missing closing parenthesis at offset 2'),
        ("domain", b"/none", "failed to open /none: No such file or directory"),
        ("domain", b"/../x", '".." in a file name'),
        ("domain", b"@mx_any", "not supported"),
        ("domain", b"nosuch;/x", 'unknown lookup type "nosuch"'),
        ("ip", b"host.example", "not an IP address or network"),
    ],
)
def test_what_cannot_be_matched(kind: str, items: bytes, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        matches(kind, b"1.2.3.4", items)
    assert message in caught.value.message


PIECES = st.sampled_from(
    [b"a.example", b"*", b"!", b"+ours", b"+loop", b"@", b":", b" ", b"^", b"/patterns", b"lsearch;", b"1.2.3.4", b"/8"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["domain", "local_part", "address", "ip"]),
    st.binary(max_size=8),
    st.lists(PIECES, max_size=8).map(b"".join),
)
def test_any_list_matches_or_is_wrong(kind: str, subject: bytes, items: bytes) -> None:
    found = attempt(matches, kind, subject, items)
    assert found.message if isinstance(found, ExpansionError) else found in (True, False)
