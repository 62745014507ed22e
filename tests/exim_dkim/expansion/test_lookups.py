"""Look-up types and what they have in common; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Files, FileTrouble, Value, expand, parse_template
from exim_dkim.expansion.lookups import LOOKUPS, Request, parse_type, quote_for
from exim_dkim.expansion.lookups.lsearch import find
from exim_dkim.expansion.value import plain
from tests.support.expansion import attempt


class OneFile:
    """A file system with one table and one directory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, path: bytes) -> bytes:
        if path != b"/table":
            raise FileTrouble("No such file or directory")
        return self.content

    def exists(self, path: bytes) -> bool:
        return path == b"/table"

    def kind(self, path: bytes, follow: bool) -> str | None:
        return {b"/dir": "dir", b"/dir/key": "file", b"/dir/link": "link"}.get(path)


class Table(EmptyEnvironment):
    """An environment with a table."""

    def __init__(self, content: bytes = b"") -> None:
        self._files = OneFile(content)

    @property
    def files(self) -> Files:
        return self._files

    def variable(self, name: bytes) -> Value | None:
        return Value(b"Mail.Example", True) if name == b"sender_host_name" else None


def value(template: bytes, content: bytes = b"") -> Value:
    return expand(parse_template(template), Table(content))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"key", b":", b" ", b"\n", b"#", b'"', b"\\", b"value", b"\0", b"\r", b"\xff"]), max_size=20
    ),
    st.sampled_from([b"key", b"", b"value", b'"', b"\\"]),
)
def test_any_file_is_a_table(pieces: list[bytes], key: bytes) -> None:
    found = find(Request(key, b"/table", (), OneFile(b"".join(pieces))))
    assert found is None or not found.tainted


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"partial", b"2", b"-", b"(.)", b"(", b"lsearch", b"*", b"@", b",", b"ret=key", b"x"]),
        max_size=7,
    )
)
def test_any_text_is_a_type_or_not(pieces: list[bytes]) -> None:
    kind = attempt(parse_type, b"".join(pieces), True)
    assert kind.message if isinstance(kind, ExpansionError) else kind.name in LOOKUPS


def test_a_type_in_its_parts() -> None:
    kind = parse_type(b"partial3(.)lsearch*@,ret=key,cache=no_rd,ret=full", True)
    assert (kind.name, kind.least, kind.affix, kind.star) == (b"lsearch", 3, b".", b"*@")
    assert (kind.options, kind.returns_key) == ((b"ret=full",), True)
    assert parse_type(b"partial-dsearch", True).least == 2


@pytest.mark.parametrize(
    ("template", "text", "tainted"),
    [
        (b"${lookup{$sender_host_name}lsearch,ret=key{/table}}", b"Mail.Example", False),
        (b"${lookup{$sender_host_name}lsearch*,ret=key{/table}}", b"Mail.Example", False),
        (b"${lookup{x$sender_host_name}lsearch*,ret=key{/table}}", b"xMail.Example", True),
        (b"${lookup{x$sender_host_name}lsearch*{/table}{$1}}", b"xMail.Example", True),
        (b"${lookup{x.$sender_host_name}partial-lsearch{/table}{$1,$2}}", b"x,Mail.Example", True),
        (b"${lookup{x.$sender_host_name}partial-lsearch{/table}{$2}}", b"Mail.Example", False),
        (b"${lookup{key}dsearch,ret=full{/dir}}", b"/dir/key", False),
        (b"${lookup{link}dsearch,filter=file{/dir}{$value}{none}}", b"none", False),
    ],
)
def test_what_is_found_and_its_taint(template: bytes, text: bytes, tainted: bool) -> None:
    content = b"mail.example: found\n*: default\n*.mail.example: wild\n"
    assert value(template, content) == Value(text, tainted)


def test_what_cannot_be_read_is_an_error_and_not_a_no() -> None:
    with pytest.raises(ExpansionError, match="failed to open /none for linear search: No such file or directory"):
        value(b"${lookup{a}lsearch{/none}{yes}{no}}")
    with pytest.raises(ExpansionError, match="failed to open /none for directory search: No such file or directory"):
        value(b"${lookup{a}dsearch{/none}{yes}{no}}")


@pytest.mark.parametrize(
    ("key", "content", "found"),
    [
        (b"a.b", b"*.b: y", b"y"),
        (b"A.B", b"a.b: y", b"y"),
        (b"a.c", b"!a.b: y", b"y"),
        (b"a.b", b'"${lc:A}.b": y', b"y"),
        (b"a.b", b"*.c: y", b""),
    ],
)
def test_keys_that_are_patterns(key: bytes, content: bytes, found: bytes) -> None:
    assert value(b"${lookup{" + key + b"}wildlsearch{/table}}", content) == plain(found)


@pytest.mark.parametrize(
    ("content", "message"), [(b"^a: y", "regular expressions"), (b"$nosuch: y", "unknown variable")]
)
def test_keys_that_cannot_be_used(content: bytes, message: str) -> None:
    with pytest.raises(ExpansionError, match=f'lookup of "a" gave DEFER: .*{message}'):
        value(b"${lookup{a}wildlsearch{/table}}", content)


def test_a_pattern_says_nothing_about_the_key() -> None:
    template = b"${lookup{$sender_host_name}nwildlsearch,ret=key{/table}}"
    assert value(template, b"*.example: y") == Value(b"Mail.Example", True)


def test_a_misspelt_option_is_an_error() -> None:
    for kind in (b"lsearch", b"dsearch"):
        with pytest.raises(ExpansionError, match=f"unknown option for {kind.decode()} lookup: rt=full"):
            value(b"${lookup{key}%s,rt=full{/%s}{yes}{no}}" % (kind, b"dir" if kind == b"dsearch" else b"table"))


def test_quoting_needs_nothing() -> None:
    assert quote_for(b"lsearch", b'a"b') == b'a"b'
    for name in (b"nosuch", b"mysql"):
        with pytest.raises(ExpansionError):
            quote_for(name, b"x")


def test_captures_are_those_of_before_afterwards() -> None:
    text = b"${lookup{x.mail.example}partial-lsearch{/table}{$1}}[$1]"
    assert value(text, b"*.mail.example: y\n") == plain(b"x[]")
