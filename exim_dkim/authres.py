"""The Authentication-Results field (RFC 8601 §2.2; RFC 6532 for UTF-8): syntax only, read and written.

`parse_authres` returns or raises `ParseError`; comments are kept, and may nest as deep as they like. It takes what is
seen in mail although the grammar has no place for it: a final `;`, `<>` and other characters without quotes in a value,
a property without a type. `format_authres` writes one field in wire form that always parses, whatever texts it gets:
control characters (CR, LF and NUL above all) never come out. `bears_id` says whose field it claims to be, also of one
that does not parse; it is rather too strict than too lax, since it is there to find forgeries.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from exim_dkim.errors import ParseError
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.structured import KEYWORD, QUOTED, RUN, Scanner, one_line, unquote

FIELD_NAME: Final = b"authentication-results"
MAX_FIELD: Final = 64 * 1024
"""Bytes of a field that is read: Exim hands out no more than that of a whole header."""
MAX_PIECES: Final = 500
"""Words before the first semicolon of a field whose owner is looked for; a name and a version are two."""
MAX_RESULTS: Final = 200
"""Results of a field that is read: ten times those that we write."""
MAX_LINE: Final = 78
"""RFC 5322 §2.1.1: a line should not be longer; one word that is, stands alone on its line."""
MAX_TEXT: Final = 240
"""Characters of a comment or reason that is written; the rest is cut."""
MAX_VALUE: Final = 900
"""Bytes of a value that is written: more than an address can have (RFC 5321 §4.5.3.1), and below the 998 of a line. A
property with a longer one is left out, since part of it would be a lie."""
MAX_DEPTH: Final = 3
"""How deep comments nest that are written: not every reader can take what we can."""


class Property(NamedTuple):
    """`type.name=value`, such as `header.d=example.org`. `type` is empty for one that was written without."""

    type: str
    name: str
    value: str


class MethodResult(NamedTuple):
    """One method's result. `method`, `result` and the names of properties are lower case; comments lack parentheses."""

    method: str
    result: str
    properties: tuple[Property, ...] = ()
    reason: str | None = None
    comments: tuple[str, ...] = ()
    version: int | None = None

    def value(self, type_: str, name: str) -> str | None:
        """The value of a property; the first, if it is there several times."""
        return next((p.value for p in self.properties if (p.type, p.name) == (type_, name)), None)


