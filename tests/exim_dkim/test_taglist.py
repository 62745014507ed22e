"""Tag=value lists."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.errors import ParseError
from exim_dkim.taglist import MAX_TAGS, DuplicateTagError, parse_tag_list, split_values, without_blanks

GOOD = [
    (b"v=1", {b"v": b"1"}),
    (b" v = 1 ; a=x;", {b"v": b"1", b"a": b"x"}),
    (b"v=1;\r\n\tb=ab\r\n\t cd", {b"v": b"1", b"b": b"ab\r\n\t cd"}),
    (b"p=", {b"p": b""}),
    (b"a==;b=c=d", {b"a": b"=", b"b": b"c=d"}),
    (b"V=1;v=2", {b"V": b"1", b"v": b"2"}),
    (b"n=\xc3\xa4", {b"n": b"\xc3\xa4"}),
    (b"a_1=x", {b"a_1": b"x"}),
    (b"x-note=y", {b"x-note": b"y"}),
    (b"", {}),
    (b" ; ", None),
]
BAD = [b"v", b"=1", b"1a=x", b"a b=c", b"a=1;;b=2", b"a=\0", b"a=\x07", b"v=1; nonsense; a=2", b"-=1"]


@pytest.mark.parametrize(("source", "tags"), [case for case in GOOD if case[1] is not None])
def test_good(source: bytes, tags: dict[bytes, bytes]) -> None:
    assert parse_tag_list(source) == tags


@pytest.mark.parametrize("source", [*BAD, b" ; "])
def test_bad(source: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse_tag_list(source)
    assert 0 <= caught.value.start <= len(source)
    assert "^" in caught.value.pointed()


def test_a_repeated_tag_spoils_the_list() -> None:
    with pytest.raises(DuplicateTagError, match="tag a stands twice"):
        parse_tag_list(b"a=1; b=2; a=1")


def test_too_many_tags() -> None:
    with pytest.raises(ParseError, match="more than"):
        parse_tag_list(b";".join(b"a%d=1" % number for number in range(1000)))


def test_as_many_tags_as_permitted() -> None:
    tags = [b"a%d=1" % number for number in range(MAX_TAGS)]
    assert len(parse_tag_list(b";".join(tags))) == MAX_TAGS
    assert len(parse_tag_list(b";".join(tags) + b"; ")) == MAX_TAGS
    with pytest.raises(ParseError, match="more than"):
        parse_tag_list(b";".join([*tags, b"b=1"]))


def test_a_hostile_list_takes_little_memory() -> None:
    source = b";" * (4 << 20)
    tracemalloc.start()
    with pytest.raises(ParseError, match="more than"):
        parse_tag_list(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(source)


def test_values() -> None:
    assert split_values(b"From : To:\r\n\tSubject") == [b"From", b"To", b"Subject"]
    assert without_blanks(b"ab\r\n\t cd ") == b"abcd"


@given(st.binary(max_size=200) | st.text("ab=;: \t\r\n", max_size=60).map(str.encode))
def test_any_bytes(source: bytes) -> None:
    """Returns tags, or raises ParseError; what was parsed can be written and parsed again."""
    try:
        tags = parse_tag_list(source)
    except ParseError:
        return
    written = b";".join(name + b"=" + value for name, value in tags.items())
    assert parse_tag_list(written) == tags
