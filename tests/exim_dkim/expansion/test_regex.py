"""Regular expressions: what they capture, what they may cost. Tables against Exim: tests/vectors/expansion."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Value, expand, parse_template
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.regex import MAX_EXHAUSTED, search, search_all
from tests.support.expansion import attempt

HOSTILE = b"a" * 40 + b"b"


def state() -> State:
    return State(EmptyEnvironment(), {})


def test_captures_have_the_taint_of_the_subject() -> None:
    for tainted in (False, True):
        found = search(rb"b(c)?(d)?", Value(b"abcx", tainted), state())
        assert found is not None
        assert (found.start, found.end) == (1, 3)
        assert found.captures == (Value(b"bc", tainted), Value(b"c", tainted), Value(b"", False))


def test_case_counts_unless_it_is_told_not_to() -> None:
    assert search(b"B", Value(b"abc", False), state()) is None
    assert search(b"B", Value(b"abc", False), state(), caseless=True) is not None
    assert search(b"(?-i)B", Value(b"abc", False), state(), caseless=True) is None


@pytest.mark.parametrize("pattern", [rb"^(a+)+$", rb"(*LIMIT_MATCH=4000000000)^(a+)+$", rb"(*UTF)^(a|a)*$"])
def test_what_takes_too_many_steps_is_no_match(pattern: bytes) -> None:
    current = state()
    assert search(pattern, Value(HOSTILE, True), current) is None
    assert list(search_all(pattern, Value(HOSTILE, True), current)) == []
    assert current.exhausted == 2


def test_too_many_such_matches_are_an_error() -> None:
    items = b":".join([HOSTILE] * (MAX_EXHAUSTED + 1))
    template = parse_template(b"${if forany{" + items + b"}{match{$item}{\\N^(a+)+$\\N}}{y}{n}}")
    with pytest.raises(ExpansionError, match="have taken too many steps"):
        expand(template, EmptyEnvironment())


def test_a_large_subject_is_searched() -> None:
    subject = Value(b"x" * 1_000_000 + b"y", True)
    assert search(b"y$", subject, state()) is not None
    assert sum(1 for _ in search_all(b"x", subject, state())) == 1_000_000


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (b"(", 'regular expression error in "(": missing closing parenthesis at offset 1'),
        (b"a[", 'regular expression error in "a[": missing terminating ] for character class at offset 2'),
        (b"\x01(", r'regular expression error in "\x01("'),
        (b"(" * 300 + b")" * 300, "parentheses are too deeply nested"),
        (b"((a{1000}){1000}){1000}", "regular expression is too large"),
    ],
)
def test_what_is_no_pattern(pattern: bytes, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        search(pattern, Value(b"x", False), state())
    assert message in caught.value.message


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from([b"(", b")", b"[", b"]", b"a", b"*", b"+", b"?", b"|", b"\\", b"{2}", b"^", b"$", b"(?"])),
    st.binary(max_size=20),
)
def test_any_pattern_matches_or_is_wrong(pieces: list[bytes], subject: bytes) -> None:
    pattern = b"".join(pieces)
    found = attempt(search, pattern, Value(subject, True), state())
    if found is not None and not isinstance(found, ExpansionError):
        assert subject[found.start : found.end] == found.captures[0].text
    assert attempt(lambda: [one.end for one in search_all(pattern, Value(subject, True), state())]) is not None
