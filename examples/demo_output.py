"""How the demonstration looks: headings, what each side said beside its name, the table at the end."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from typing import ClassVar, NamedTuple


class Case(NamedTuple):
    """One thing to show. `domain` is the author's, and the key of the look-up."""

    word: str
    story: str
    domain: str = "example.org"


class Shown(NamedTuple):
    """What came of a case: the answer, the message that was asked about, and what each side said, as (who, lines)."""

    answer: str
    message: bytes
    said: tuple[tuple[str, list[str]], ...]


class Paint:
    """ANSI colours, where somebody looks on and has not said NO_COLOR."""

    WORDS: ClassVar = {"good": "32", "bad": "31", "defer": "33", "unsigned": "35", "unverified": "36"}

    def __init__(self) -> None:
        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.on = terminal and not os.environ.get("NO_COLOR")

    def __call__(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.on else text

    def word(self, word: str, width: int = 0) -> str:
        return self(f"1;{self.WORDS.get(word, '1')}", word.ljust(width))

    def words_in(self, line: str) -> str:
        """A line of a log or a header with the look-up's word in its colour."""
        return re.sub(r"(?<=DKIM )[a-z]+(?= for)|(?<=[a-z]=)[a-z]+$", lambda found: self.word(found[0]), line)


paint = Paint()


def say(text: str = "") -> None:
    print(text, flush=True)


def heading(text: str) -> None:
    say()
    say(paint("1", text))


def quote(who: str, lines: list[str]) -> None:
    """What one side said, beside its name."""
    for number, line in enumerate(lines):
        say(f"  {paint('36', (who if number == 0 else '').ljust(14))} {paint('2', '|')} {paint.words_in(line)}")


def show(case: Case, number: int, shown: Shown, why: str) -> None:
    heading(f"{number}. {case.word}")
    say(textwrap.fill(case.story, 100))
    say()
    for who, lines in shown.said:
        quote(who, lines)
    quote("the reason", [why])
    mark = paint("32", "as expected") if shown.answer == case.word else paint("31", f"expected {case.word}")
    say(f"  {paint('36', 'the answer'.ljust(14))} {paint('2', '|')} {paint.word(shown.answer)}   ({mark})")


def summary(shown: list[tuple[Case, Shown]], count: int) -> bool:
    """The table at the end; whether all was as expected, of which there should be `count`."""
    heading("Summary: what ${acl {lookup_dkim}{DOMAIN}} answered")
    say()
    for case, one in shown:
        fits = one.answer == case.word
        mark = paint("32", "ok") if fits else paint("1;31", f"WRONG, expected {case.word}")
        say(f"  {paint.word(one.answer, 11)} {mark}   {case.domain}: {case.story}")
    right = sum(one.answer == case.word for case, one in shown)
    complete = right == len(shown) == count
    say()
    say(paint("1;32" if complete else "1;31", f"{right} of {count} answers were as expected."))
    return complete
