"""The items that are made of texts (Exim specification §11.7): all arguments are evaluated.

readfile = "${readfile" "{" file "}" [ "{" end-of-line "}" ] "}"
sg       = "${sg" "{" text "}" "{" pattern "}" "{" replacement "}" "}"
tr       = "${tr" "{" text "}" "{" characters "}" "{" replacements "}" "}"
hmac     = "${hmac" "{" hash "}" "{" secret "}" "{" text "}" "}"
env      = "${env" "{" name "}" branches
length, substr, hash, nhash: "{" number "}" [ "{" number "}" ] "{" text "}"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.compile import MAX_LENGTH
from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State, expand_again
from exim_dkim.expansion.items import ItemParser, choose, of_arguments, parse_branches
from exim_dkim.expansion.nodes import Item
from exim_dkim.expansion.parse import Parser
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazymodule import lazy_module
from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.expansion import digests, filenames, operators, regex
else:
    digests = lazy_module("exim_dkim.expansion.digests")
    filenames = lazy_module("exim_dkim.expansion.filenames")
    operators = lazy_module("exim_dkim.expansion.operators")
    regex = lazy_module("exim_dkim.expansion.regex")

_INTEGER = lazy_pattern(rb"(?:[ \t\n\r\v\f]*([+-]?)([0-9]+))?")


def _readfile(values: list[Value], state: State) -> Value:
    name = values[0]
    shown = printable(name.text)
    if name.tainted:
        raise ExpansionError(f"failed to open {shown}: Permission denied (Tainted filename '{shown}')")
    filenames.check_file_name(name.text)
    try:
        text = state.environment.files.read(name.text)
    except FileTrouble as error:
        raise ExpansionError(f"failed to open {shown}: {error}") from None
    if len(values) > 1:
        text = with_line_ends(text, values[1].text)
    return Value(text, len(values) > 1 and values[1].tainted)


def with_line_ends(text: bytes, ending: bytes) -> bytes:
    """A text with another end of its lines. Raises ExpansionError if that makes it too long."""
    if len(text) + text.count(b"\n") * len(ending) > MAX_LENGTH:
        raise ExpansionError(f"the result is longer than {MAX_LENGTH} bytes")
    return text.replace(b"\n", ending)


def _sg(values: list[Value], state: State) -> Value:
    """The replacement is expanded again for each match, with what it has captured."""
    subject, pattern, replacement = values
    text, position, length = subject.text, 0, 0
    parts: list[bytes] = []
    tainted = subject.tainted
    captures = state.captures
    try:
        for found in regex.search_all(pattern.text, subject, state):
            state.captures = found.captures
            value = expand_again(replacement, state)
            parts += text[position : found.start], value.text
            position = found.end
            tainted = tainted or value.tainted
            length += len(value.text)
            if length > MAX_LENGTH:
                raise ExpansionError(f"the result is longer than {MAX_LENGTH} bytes")
    finally:
        state.captures = captures
    parts.append(text[position:])
    return Value(b"".join(parts), tainted)


def _tr(values: list[Value], state: State) -> Value:
    """The last character replaces what has no partner; of one that is listed twice, the last place counts."""
    subject, old, new = values
    text = subject.text
    if new.text:
        table = bytearray(range(256))
        last = len(new.text) - 1
        for place, byte in enumerate(old.text):
            table[byte] = new.text[min(place, last)]
        text = text.translate(table)
    return Value(text, subject.tainted)


def _hmac(values: list[Value], state: State) -> Value:
    return plain(digests.hmac(*(value.text for value in values)))


def _length(values: list[Value], state: State) -> Value:
    return Value(values[1].text[: _number("length", values[0])], values[1].tainted)


def _substr(values: list[Value], state: State) -> Value:
    start = _number("substr", values[0], signed=True)
    length = _number("substr", values[1]) if len(values) > 2 else None
    return Value(operators.substring(values[-1].text, start, length), values[-1].tainted)


def _hash(values: list[Value], state: State) -> Value:
    length = _number("hash", values[0], signed=True)
    letters = _number("hash", values[1]) if len(values) > 2 else None
    return Value(digests.text_hash(values[-1].text, length, letters), values[-1].tainted)


def _nhash(values: list[Value], state: State) -> Value:
    first = _number("nhash", values[0], signed=True)
    second = _number("nhash", values[1]) if len(values) > 2 else None
    return plain(digests.number_hash(values[-1].text, first, second))


def _number(name: str, value: Value, *, signed: bool = False) -> int:
    match = _INTEGER.fullmatch(value.text)
    digits = b"0" if match is None else match[2] or b"0"
    if match is None or (match[1] == b"-" and digits.strip(b"0") and not signed):
        kind = "" if signed else " positive"
        raise ExpansionError(f'"{printable(value.text)}" is not a{kind} number (in "{name}" expansion)')
    number = min(int(digits[:18]), 1 << 30)
    return -number if match[1] == b"-" else number


def _parse_env(parser: Parser, name: bytes, start: int) -> Item:
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.brace_error("missing '{' for name arg of env")
    argument = parser.argument()
    branches = parse_branches(parser, b"env")

    def run(state: State) -> Value:
        text = state.environment.outside.variable(argument.run(state).text)
        return choose(branches, None if text is None else plain(text), state, state.value)

    return Item(name, run, start)


TEXT_ITEMS: Final[dict[bytes, ItemParser]] = {
    b"env": _parse_env,
    b"hash": of_arguments(2, 3, _hash),
    b"hmac": of_arguments(3, 3, _hmac),
    b"length": of_arguments(2, 2, _length),
    b"nhash": of_arguments(2, 3, _nhash),
    b"readfile": of_arguments(1, 2, _readfile),
    b"sg": of_arguments(3, 3, _sg),
    b"substr": of_arguments(2, 3, _substr),
    b"tr": of_arguments(3, 3, _tr),
}
