"""Lists of patterns: domain, local part, address and host lists (Exim specification, chapter 10).

    item    = [ "!" ] pattern
    pattern = "+" named-list / "@" / "*" suffix / "*" / "^" regex / ip [ "/" bits ] / lookup-type ";" file
            / file-name / text

The first item that matches decides; if none does, the opposite of the last item holds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError, ForcedFailure
from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.parse import parse_template
from exim_dkim.expansion.value import EMPTY, Value, plain
from exim_dkim.lazymodule import lazy_module
from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.expansion import filenames, ip, lookups, regex
    from exim_dkim.expansion.regex import Found
else:
    ip = lazy_module("exim_dkim.expansion.ip")
    lookups = lazy_module("exim_dkim.expansion.lookups")
    regex = lazy_module("exim_dkim.expansion.regex")
    filenames = lazy_module("exim_dkim.expansion.filenames")

_MAX_NESTING: Final = 20  # named lists and files in each other
_KNOWN: Final = 64  # lists that are kept taken apart: they are the configuration's
_LISTS: Final = {"domain": "domain", "local_part": "localpart", "address": "address", "ip": "host"}
_NOT_HERE: Final = lazy_pattern(rb"@\[\]|@mx_(?:any|primary|secondary)(?:/.*)?", re.IGNORECASE | re.DOTALL)
_BLANKS: Final = b" \t\n\r\v\f"


def match_list(kind: str, subject: Value, items: bytes, state: State) -> Value | None:
    """What `$value` becomes if the list has the subject, else None. `kind`: domain, local_part, address or ip.

    An item that excludes the subject is `$value`, too.
    """
    if kind == "ip" and subject.text and not ip.ip_version(subject.text):
        raise ExpansionError(f'"{printable(subject.text)}" is not an IP address')
    return _match(_Matcher(kind, subject, state), items, 0)


def match_key(key: Value, pattern: bytes, state: State) -> bool:
    """Whether a key matches a key of a table of patterns: `*suffix`, `^regex` or text, behind `!` what does not."""
    negated, pattern = _pattern(pattern)
    captures = state.captures
    found = _match_text(_Matcher("key", key, state), pattern)
    state.captures = captures
    return (found is not None) != negated


class _Excluded(Exception):
    """A negated line of a file matches: that decides the list which names the file."""

    def __init__(self, found: Value) -> None:
        super().__init__()
        self.found = found


class _Matcher:
    """What is compared, and by which rules. `original` is the subject as it came, not in lower case."""

    __slots__ = ("kind", "original", "state", "subject")

    def __init__(self, kind: str, subject: Value, state: State) -> None:
        self.kind = kind
        self.original = subject
        self.subject = subject if kind in ("address", "ip") else Value(subject.text.lower(), subject.tainted)
        self.state = state


def _match(matcher: _Matcher, items: bytes, depth: int) -> Value | None:
    if depth > _MAX_NESTING:
        raise ExpansionError(f"lists refer to each other more than {_MAX_NESTING} deep")
    negated = False
    for negated, pattern in _patterns(items):
        try:
            found = _match_pattern(matcher, pattern, depth)
        except _Excluded as excluded:
            return excluded.found if negated else None
        if found is not None:
            if not negated:
                return found
            matcher.state.value = found  # as in Exim, also if that means that the list does not match
            return None
    return EMPTY if negated else None


@lru_cache(_KNOWN)
def _patterns(items: bytes) -> list[tuple[bool, bytes]]:
    """The items of a list: whether there is an exclamation mark, and what is behind it."""
    return [_pattern(text) for text in split_list(items)]


def _pattern(text: bytes) -> tuple[bool, bytes]:
    return (True, text[1:].lstrip(_BLANKS)) if text.startswith(b"!") else (False, text)


def _match_pattern(matcher: _Matcher, pattern: bytes, depth: int) -> Value | None:
    """One item without its exclamation mark."""
    if pattern.startswith(b"+"):
        return _match(matcher, _named(matcher, pattern[1:]), depth + 1)
    if pattern.startswith(b"/"):
        return _match_file(matcher, pattern, depth)
    if matcher.kind == "ip":
        return _match_ip(matcher, pattern)
    if matcher.kind == "address":
        return _match_address(matcher, pattern)
    return _match_text(matcher, pattern)


def _named(matcher: _Matcher, name: bytes) -> bytes:
    kind = _LISTS[matcher.kind]
    items = matcher.state.environment.named_list(kind, name)
    if items is None:
        shown = printable(name)
        raise ExpansionError(f'unknown named {kind} list "+{shown}"')
    try:
        return parse_template(items).run(matcher.state).text
    except ForcedFailure:
        return b""


def _match_file(matcher: _Matcher, name: bytes, depth: int) -> Value | None:
    """A file with one item a line; # begins a comment at the start of a line or behind white space."""
    filenames.check_file_name(name)
    try:
        content = matcher.state.environment.files.read(name)
    except FileTrouble as error:
        raise ExpansionError(f"failed to open {printable(name)}: {error}") from None
    for line in content.split(b"\n"):
        text = line.strip(_BLANKS)
        if text.startswith(b"#"):
            continue
        text = text.partition(b" #")[0].rstrip(_BLANKS)
        negated, pattern = _pattern(text)
        if pattern and (found := _match_pattern(matcher, pattern, depth + 1)) is not None:
            if negated:
                raise _Excluded(found)
            return found
    return None


