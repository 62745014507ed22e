"""Mailboxes in header fields (RFC 5322 §3.4, §4.4; RFC 6532): From, Sender, Resent-From and the like.

Strict but complete: comments, folding, groups and the obsolete forms are read, and anything else is a `ParseError`.
Nothing is guessed, since what one reader guesses another one shows differently. Where the RFCs leave room:

* Bytes above 127 may stand in comments and display names in any encoding, in a local part only as UTF-8 (RFC 6532).
* NUL, and a CR or LF that folds nothing, are refused anywhere; other controls in a local part.
* An address without a domain is no mailbox.

Exim's own, more liberal reading is `expansion/addresses.py`. Comments nest without recursion; the time is linear,
and bounded by `MAX_STEPS`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.lazypattern import lazy_pattern

MAX_MAILBOXES: Final = 1000
"""Mailboxes of one field: more than a person can have meant, and all that are kept in memory."""
MAX_STEPS: Final = 25 * MAX_MAILBOXES
"""Tokens and parentheses of one field: an address with a display name and a comment has about fifteen."""
MAX_LOCAL: Final = 985
"""Bytes of a local part. RFC 5321 §4.5.3.1.1 says 64, which real addresses exceed; this is the limit of Exim 4.97."""

_BLANKS = lazy_pattern(rb"[ \t]*+")
_TOKEN = lazy_pattern(
    rb"([0-9A-Za-z!#$%&'*+/=?^_`{|}~\x80-\xff-]++)"  # atom
    rb'|"((?:[^"\\]|\\.)*+)"'  # quoted string
    rb"|\[((?:[^\[\]\\]|\\.)*+)\]"  # domain literal
    rb"|([<>@,:;.])",
    re.DOTALL,
)
_ATOM, _QUOTED, _LITERAL, _SPECIAL = range(1, 5)  # the groups of _TOKEN
_END: Final = 0
_COMMENT_STEP = lazy_pattern(rb"[^()\\]*+(?:(\()|(\))|\\.)", re.DOTALL)
_QUOTED_PAIR = lazy_pattern(rb"\\(.)", re.DOTALL)
_DOT_ATOM = lazy_pattern(rb"[0-9A-Za-z!#$%&'*+/=?^_`{|}~\x80-\xff-]+(?:\.[0-9A-Za-z!#$%&'*+/=?^_`{|}~\x80-\xff-]+)*+")
_CONTROL = lazy_pattern(rb"[\x01-\x1f\x7f]")


class Mailbox(NamedTuple):
    """An address without comments, blanks and display name.

    `local` is quoted only where it must be (`"a b"`), `domain` as written, or a domain literal with its brackets.
    """

    local: bytes
    domain: bytes

    @property
    def address(self) -> bytes:
        """The whole address."""
        return self.local + b"@" + self.domain


class Group(NamedTuple):
    """A named list of mailboxes, perhaps empty: `Friends: a@example.org, b@example.org;`."""

    mailboxes: tuple[Mailbox, ...]


def parse_address_list(value: bytes) -> tuple[Mailbox | Group, ...]:
    """The addresses in a field's value, folded or not; none if it is blank. Raises ParseError."""
    return _Reader(value).address_list()


