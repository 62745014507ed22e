"""Pieces of structured fields, and the place of what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ParseError
from exim_dkim.structured import Scanner, one_line, unquote


def test_blanks_and_comments_are_skipped_and_kept() -> None:
    scanner = Scanner(" (a (b)\\)) \r\n\t(c)word")
    scanner.skip()
    assert scanner.text[scanner.position :] == "word"
    assert scanner.drain() == ("a (b))", "c")
    assert scanner.drain() == ()


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("token;x", "token", ";x"),
        ('"a \\"b\\" c" x', 'a "b" c', " x"),
        ('"a b"@example.org x', '"a b"@example.org', " x"),
        ("<a@b>(c)", "<a@b>", "(c)"),
        ('"folded\r\n here"', "folded here", ""),
    ],
)
def test_values(text: str, value: str, rest: str) -> None:
    scanner = Scanner(text)
    assert scanner.value("it") == value
    assert scanner.text[scanner.position :] == rest


@pytest.mark.parametrize(("text", "start"), [("ab (c", 3), ("ü (", 3), ("x (a\\", 2)])
def test_the_place_of_a_fault(text: str, start: int) -> None:
    scanner = Scanner(text)
    scanner.value("it")
    with pytest.raises(ParseError) as caught:
        scanner.skip()
    assert (caught.value.message, caught.value.start) == ("a comment does not end", start)


def test_one_line() -> None:
    assert one_line(" a\r\n\tb\0c\u2028d\udcff\n") == "a\tb c d?".replace("\t", " ")
    assert unquote('"a\\\\\\"b"') == 'a\\"b'


@given(st.text(st.sampled_from('()\\" \r\nab;\0ü')))
@settings(max_examples=300, deadline=None)
def test_a_scanner_ends_or_says_why_not(text: str) -> None:
    scanner = Scanner(text)
    place = 0
    try:
        while not scanner.at_end():
            scanner.value("a word")
    except ParseError as error:
        place = error.start
    assert 0 <= place <= len(text.encode())
