"""Templates from bytes: any bytes are a template, or one documented error with its place."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, expand, parse_template
from exim_dkim.expansion.parse import MAX_DEPTH
from tests.support.expansion import attempt

PIECES = st.sampled_from(
    b"$|${|{|}|:|\\|\\N| |if|eq|lookup|lsearch|{/x}|lc|h_a|h_from:|and|or|!|def:|extract|1|fail|sender_address|"
    b"readfile|substr_1|forany".split(b"|")
)
ANY = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=24).map(b"".join))


@settings(max_examples=400, deadline=None)
@given(ANY)
def test_any_bytes_are_a_template_or_an_error_with_its_place(text: bytes) -> None:
    template = attempt(parse_template, text)
    if isinstance(template, ExpansionError):
        assert template.message
        assert 0 <= template.start <= len(text)
        assert template.pointed()
        return
    value = attempt(expand, template, EmptyEnvironment())
    assert value.message if isinstance(value, ExpansionError) else b"\0" not in value.text


@given(st.text(alphabet=st.characters(exclude_characters="$\\\0", codec="utf-8")))
def test_text_without_dollar_and_backslash_stands_for_itself(text: str) -> None:
    template = parse_template(text.encode())
    assert template.constant == text.encode()
    assert expand(template, EmptyEnvironment()).text == text.encode()


@pytest.mark.parametrize(
    ("text", "message", "start"),
    [
        (b"ab $", "$ not followed by letter, digit, or {", 3),
        (b"ab ${lc:x", "missing } at end of string", 9),
        (b"a $nosuch b", 'unknown variable name "nosuch"', 2),
        (b"x ${nosuch:y}", 'unknown expansion operator "nosuch"', 2),
        (b"${if xyz{a}{b}}", 'unknown condition "xyz"', 5),
        (b"${lc:$h_from}", "missing } at end of string - could be header name not terminated by colon", 13),
        (b"${run{a}}", 'expansion item "run" has no meaning outside Exim: a command must not be run', 0),
        (b"a ${xtextd:b}", 'operator "xtextd" has no meaning outside Exim: it decodes', 2),
        (b"${lookup{a}nis{/x}}", 'lookup type "nis" is not supported', 11),
        (b"${if pam{a}}", 'condition "pam" has no meaning outside Exim', 5),
    ],
)
def test_an_error_tells_its_place(text: bytes, message: str, start: int) -> None:
    with pytest.raises(ExpansionError) as caught:
        parse_template(text)
    assert caught.value.message.startswith(message)
    assert caught.value.start == start


def nested(depth: int) -> bytes:
    return b"${lc:" * depth + b"A" + b"}" * depth


@pytest.mark.parametrize("depth", [1, 29, 30, MAX_DEPTH - 1])
def test_deep_nesting_is_evaluated(depth: int) -> None:
    limit = sys.getrecursionlimit()
    assert expand(parse_template(nested(depth)), EmptyEnvironment()).text == b"a"
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_DEPTH),
        nested(20000),
        b"${if and{" + b"{and{" * 2000,
        b"${if " + b"!" * 20000,
        b"${if eq{" * 5000,
        b"${lookup{" * 5000,
        b"${extract{" * 5000,
    ],
)
def test_deeper_nesting_is_refused(text: bytes) -> None:
    limit = sys.getrecursionlimit()
    with pytest.raises(ExpansionError):
        parse_template(text)
    assert sys.getrecursionlimit() == limit


def test_deep_conditions_are_evaluated() -> None:
    text = b"${if " + b"and{{" * 200 + b"eq{a}{a}" + b"}}" * 200 + b"{yes}{no}}"
    assert expand(parse_template(text), EmptyEnvironment()).text == b"yes"


def test_a_template_is_parsed_once() -> None:
    assert parse_template(b"${lc:once}") is parse_template(b"${lc:once}")


def test_a_nul_ends_a_template() -> None:
    assert parse_template(b"abc\0${").constant == b"abc"
