"""RFC 5322 mailboxes as Exim reads them: what `${address:`, `${domain:` and `${local_part:` take out of a text.

    mailbox    = addr-spec / phrase "<" [ route ] addr-spec ">"
    addr-spec  = local-part [ "@" domain ]
    route      = 1#( "@" domain ) ":"
    local-part = word *( "." word )            ; words may be missing: dots in a row are accepted
    domain     = "[" *graphic "]" / 1*( letter / digit / "-" ) *( "." … )

Comments and white space may stand between any two of these. What does not follow the grammar is no address; so are two
of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from exim_dkim.lazypattern import lazy_pattern

_KNOWN: Final = 16  # texts: several options take the same field apart
_LONGEST: Final = 985  # bytes of an address, as in Exim 4.97 and later
_BLANKS = lazy_pattern(rb"[ \t\n\r\v\f]*")
_COMMENT_TOKEN = lazy_pattern(rb"[^()\\]*(?:(\\.)|(\()|(\)))", re.DOTALL)
_QUOTED = lazy_pattern(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ATOM = lazy_pattern(rb'(?:[^\x00-\x20\x7f()<>@,;:\\".\[\]]|\\(?:.|\Z))*', re.DOTALL)
_LABEL = lazy_pattern(rb"(?!-)[A-Za-z0-9-]+")
_LITERAL = lazy_pattern(rb"\[[!-Z^-~]*\]")


class Address(NamedTuple):
    """An address without comments and blanks. `domain` is empty if there is none."""

    local_part: bytes
    domain: bytes

    @property
    def text(self) -> bytes:
        """The whole address."""
        return self.local_part + b"@" + self.domain if self.domain else self.local_part


class _Malformed(Exception):
    """Not an address."""


@lru_cache(_KNOWN)
def parse_address(text: bytes) -> Address | None:
    """The one address in a text; None if there is none, or not exactly one."""
    try:
        return _Reader(text).mailbox()
    except _Malformed:
        return None


class _Reader:
    __slots__ = ("groups", "in_group", "position", "text")

    def __init__(self, text: bytes, groups: bool = False, in_group: bool = False) -> None:
        self.text = text
        self.position = 0
        self.groups = groups  # the start of a group may come before the address
        self.in_group = in_group  # a semicolon may follow it

    def mailbox(self) -> Address:
        local_part = self._local_part(empty=True)
        if self._next() not in b"@<":
            if self._next() in (b"", b";") and not local_part:
                raise _Malformed
            if self._next() in (b"", b";"):
                return self._ended(Address(local_part, b""))
            while self._next() != b"<" and not (self.groups and self._next() == b":"):
                self._local_part()
            if self._next() == b":":
                self.groups, self.in_group = False, True
                self.position += 1
                return self.mailbox()
        elif not self._next():
            return self._ended(Address(local_part, b"")) if local_part else self._fail()
        if self._next() == b"<":
            return self._in_angle_brackets()
        if not local_part:
            self._route()
            return self._ended(self._addr_spec(domain_needed=True))
        self.position += 1
        return self._ended(Address(local_part, self._domain()))

    def _fail(self) -> Address:
        raise _Malformed

    def _next(self) -> bytes:
        return self.text[self.position : self.position + 1]

    def _ended(self, address: Address) -> Address:
        """The address, if the text ends here."""
        if self.in_group and self._next() == b";":
            self.in_group, self.groups = False, True
        elif self.position < len(self.text):
            raise _Malformed
        if len(address.text) > _LONGEST:
            raise _Malformed
        return address

    def _in_angle_brackets(self) -> Address:
        self.position += 1
        self._skip()
        routed = self._next() == b"@"
        if routed:
            self._route()
        address = self._addr_spec(domain_needed=routed)
        if self._next() != b">":
            raise _Malformed
        self.position += 1
        self._skip()
        return self._ended(address)

    def _addr_spec(self, domain_needed: bool) -> Address:
        local_part = self._local_part()
        if self._next() == b"@":
            self.position += 1
            return Address(local_part, self._domain(literal=False))
        if domain_needed or self._next() not in (b"", b">"):
            raise _Malformed
        return Address(local_part, b"")

    def _route(self) -> None:
        """`@a,@b:`, which says nothing."""
        while self._next() == b"@":
            self.position += 1
            self._domain(literal=False)
            if self._next() != b",":
                break
            self.position += 1
            self._skip()
        if self._next() != b":":
            raise _Malformed
        self.position += 1
        self._skip()

    def _skip(self) -> None:
        """White space and comments."""
        while True:
            match = _BLANKS.match(self.text, self.position)
            assert match is not None
            self.position = match.end()
            if self._next() != b"(":
                return
            self._comment()

    def _comment(self) -> None:
        """One comment with those in it; it may lack its end."""
        level = 1
        self.position += 1
        while level:
            match = _COMMENT_TOKEN.match(self.text, self.position)
            if match is None:
                self.position = len(self.text)
                return
            level += (match[2] is not None) - (match[3] is not None)
            self.position = match.end()

    def _local_part(self, empty: bool = False) -> bytes:
        parts: list[bytes] = []
        while True:
            self._skip()
            word = (_QUOTED if self._next() == b'"' else _ATOM).match(self.text, self.position)
            if word is None:
                raise _Malformed  # a quote without its end
            parts.append(word[0])
            self.position = word.end()
            self._skip()
            if self._next() != b".":
                if not word[0] and not (empty and len(parts) == 1) and not any(parts):
                    raise _Malformed
                return b"".join(parts)
            while self._next() == b".":
                parts.append(b".")
                self.position += 1

    def _domain(self, literal: bool = True) -> bytes:
        """A domain. Exim takes a literal only where the address is not in angle brackets, and then any text in it."""
        self._skip()
        if literal and self._next() == b"[":
            return self._literal()
        parts: list[bytes] = []
        while True:
            label = _LABEL.match(self.text, self.position)
            if label is None:
                raise _Malformed
            parts.append(label[0])
            self.position = label.end()
            self._skip()
            if self._next() != b".":
                return b".".join(parts)
            self.position += 1
            self._skip()

    def _literal(self) -> bytes:
        match = _LITERAL.match(self.text, self.position)
        if match is None:
            raise _Malformed
        self.position = match.end()
        self._skip()
        return match[0]


@lru_cache(_KNOWN)
def address_list(text: bytes) -> bytes:
    """`${addresses:`: the addresses of a header field as a list, without what is none. `>c` chooses the separator."""
    from exim_dkim.errors import ExpansionError
    from exim_dkim.expansion.lists import append_item

    text = text.lstrip(b" \t\n\r\v\f")
    separator = b":"
    if text.startswith(b">"):
        separator = text[1:2]
        if not separator:
            raise ExpansionError("output separator missing in expanding ${addresses:>}")
        text = text[2:]
    parts: list[bytes] = []
    groups, in_group = True, False
    for piece in split_addresses(text):
        reader = _Reader(piece, groups, in_group)
        try:
            address: Address | None = reader.mailbox()
        except _Malformed:
            address = None
            if reader.in_group and reader._next() == b";":
                reader.in_group, reader.groups = False, True
        groups, in_group = reader.groups, reader.in_group
        if address is not None:
            append_item(parts, address.text, separator)
    return b"".join(parts)


_PIECE = lazy_pattern(
    rb"""\\. | "(?:[^"\\]|\\(?:.|\Z))*(?:"|\Z) | \( | [<>,:] | [^\\"(<>,:]+ | \\""", re.DOTALL | re.VERBOSE
)


def split_addresses(text: bytes) -> list[bytes]:
    """The texts between the commas that separate addresses: not those in quotes, comments, routes and brackets."""
    pieces: list[bytes] = []
    start = position = 0
    routed = text.startswith(b"@")
    open_count = 1 if routed else 0
    while position < len(text):
        match = _PIECE.match(text, position)
        assert match is not None
        token, position = match[0], match.end()
        if token == b"(":
            reader = _Reader(text)
            reader.position = position - 1
            reader._comment()
            position = reader.position
        elif token == b"<":
            routed = text[position : position + 1] == b"@"
            open_count = 2 if routed else 1
        elif token == b">" or (token == b":" and routed):
            open_count -= 1
        elif token == b"," and open_count <= 0:
            pieces.append(text[start : position - 1])
            start = position
            routed = text[position : position + 1] == b"@"
            open_count = 1 if routed else 0
    pieces.append(text[start:])
    return pieces
