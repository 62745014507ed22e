"""map, filter, reduce, sort: taint, scope, limits; the tables against Exim are in tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Value, expand, parse_template, split_list

LISTS = {b"sender_address": Value(b"a:b:c", True), b"acl_m_list": Value(b"a:b:c", False)}


class Mail(EmptyEnvironment):
    """An environment with one list that came with mail, one that did not, and others."""

    def __init__(self, more: dict[bytes, Value]) -> None:
        self._texts = LISTS | more

    def variable(self, name: bytes) -> Value | None:
        return self._texts.get(name)


def value(template: bytes, **more: Value) -> Value:
    return expand(parse_template(template), Mail({name.encode(): text for name, text in more.items()}))


@pytest.mark.parametrize(
    ("template", "tainted"),
    [
        (b"${map{$sender_address}{$item}}", True),
        (b"${map{$sender_address}{x}}", False),
        (b"${map{$acl_m_list}{$item}}", False),
        (b"${filter{$sender_address}{eq{$item}{a}}}", True),
        (b"${reduce{$sender_address}{}{$value$item}}", True),
        (b"${reduce{$sender_address}{0}{${eval:$value+1}}}", False),
        (b"${sort{$sender_address}{lt}{$item}}", True),
        (b"${sort{$acl_m_list}{lt}{$item}}", False),
        (b"${sg{$acl_m_list}{a}{b}}", False),
        (b"${sg{$sender_address}{a}{b}}", True),
        (b"${tr{$sender_address}{a}{b}}", True),
        (b"${md5:$sender_address}", False),
        (b"${base64:$sender_address}", True),
        (b"${hash_2:$sender_address}", True),
        (b"${nhash_2:$sender_address}", False),
        (b"${if match{$sender_address}{(.)}{$1}}", True),
        (b"${if match{$acl_m_list}{(.)}{$1}}", False),
        (b"${extract json{1}{[$sender_address]}}", True),
    ],
)
def test_taint(template: bytes, tainted: bool) -> None:
    assert value(template).tainted == tainted


def test_what_came_with_mail_does_not_choose_the_separator() -> None:
    text = Value(b"<;a;b", True)
    assert value(b"${map{$sender_helo_name}{[$item]}}", sender_helo_name=text).text == b"[a;b]"


def test_what_is_expanded_again_must_not_be_tainted() -> None:
    for template in (b"${sg{a}{a}{$acl_m_bad}}", b"${expand:$acl_m_bad}"):
        with pytest.raises(ExpansionError, match="attempt to expand tainted string"):
            value(template, acl_m_bad=Value(b"$primary_hostname", True))


def test_strings_that_expand_themselves_are_bounded() -> None:
    with pytest.raises(ExpansionError, match="nested more than 20 deep"):
        value(b"${expand:$acl_m_again}", acl_m_again=Value(b"${expand:$acl_m_again}", False))


def test_results_are_bounded() -> None:
    items = b":".join([b"a"] * 2000)
    for template in (b"${map{%s}{$acl_m_big}}", b"${reduce{%s}{}{$value$acl_m_big}}", b"${sg{%s}{a}{$acl_m_big}}"):
        with pytest.raises(ExpansionError, match="longer than 1048576 bytes"):
            value(template % items, acl_m_big=Value(b"x" * 1000, False))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab:; ", min_size=1).map(str.encode), max_size=8))
def test_map_and_filter_keep_lists_whole(items: list[bytes]) -> None:
    """What `map` makes of a list without changing anything has the same items."""
    text = b":".join((b" " if not item or item.startswith(b":") else b"") + item.replace(b":", b"::") for item in items)
    text = text.replace(b";", b"")
    before = split_list(text)
    for template in (b"${map{%s}{$item}}", b"${filter{%s}{bool{true}}}"):
        result = split_list(value(template % text).text)
        assert result == before or b"" in before


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-50, 50), max_size=20), st.sampled_from(["<", "<=", ">", ">="]))
def test_sorting_sorts(numbers: list[int], order: str) -> None:
    text = b":".join(b"%d" % number for number in numbers)
    result = value(b"${sort{%s}{%s}{$item}}" % (text, order.encode())).text
    assert [int(item) for item in split_list(result)] == sorted(numbers, reverse=order.startswith(">"))