class _Reader:
    """Tokens from left to right, with the next one in `kind` (a group of _TOKEN, or _END) and `text`."""

    __slots__ = ("_count", "_next", "_source", "_steps", "kind", "start", "text")

    def __init__(self, value: bytes) -> None:
        self._source = value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
        for fault in (b"\0", b"\r", b"\n"):
            if fault in self._source:
                raise ParseError("a NUL, or a line end that folds nothing", self._source, self._source.find(fault))
        self._next = 0
        self._count = 0
        self._steps = 0
        self.advance()

    def advance(self) -> None:
        """Step to the next token, over comments and white space."""
        self._count_step()
        self.start = self._skip(self._next)
        if self.start == len(self._source):
            self.kind, self.text = _END, b""
            return
        token = _TOKEN.match(self._source, self.start)
        if token is None or token.lastindex is None:
            raise self.error("a character that cannot stand here")
        self.kind = token.lastindex
        self.text = token[self.kind]
        self._next = token.end()

    def _skip(self, position: int) -> int:
        """Where the comments and blanks at `position` end (RFC 5322 §3.2.2)."""
        while True:
            match = _BLANKS.match(self._source, position)
            assert match is not None  # it matches nothing, too
            position = match.end()
            if self._source[position : position + 1] != b"(":
                return position
            position = self._comment_end(position)

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ParseError(f"more than {MAX_STEPS} tokens and parentheses", self._source, self._next)

    def _comment_end(self, start: int) -> int:
        depth, position = 0, start
        while True:
            self._count_step()
            step = _COMMENT_STEP.match(self._source, position)
            if step is None:
                raise ParseError("a comment that does not end", self._source, start)
            position = step.end()
            if step[1]:
                depth += 1
            elif step[2]:
                depth -= 1
                if not depth:
                    return position

    def error(self, message: str) -> ParseError:
        """A complaint about the token at hand."""
        return ParseError(message, self._source, self.start)

    def at(self, special: bytes) -> bool:
        """Whether the next token is this character."""
        return self.kind == _SPECIAL and self.text == special

    def expect(self, special: bytes, what: str) -> None:
        """Step over a character that must be there."""
        if not self.at(special):
            raise self.error(f"{what} expected")
        self.advance()

    def address_list(self) -> tuple[Mailbox | Group, ...]:
        """address-list and obs-addr-list, in which members may be missing."""
        addresses: list[Mailbox | Group] = []
        while self.kind != _END:
            if not self.at(b","):
                addresses.append(self._address(groups=True))
            if self.kind != _END:
                self.expect(b",", "a comma")
        return tuple(addresses)

    def _address(self, groups: bool) -> Mailbox | Group:
        words = self._words()
        if self.at(b"@"):
            return self._mailbox(words)
        if self.at(b"<"):
            self._check_phrase(words)
            return self._angle_address()
        if self.at(b":") and words and groups:
            self._check_phrase(words)
            return self._group()
        raise self.error("an address without a domain" if words else "an address expected")

    def _words(self) -> list[tuple[int, bytes]]:
        """What may become a display name or a local part: atoms, quoted strings and dots."""
        words = []
        while self.kind in (_ATOM, _QUOTED) or self.at(b"."):
            words.append((self.kind, self.text))
            self.advance()
        return words

    def _check_phrase(self, words: list[tuple[int, bytes]]) -> None:
        """obs-phrase: dots may stand anywhere but first."""
        if words and words[0][0] == _SPECIAL:
            raise self.error("a display name cannot begin with a dot")

    def _group(self) -> Group:
        self.advance()
        members: list[Mailbox] = []
        while not self.at(b";"):
            if not self.at(b","):
                member = self._address(groups=False)
                assert isinstance(member, Mailbox)
                members.append(member)
            if not self.at(b";"):
                self.expect(b",", "a comma or a semicolon")
        self.advance()
        return Group(tuple(members))

    def _angle_address(self) -> Mailbox:
        self.advance()
        if self.at(b"@") or self.at(b","):
            self._route()
        mailbox = self._mailbox(self._words())
        self.expect(b">", "a closing angle bracket")
        return mailbox

    def _route(self) -> None:
        """obs-route: a source route, which means nothing any more."""
        while not self.at(b":"):
            if self.at(b","):
                self.advance()
                continue
            self.expect(b"@", "an @ of the route")
            self._domain()
        self.advance()

    def _mailbox(self, words: list[tuple[int, bytes]]) -> Mailbox:
        self._count += 1
        if self._count > MAX_MAILBOXES:
            raise self.error(f"more than {MAX_MAILBOXES} mailboxes")
        local = self._local_part(words)
        self.expect(b"@", "an @")
        return Mailbox(local, self._domain())

    def _local_part(self, words: list[tuple[int, bytes]]) -> bytes:
        """dot-atom, quoted-string and obs-local-part, which is words separated by dots."""
        if not words or len(words) % 2 == 0:
            raise self.error("a local part expected")
        for place, (kind, _) in enumerate(words):
            if (kind == _SPECIAL) != (place % 2 == 1):
                raise self.error("a local part is words with single dots between them")
        content = b"".join(_QUOTED_PAIR.sub(rb"\1", text) if kind == _QUOTED else text for kind, text in words)
        if len(content) > MAX_LOCAL:
            raise self.error(f"a local part of more than {MAX_LOCAL} bytes")
        if _CONTROL.search(content) or not _is_utf8(content):
            raise self.error("a local part with control characters, or not in UTF-8")
        if _DOT_ATOM.fullmatch(content):
            return content
        return b'"' + content.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'

    def _domain(self) -> bytes:
        """dot-atom, domain-literal and obs-domain, which is atoms separated by dots."""
        if self.kind == _LITERAL:
            literal = b"[" + self.text + b"]"
            self.advance()
            return literal
        labels = [self._label()]
        while self.at(b"."):
            self.advance()
            labels.append(self._label())
        return b".".join(labels)

    def _label(self) -> bytes:
        if self.kind != _ATOM:
            raise self.error("a domain expected")
        label = self.text
        self.advance()
        return label


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
