"""Expansion strings to templates: recursive descent over bytes (Exim specification §11.1-11.5).

    template   = *( text / escape / verbatim / reference )
    escape     = "\\" ( 1*3octal / "x" *2hex / any )
    verbatim   = "\\N" *any ( "\\N" / end )
    reference  = "$" name / "$" 1*digit / "$" header / "${" name "}" / "${" 1*digit "}" / operator / item
    header     = [ "r" / "b" / "l" ] ( "h_" / "header_" ) *graphic [ ":" ]
    operator   = "${" name [ "_" arguments ] ":" template "}"
    item       = "${" name … "}"                      (items.py; conditions in conditions.py)
    argument   = "{" template "}"

A brace alone is text; inside an argument the first "}" ends it. Everything is parsed, also what will not be evaluated,
so that a fault is found whatever the message is. Faults raise ExpansionError with Exim's words and the place.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import ESCAPE, printable, resolve
from exim_dkim.expansion.nodes import LONGEST_KEPT, Capture, Header, Literal, Node, Operator, Template, Variable
from exim_dkim.expansion.value import Value, plain
from exim_dkim.expansion.variables import acl_hint, is_known
from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.expansion.evaluate import State

MAX_DEPTH: Final = 500  # templates in templates; Exim has no limit, real configurations stay below 20
_FRAMES_PER_LEVEL: Final = 12
USUAL_DEPTH: Final = 30  # that much fits into Python's own limit
_CACHED_TEMPLATES: Final = 512
_LONGEST_NAME: Final = 255

BLANKS: Final = b" \t\n\r\v\f"
_SKIP_BLANKS = lazy_pattern(rb"[ \t\n\r\v\f]*")
_TEXT = lazy_pattern(rb"[^$\\]+")
_TEXT_IN_BRACES = lazy_pattern(rb"[^$\\}]+")
_TEXT_WITHOUT_REFERENCES = lazy_pattern(rb"[^\\}]+")
_HEADER = lazy_pattern(rb"([rbl]?)h(?:_|eader_)([!-9;-~]*):?")
_NAME = lazy_pattern(rb"[A-Za-z][A-Za-z0-9_]*")
_WORD = lazy_pattern(rb"[A-Za-z][A-Za-z0-9_-]*")
_DIGITS = lazy_pattern(rb"[0-9]+")
_PLAIN_NAME = lazy_pattern(rb"[A-Za-z0-9_]*")

# The names of all items; their grammar is in items.py, which is imported only when a template has one.
ITEM_NAMES: Final = frozenset(
    b"""acl authresults certextract dlfunc env extract filter hash hmac if imapfolder length listextract listquote
    lookup map nhash perl prvs prvscheck readfile readsocket reduce run sg sort srs_encode substr tr""".split()
)


@lru_cache(_CACHED_TEMPLATES)
def parse_template(text: bytes) -> Template:
    """The template of an expansion string. Raises ExpansionError."""
    parser = Parser(text)
    with room_for(min(text.count(b"{"), MAX_DEPTH + 1)):
        return parser.template(braced=False)


@contextmanager
def room_for(depth: int) -> Iterator[None]:
    """Let Python recurse as deep as `depth` nested templates need; how deep that can be, MAX_DEPTH says."""
    limit = sys.getrecursionlimit()
    if depth <= USUAL_DEPTH:
        yield
        return
    sys.setrecursionlimit(limit + depth * _FRAMES_PER_LEVEL)
    try:
        yield
    except RecursionError:
        raise ExpansionError("expansions are nested deeper than this Python can go") from None
    finally:
        sys.setrecursionlimit(limit)


class Parser:
    """Reads one source. `position` is the next byte; the parsing methods leave it behind what they have read."""

    __slots__ = ("_deepest", "_depth", "_header_has_brace", "position", "source")

    def __init__(self, source: bytes) -> None:
        self.source = source.partition(b"\0")[0]  # strings end at a NUL
        self.position = 0
        self._depth = 0
        self._deepest = 0
        self._header_has_brace = False

    def template(self, *, braced: bool, references: bool = True) -> Template:
        """A template up to the end, or, if `braced`, up to the brace that ends it, which stays."""
        self.deeper()
        parts = self._parts(braced, references)
        self.shallower()
        template = Template(self.source, parts, self._deepest)
        text = template.constant
        if text is not None and len(text) <= LONGEST_KEPT:
            template.keep(plain(text.partition(b"\0")[0]))
        else:
            template.run = lambda state: _run_first(template, state)
        return template

    def deeper(self) -> None:
        """Go one level down; `shallower` comes back. Raises ExpansionError at the limit."""
        self._depth += 1
        self._deepest = max(self._deepest, self._depth)
        if self._depth > MAX_DEPTH:
            raise self.error(f"expansions are nested more than {MAX_DEPTH} deep")

    def shallower(self) -> None:
        """Come back from a level down."""
        self._depth -= 1

    def _parts(self, braced: bool, references: bool) -> tuple[Node, ...]:
        source = self.source
        if not braced and b"$" not in source and b"\\" not in source:
            text, self.position = source[self.position :], len(source)
            return (Literal(text),) if text else ()
        run = (_TEXT_IN_BRACES if references else _TEXT_WITHOUT_REFERENCES) if braced else _TEXT
        parts: list[Node] = []
        texts: list[bytes] = []
        while self.position < len(source):
            match = run.match(source, self.position)
            if match is not None:
                texts.append(match[0])
                self.position = match.end()
            elif source[self.position] == 0x5C:
                texts.append(self._escape())
            elif source[self.position] == 0x7D:
                break
            else:
                if texts:
                    parts.append(Literal(b"".join(texts)))
                    texts = []
                parts.append(self._reference())
        else:
            if braced:
                hint = " - could be header name not terminated by colon" if self._header_has_brace else ""
                raise self.error("missing } at end of string" + hint)
        if texts:
            parts.append(Literal(b"".join(texts)))
        return tuple(parts)

    def _escape(self) -> bytes:
        """What stands behind a backslash."""
        if self.source.startswith(b"\\N", self.position):
            start = self.position + 2
            end = self.source.find(b"\\N", start)
            self.position = len(self.source) if end < 0 else end + 2
            return self.source[start:] if end < 0 else self.source[start:end]
        match = ESCAPE.match(self.source, self.position)
        if match is None:
            raise self.error("\\ at end of string")
        self.position = match.end()
        return resolve(match)

    def _reference(self) -> Node:
        """What stands behind a dollar."""
        start = self.position
        self.position += 1
        if (match := _HEADER.match(self.source, self.position)) is not None:
            return self.header(match)
        if (match := _NAME.match(self.source, self.position)) is not None:
            self.position = match.end()
            return self._variable(match[0][:_LONGEST_NAME], start, b'variable name "%s"')
        if (match := _DIGITS.match(self.source, self.position)) is not None:
            self.position = match.end()
            return Capture(_small(match[0]))
        if not self.at(b"{"):
            raise self.error("$ not followed by letter, digit, or {", start)
        self.position += 1
        return self._in_braces(start)

    def header(self, match: re.Match[bytes]) -> Header:
        """A header variable, from the match of its name."""
        self.position = match.end()
        name = match[2][: _LONGEST_NAME - 1]
        self._header_has_brace = self._header_has_brace or b"}" in name
        return Header(match[1] + b"h", name.lower() + b":")

    def match_header(self) -> re.Match[bytes] | None:
        """The match of a header variable's name at this place, if it is one."""
        return _HEADER.match(self.source, self.position)

    def _variable(self, name: bytes, start: int, shown: bytes) -> Variable:
        if not is_known(name):
            raise self.error(f"unknown {printable(shown % name)}{acl_hint(name)}", start)
        return Variable(name, start)

    def _in_braces(self, start: int) -> Node:
        """What stands behind `${`."""
        if (match := _DIGITS.match(self.source, self.position)) is not None:
            self.position = match.end()
            if not self.at(b"}"):
                raise self.error("} expected after number")
            self.position += 1
            return Capture(_small(match[0]))
        match = _WORD.match(self.source, self.position)
        if match is None:
            raise self.error("letter or digit expected after ${", start)
        self.position = match.end()
        name = match[0][:_LONGEST_NAME]
        if name in ITEM_NAMES:
            from exim_dkim.expansion.items import parse_item

            return parse_item(self, name, start)
        if self.at(b":"):
            return self._operator(name, start)
        if self.at(b"}"):
            self.position += 1
            return self._variable(name, start, b'variable in "${%s}"')
        raise self.error(
            f'"${{{printable(name)}" is not a known operator (or a }} is missing in a variable reference)', start
        )

    def _operator(self, name: bytes, start: int) -> Operator:
        from exim_dkim.expansion.operators import find_operator

        self.position += 1
        operand = self.template(braced=True)
        self.position += 1
        try:
            function, arguments = find_operator(name)
        except ExpansionError as error:
            raise self.error(error.message, start) from None
        return Operator(name, arguments, operand, function, start)

    # What items and conditions are made of.

    def at(self, text: bytes) -> bool:
        """Whether the source goes on with `text`."""
        return self.source.startswith(text, self.position)

    def skip_blanks(self) -> None:
        """Go to the next byte that is no white space."""
        match = _SKIP_BLANKS.match(self.source, self.position)
        assert match is not None
        self.position = match.end()

    def word(self) -> bytes:
        """A name of letters, digits and underscores; may be empty."""
        match = _PLAIN_NAME.match(self.source, self.position)
        assert match is not None
        self.position = match.end()
        return match[0][:_LONGEST_NAME]

    def argument(self, *, references: bool = True) -> Template:
        """`{template}`; the position is at the opening brace."""
        self.position += 1
        template = self.template(braced=True, references=references)
        self.position += 1
        return template

    def arguments(self, name: bytes, least: int, most: int) -> list[Template]:
        """All arguments of an item, and the brace that ends it."""
        found: list[Template] = []
        self.skip_blanks()
        while self.at(b"{") and len(found) < most:
            found.append(self.argument())
            self.skip_blanks()
        if len(found) < least:
            raise self.brace_error(f"Not enough arguments for '{printable(name)}' (min is {least})")
        if self.at(b"{"):
            raise self.error(f"Too many arguments for '{printable(name)}' (max is {most})")
        if not self.at(b"}"):
            raise self.brace_error(f"missing '}}' after '{printable(name)}'")
        self.position += 1
        return found

    def error(self, message: str, start: int | None = None) -> ExpansionError:
        """A fault at `start`, or here."""
        return ExpansionError(message, self.source, self.position if start is None else start)

    def brace_error(self, message: str = "missing or misplaced { or }") -> ExpansionError:
        """A fault of braces here."""
        if self._header_has_brace:
            message = "missing or misplaced { or } - could be header name not terminated by colon"
        return self.error(message)


def _run_first(template: Template, state: State) -> Value:
    from exim_dkim.expansion.compile import run_first

    return run_first(template, state)


def _small(digits: bytes) -> int:
    """A number of which only small values matter."""
    return int(digits[:9])
