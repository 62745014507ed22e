"""Look-up types and what they have in common; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Files, FileTrouble, Value, expand, parse_template
from exim_dkim.expansion.lookups import LOOKUPS, Lookup, Request, parse_type, quote_for
from exim_dkim.expansion.lookups.cdb import hash_of
from exim_dkim.expansion.lookups.lsearch import find
from exim_dkim.expansion.lookups.table import Entry
from exim_dkim.expansion.value import plain
from tests.support.databases import make_cdb
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
        (b"${lookup{x.$sender_host_name}partial-lsearch{/table}{$2}}", b"Mail.Example", True),
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
    ("content", "message"), [(b"^(: y", "regular expression error"), (b"$nosuch: y", "unknown variable")]
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
    for name in (b"nosuch", b"oracle"):
        with pytest.raises(ExpansionError):
            quote_for(name, b"x")


def test_captures_are_those_of_before_afterwards() -> None:
    text = b"${lookup{x.mail.example}partial-lsearch{/table}{$1}}[$1]"
    assert value(text, b"*.mail.example: y\n") == plain(b"x[]")


JSON = b'{"a": {"b": [1, "two", 2.5, null, true]}, "o": {"x": "\xc3\xbc"}, "": "empty", "1": "one", "x:y": 3}'


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (b"a:b:0", b"1"),
        (b"a : b : 1", b"two"),
        (b"a:b:2", b"2.500000"),
        (b"a:b:3", b""),
        (b"a:b:4", b"true"),
        (b"a:b:5", b"none"),
        (b"a:b", b'[1, "two", 2.5, null, true]'),
        (b"o:x", b"\xc3\xbc"),
        (b"o", b'{"x": "\xc3\xbc"}'),
        (b"<;x:y", b"3"),
        (b"x::y", b"3"),
        (b"1", b"none"),  # digits are an index
        (b"o:x:y", b"none"),
        (b"A", b"none"),
    ],
)
def test_a_place_in_json(key: bytes, found: bytes) -> None:
    assert value(b"${lookup{" + key + b"}json{/table}{$value}{none}}", JSON) == plain(found)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a": 1} x', b"[" * 100_000])
def test_what_is_no_json_is_an_error_and_not_a_no(content: bytes) -> None:
    with pytest.raises(ExpansionError, match=r'lookup of "a" gave DEFER: json error on open: .* /table'):
        value(b"${lookup{a}json{/table}{yes}{no}}", content)


def test_json_that_cannot_be_read() -> None:
    with pytest.raises(ExpansionError, match="failed to open /none for json search: No such file or directory"):
        value(b"${lookup{a}json{/none}{yes}{no}}")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=12))
def test_any_bytes_are_a_cdb_or_an_error(end: bytes, key: bytes) -> None:
    content = bytearray(make_cdb([(b"key", b"value")])) + end
    at = hash_of(key) % 256 * 8
    content[at : at + len(end[:8])] = end[:8]
    found = attempt(value, b"${lookup{\\N" + key.replace(b"\\", b"") + b"\\N}cdb{/table}}", bytes(content))
    assert isinstance(found, Value | ExpansionError)


class Point(NamedTuple):
    """An installed entry point."""

    value: str
    result: object

    def load(self) -> object:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_a_type_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(request: Request) -> Value | None:
        return Value(b"<" + request.key + b">" + b",".join(request.options), request.tainted)

    points = {
        "ours": Point("m:o", Lookup(find, "query", lambda text, option: text.upper() if option == b"up" else None)),
        "broken": Point("m:b", ImportError("no module m")),
    }
    asked = []

    def entry_points(group: str, name: str) -> list[Point]:
        asked.append((group, name))
        return [points[name]] if name in points else []

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert value(b"${lookup ours,a=b,cache=no_rd{q $sender_host_name}}") == Value(b"<q Mail.Example>a=b", True)
    assert value(b"${quote_ours_up:x}") == plain(b"X")
    with pytest.raises(ExpansionError, match=r'"down" unrecognized after "\${quote_ours"'):
        value(b"${quote_ours_down:x}")
    with pytest.raises(ExpansionError, match=r'lookup type "broken" \(m:b\) cannot be loaded: no module m'):
        parse_template(b"${lookup broken{x}}")
    with pytest.raises(ExpansionError, match='unknown lookup type "nosuch"'):
        parse_template(b"${lookup nosuch{x}}")
    assert asked[0] == ("exim_dkim.lookups", "ours")


def test_our_types_are_not_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", None)
    assert value(b"${lookup{key}lsearch{/table}}", b"key: found") == plain(b"found")


def test_types_that_a_library_is_missing_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOKUPS, b"some", Entry("nowhere:LOOKUP", "query", "no_such_library", "more"))
    message = r"lookup type \"some\" needs the Python package no_such_library: pip install 'exim-dkim\[more\]'"
    for template in (b"${lookup some{x}}", b"${quote_some:x}"):
        with pytest.raises(ExpansionError, match=message):
            value(template)