class AuthenticationResults(NamedTuple):
    """What one server found. `results` is empty where the field says `none`. `version`: None where none was written."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    version: int | None = None
    comments: tuple[str, ...] = ()


# --- reading -------------------------------------------------------------------------------------------------------

_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_ID: Final = re.compile(r'[^\s;()"=\x00-\x1f\x7f]+')


def parse_authres(value: bytes) -> AuthenticationResults:
    """What follows the colon of an Authentication-Results field, or `ParseError`. Line ends may be CRLF or LF."""
    if len(value) > MAX_FIELD:
        raise ParseError(f"longer than {MAX_FIELD} bytes", value[:80])
    scanner = Scanner(value.decode("utf-8", "surrogateescape"))
    scanner.skip()
    quoted = scanner.text.startswith('"', scanner.position)
    authserv_id = scanner.value("the authserv-id") if quoted else scanner.take(_ID)
    if authserv_id is None:
        scanner.fail("the authserv-id is missing")
    scanner.skip()
    number = scanner.take(_NUMBER)
    version = int(number) if number else None
    scanner.skip()
    comments = scanner.drain()
    results = tuple(_results(scanner))
    return AuthenticationResults(authserv_id, results, version, comments)


def _results(scanner: Scanner) -> Iterator[MethodResult]:
    count = 0
    while not scanner.at_end():
        if not scanner.take_mark(";"):
            scanner.fail("a semicolon is missing")
        if scanner.at_end():
            return
        method = scanner.keyword("the method")
        if method == "none" and not count and (scanner.at_end() or scanner.text.startswith(";", scanner.position)):
            continue
        count += 1
        if count > MAX_RESULTS:
            scanner.fail(f"more than {MAX_RESULTS} results")
        yield _result(scanner, method)


def _result(scanner: Scanner, method: str) -> MethodResult:
    """`[/version]=result [reason=...] [properties]`."""
    version = None
    if scanner.take_mark("/"):
        scanner.skip()
        version = int(scanner.take(_NUMBER) or scanner.fail("the method's version is missing"))
    if not scanner.take_mark("="):
        scanner.fail("the method has no result")
    result = scanner.keyword("the result")
    reason = None
    properties: list[Property] = []
    while not scanner.at_end() and not scanner.text.startswith(";", scanner.position):
        first = scanner.keyword("a property")
        name = scanner.keyword("the property's name") if scanner.take_mark(".") else ""
        if not scanner.take_mark("="):
            scanner.fail("a property has no value")
        value = scanner.value("the property's value")
        if name:
            properties.append(Property(first, name, value))
        elif first == "reason":
            reason = value
        else:
            properties.append(Property("", first, value))
    return MethodResult(method, result, tuple(properties), reason, scanner.drain(), version)


# --- writing -------------------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")  # RFC 2045 §5.1
_ATEXT: Final = r"[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+"
_ADDRESS: Final = re.compile(rf"(?:{_ATEXT}(?:\.{_ATEXT})*)?@[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_SPECIALS: Final = re.compile(r'([\\"])')
_SPACES: Final = re.compile(r" {2,}")


def format_authres(results: AuthenticationResults) -> bytes:
    """The whole field in wire form, without the CRLF after it.

    A result of its own begins each line. `ValueError` for a method, result or property name that is no keyword.
    """
    version = [] if results.version is None else [str(results.version)]
    head = ["Authentication-Results:", _format_value(results.authserv_id), *version, *_comments(results.comments)]
    groups = [head, *map(_format_result, results.results)]
    if not results.results:
        groups.append(["none"])
    for group in groups[:-1]:
        group[-1] += ";"
    return "\r\n\t".join(line for group in groups for line in _fold(group)).encode("utf-8")


def _format_result(result: MethodResult) -> list[str]:
    """The words of one result, between which a line may end."""
    version = "" if result.version is None else f"/{result.version}"
    words = [f"{_keyword(result.method)}{version}={_keyword(result.result)}", *_comments(result.comments)]
    if result.reason is not None:
        words.append(f"reason={_format_value(result.reason[:MAX_TEXT], quoted=True)}")
    for type_, name, value in result.properties:
        place = f"{_keyword(type_)}.{_keyword(name)}" if type_ else _keyword(name)
        written = _format_value(value)
        if len(written.encode()) <= MAX_VALUE:
            words.append(f"{place}={written}")
    return words


def _keyword(text: str) -> str:
    if not KEYWORD.fullmatch(text):
        raise ValueError(f"{text!r} is not a keyword (RFC 8601 §2.2)")
    return text


def _format_value(text: str, quoted: bool = False) -> str:
    """A token or an address as it is, anything else as a quoted string."""
    if not quoted and (_TOKEN.fullmatch(text) or _ADDRESS.fullmatch(text)):
        return text
    return '"' + _SPECIALS.sub(r"\\\1", one_line(text)) + '"'


def _comments(comments: tuple[str, ...]) -> list[str]:
    """The words of comments. Parentheses that do not pair, or nest too deep, are escaped."""
    words: list[str] = []
    for comment in comments:
        text = _SPACES.sub(" ", one_line(comment))
        text = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
        escaped = text.replace("\\", "\\\\")
        if not _pairs(text):
            escaped = escaped.replace("(", "\\(").replace(")", "\\)")
        words += f"({escaped})".split(" ")
    return words


def _pairs(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return depth == 0


def _fold(words: list[str]) -> Iterator[str]:
    """Lines of words, none longer than it should be if that can be helped. A TAB, counted as one, begins most."""
    line = words[0]
    for word in words[1:]:
        if len(line) + len(word) + 2 > MAX_LINE:
            yield line
            line = word
        else:
            line += " " + word
    yield line


# --- whose field -----------------------------------------------------------------------------------------------------

_MARKED: Final = re.compile(rb"[^\t\n\r !#-\'*-\[\]-~]|=\?")
"""Why a text may be read in several ways: comments, quotes, backslashes, controls, encoded words, other alphabets."""
_ODD: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f)\\\ufffd]+")
_ENCODED: Final = "=?"


def bears_id(field: HeaderField, authserv_id: str) -> bool:
    """Whether this is an Authentication-Results field that claims to come from `authserv_id` (RFC 8601 §5).

    Names are compared without regard to case, to a final dot, and to the form of internationalised names. Whatever some
    reader could take for the id counts: the id as a word of its own in the text up to the first semicolon, as it stands
    and with blanks, comments, quotes and backslashes removed; an encoded word there, which has no place in an id
    (RFC 2047 §5), but which filters decode; and, when a comment or a quoted string does not end, or the field or
    that text is too long, the id anywhere.
    """
    if field.name != FIELD_NAME:
        return False
    wanted, value = _wanted(authserv_id), field.value
    if len(value) <= MAX_FIELD and _plainly_without(value.partition(b";")[0], wanted):
        return False
    text = value.decode("utf-8", "replace")
    try:
        parts = list(_id_parts(text))
    except ParseError:
        folded = text.casefold()
        return wanted in folded or authserv_id.casefold() in folded
    if any(_ENCODED in part for part in parts):
        return True
    candidates = (*_ODD.split(" ".join(parts)), _ODD.sub("", parts[0]) if parts else "", _ODD.sub("", "".join(parts)))
    return any(_claims(each, wanted) for each in dict.fromkeys(candidates))


def _plainly_without(head: bytes, wanted: str) -> bool:
    """Whether a text without any trick does not have the id: the usual case, found out at a tenth of the cost."""
    letters = head.translate(None, b" \t\r\n").lower()
    return wanted.encode("utf-8", "surrogatepass") not in letters and not _MARKED.search(head)


@functools.lru_cache(maxsize=64)
def _wanted(authserv_id: str) -> str:
    return _fold_case(_ODD.sub("", authserv_id))


def _id_parts(text: str) -> Iterator[str]:
    """The pieces of the text before the first semicolon that are no comment; `ParseError` when one has no end.

    The same for a text that is too long to be read at all, or has more pieces than `MAX_PIECES`.
    """
    scanner = Scanner(text)
    if len(text) > MAX_FIELD:
        scanner.fail("too long")
    for _ in range(MAX_PIECES):
        if scanner.at_end() or scanner.text.startswith(";", scanner.position):
            return
        if scanner.text.startswith('"', scanner.position):
            quoted = scanner.take(QUOTED) or scanner.fail("a quoted string does not end")
            yield unquote(quoted)
        elif run := scanner.take(RUN):
            yield run
        else:
            yield scanner.text[scanner.position]  # a control character, or a parenthesis that closes nothing
            scanner.position += 1
    scanner.fail("too many words")


def _claims(written: str, wanted: str) -> bool:
    """Whether `written` is the id, or has it between characters that no name has (`1/`, `<>`, `=`)."""
    folded = _fold_case(written)
    if wanted not in folded:
        return False
    return folded == wanted or bool(re.search(rf"(?<![\w.-]){re.escape(wanted)}(?!\.*[\w-])", folded))


def _fold_case(name: str) -> str:
    if not name.isascii():
        try:
            return Domain.parse(name.encode("utf-8", "replace"))
        except ParseError:
            pass
    return name.casefold().removesuffix(".")
