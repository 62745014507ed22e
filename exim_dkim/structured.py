"""Structured field values (RFC 5322 §3.2, RFC 2045 §5.1): blanks, comments, quoted strings and tokens in turn.

A `Scanner` goes through the text once. Comments may nest as deep as they like: depth is counted, not recursed into.
Whatever is wrong is a `ParseError`. Text is UTF-8 (RFC 6532); bytes that are not, are surrogates.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from exim_dkim.errors import ParseError

QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
RUN: Final = re.compile(r'[^\s;()"\x00-\x1f\x7f]+')
"""What stands without quotes between blanks, comments and semicolons."""
KEYWORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
"""RFC 5321 §4.1.2; the _ is seen in mail."""

_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_PLAIN: Final = re.compile(r"[^()\\]+")
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_FOLD: Final = re.compile(r"\r?\n(?=[ \t])")
_NOT_PRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_UTF8: Final = re.compile(r"[\ud800-\udfff]")


def one_line(text: str) -> str:
    """`text` unfolded, without control characters, and such that it can be UTF-8."""
    return _NOT_PRINTABLE.sub(" ", _NOT_UTF8.sub("?", _FOLD.sub("", text))).strip(" ")


def unquote(quoted: str) -> str:
    """What a quoted string says, without its quotes and backslashes."""
    return _QUOTED_PAIR.sub(r"\1", quoted[1:-1])


class Scanner:
    """A place in the text of a field, and the comments that were met on the way to it."""

    __slots__ = ("comments", "position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.comments: list[str] = []

    def fail(self, message: str) -> NoReturn:
        """Raises `ParseError` for this place."""
        source = self.text.encode("utf-8", "surrogateescape")
        start = len(self.text[: self.position].encode("utf-8", "surrogateescape"))
        raise ParseError(message, source, min(start, len(source)))

    def skip(self) -> None:
        """Blanks and comments."""
        while True:
            blanks = _BLANKS.match(self.text, self.position)
            if blanks:
                self.position = blanks.end()
            if not self.text.startswith("(", self.position):
                return
            self.comments.append(self._comment())

    def _comment(self) -> str:
        """A comment's text; `depth` is counted, so that nesting costs nothing."""
        parts: list[str] = []
        start = self.position
        self.position += 1
        depth = 1
        while True:
            if plain := _PLAIN.match(self.text, self.position):
                parts.append(plain[0])
                self.position = plain.end()
            next_two = self.text[self.position : self.position + 2]
            if not next_two or next_two == "\\":
                self.position = start
                self.fail("a comment does not end")
            if next_two[0] == "\\":
                parts.append(next_two[1])
                self.position += 2
                continue
            depth += 1 if next_two[0] == "(" else -1
            self.position += 1
            if not depth:
                return one_line("".join(parts))
            parts.append(next_two[0])

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """What matches here, or None."""
        found = pattern.match(self.text, self.position)
        if not found:
            return None
        self.position = found.end()
        return found[0]

    def take_mark(self, mark: str) -> bool:
        """Whether `mark` comes next, after blanks and comments; it is taken."""
        self.skip()
        found = self.text.startswith(mark, self.position)
        self.position += found
        return found

    def keyword(self, what: str) -> str:
        """A keyword, in lower case."""
        self.skip()
        return (self.take(KEYWORD) or self.fail(f"{what} is missing")).lower()

    def value(self, what: str) -> str:
        """A token, a quoted string (without its quotes), an address, or what else stands here without a blank."""
        self.skip()
        start = self.position
        while self.take(QUOTED) or self.take(RUN):
            pass
        written = self.text[start : self.position]
        if not written:
            self.fail(f"{what} is missing")
        return one_line(unquote(written)) if QUOTED.fullmatch(written) else written

    def drain(self) -> tuple[str, ...]:
        """The comments met since the last call."""
        comments, self.comments = tuple(self.comments), []
        return comments

    def at_end(self) -> bool:
        """Whether nothing comes but blanks and comments; they are taken."""
        self.skip()
        return self.position >= len(self.text)