def _match_ip(matcher: _Matcher, pattern: bytes) -> Value | None:
    if pattern == b"*":
        return EMPTY
    if not pattern:
        return EMPTY if not matcher.subject.text else None
    if not ip.ip_version(pattern, mask=True):
        shown = printable(pattern)
        raise ExpansionError(f'"{shown}" is not an IP address or network; match_ip cannot look it up here')
    return EMPTY if ip.address_in_network(matcher.subject.text, pattern) else None


def _match_address(matcher: _Matcher, pattern: bytes) -> Value | None:
    """`local@domain`, with patterns on both sides, or a domain pattern alone."""
    subject = matcher.subject
    local_part, at, domain = subject.text.rpartition(b"@")
    if pattern.startswith(b"^"):
        return None if _search(pattern, subject, matcher.state) is None else EMPTY
    kind, is_lookup, _ = pattern.partition(b";")
    if is_lookup and b"@" not in kind.removesuffix(b"*@"):
        captures = matcher.state.captures
        try:
            return _match_lookup(subject, pattern, matcher.state)
        finally:
            matcher.state.captures = captures  # as in Exim, an address leaves none
    if not pattern or not subject.text:
        return EMPTY if pattern == subject.text else None
    wanted, found, wanted_domain = pattern.rpartition(b"@")
    if pattern.endswith(b"@@"):  # the domain is "@", our own
        wanted, wanted_domain = pattern[:-2], b"@"
    if not at:
        return None
    if found and not _equal_local_parts(wanted, local_part):
        return None
    captures = matcher.state.captures
    found_domain = _match_text(_Matcher("domain", Value(domain, subject.tainted), matcher.state), wanted_domain)
    matcher.state.captures = captures
    return None if found_domain is None else plain(pattern)


def _equal_local_parts(pattern: bytes, text: bytes) -> bool:
    if pattern.startswith(b"*"):
        return text.lower().endswith(pattern[1:].lower())
    return pattern.lower() == text.lower()


def _search(pattern: bytes, subject: Value, state: State) -> Found | None:
    """A regular expression in a list: case does not count unless it says so."""
    return regex.search(pattern, subject, state, caseless=True)


def _match_text(matcher: _Matcher, pattern: bytes) -> Value | None:
    """A domain, a local part or a key."""
    state, subject = matcher.state, matcher.subject
    text = subject.text
    if pattern.startswith(b"^"):
        match = _search(pattern, matcher.original, state)
        if match is None:
            return None
        state.captures = match.captures
        return plain(pattern)
    if pattern == b"@" and matcher.kind == "domain":
        own = state.variable(b"primary_hostname").text
        return plain(own) if own.lower() == text else None
    if pattern.startswith(b"@") and matcher.kind == "domain" and _NOT_HERE.fullmatch(pattern):
        raise ExpansionError(f'"{printable(pattern)}" in a list is not supported')
    if b";" in pattern and matcher.kind != "key":
        return _match_lookup(subject, pattern, state)
    if pattern.startswith(b"*"):
        suffix = pattern[1:].lower()
        if not text.endswith(suffix):
            return None
        prefix = Value(text[: len(text) - len(suffix)], subject.tainted)
        state.captures = (EMPTY, prefix)
        return plain(pattern)
    return plain(pattern) if pattern.lower() == text else None


def _match_lookup(subject: Value, pattern: bytes, state: State) -> Value | None:
    """`lsearch;/file`: the subject is looked up; `passwd;root`: what stands there is."""
    name, _, file = pattern.partition(b";")
    return lookups.look_up(lookups.parse_type(name.rstrip(_BLANKS), None), subject, plain(file.lstrip(_BLANKS)), state)
