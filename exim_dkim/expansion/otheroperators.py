"""The operators that need more than the text (Exim specification §11.8), or are rare; see `operators.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import OutsideTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State, expand_again
from exim_dkim.expansion.ip import full_form, masked, normal_form, reversed_form
from exim_dkim.expansion.lists import list_separator, split_items
from exim_dkim.expansion.numbers import parse_integer
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazymodule import lazy_module

if TYPE_CHECKING:
    from exim_dkim.expansion import rfc2047
    from exim_dkim.expansion.nodes import OperatorFunction
else:
    rfc2047 = lazy_module("exim_dkim.expansion.rfc2047")

_MAX_NESTED_LISTS: Final = 20  # named lists in each other
_BLANKS: Final = b" \t\n\r\v\f"
_COLUMNS: Final = 80
_LINE_LIMIT: Final = 998
_TAB: Final = 8


def _expand(operand: Value, arguments: bytes | None, state: State) -> Value:
    shown = printable(operand.text)
    try:
        if operand.tainted:
            raise ExpansionError(f"attempt to expand tainted string '{shown}'")
        return expand_again(operand, state)
    except ExpansionError as error:
        raise ExpansionError(f'internal expansion of "{shown}" failed: {error.message}') from None


def _rfc2047(operand: Value, arguments: bytes | None, state: State) -> Value:
    return Value(rfc2047.encode(operand.text, state.environment.headers_charset.encode()), operand.tainted)


def _rfc2047d(operand: Value, arguments: bytes | None, state: State) -> Value:
    environment = state.environment
    return Value(
        rfc2047.decode(operand.text, environment.headers_charset, environment.check_rfc2047_length), operand.tainted
    )


def _of_address(function: Callable[[bytes], bytes]) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        return Value(function(operand.text), operand.tainted)

    return operator


def _mask(operand: Value, arguments: bytes | None, state: State) -> Value:
    return Value(masked(operand.text, normal=arguments == b"n"), operand.tainted)


def _randint(operand: Value, arguments: bytes | None, state: State) -> Value:
    text = operand.text
    if not text.strip(_BLANKS):
        raise ExpansionError(f'integer expected but "{printable(text)}" found')
    limit = parse_integer(text)
    if limit < 0:
        raise ExpansionError(f'non-negative integer expected but "{printable(text)}" found')
    try:
        return plain(b"%d" % (state.environment.outside.random_below(limit) if limit > 1 else 0))
    except OutsideTrouble as error:
        raise ExpansionError(str(error)) from None


def _stat(operand: Value, arguments: bytes | None, state: State) -> Value:
    try:
        mode, *numbers = state.environment.outside.status(operand.text)
    except OutsideTrouble as error:
        raise ExpansionError(f"stat({printable(operand.text)}) failed: {error}") from None
    names = ("inode", "device", "links", "uid", "gid", "size", "atime", "mtime", "ctime")
    pairs = "".join(f" {name}={number}" for name, number in zip(names, numbers, strict=True))
    return plain(f"mode={mode & 0o77777:04o} smode={_letters(mode)}{pairs}".encode())


def _letters(mode: int) -> str:
    """`-rw-r--r--`, of a mode."""
    kinds = {0o010: "p", 0o020: "c", 0o040: "d", 0o060: "b", 0o100: "-", 0o120: "l", 0o140: "s"}
    bits = [letter if mode >> 8 - place & 1 else "-" for place, letter in enumerate("rwxrwxrwx")]
    for place, flag, letter in ((2, 0o4000, "s"), (5, 0o2000, "s"), (8, 0o1000, "t")):
        if mode & flag:
            bits[place] = letter if bits[place] == "x" else letter.upper()
    return kinds.get(mode >> 9 & 0o170, "?") + "".join(bits)


# Named lists


_KINDS: Final = {b"a": "address", b"d": "domain", b"h": "host", b"l": "localpart"}


def _listnamed(operand: Value, arguments: bytes | None, state: State) -> Value:
    """A named list as text, with colons; the lists that are in it are put in."""
    letter = None if arguments is None else arguments[:1]
    if letter is not None and letter not in _KINDS:
        raise ExpansionError('bad suffix on "list" operator')
    return plain(_list_text(operand.text, letter, state, 0))


def _list_text(name: bytes, letter: bytes | None, state: State, depth: int) -> bytes:
    name = name.removeprefix(b"+")
    kinds = _KINDS.values() if letter is None else (_KINDS[letter],)
    found = (state.environment.named_list(kind, name) for kind in kinds)
    text = next((text for text in found if text is not None), None)
    if text is None:
        what = "" if letter is None else _KINDS[letter] + " "
        raise ExpansionError(f'"{printable(name)}" is not a {what}named list')
    if depth > _MAX_NESTED_LISTS:
        raise ExpansionError(f"lists refer to each other more than {_MAX_NESTED_LISTS} deep")
    separator, start = list_separator(text)
    items = []
    for item in split_items(text[start:], separator):
        if item.startswith(b"+"):
            items.append(_list_text(item, letter, state, depth + 1))
        else:
            items.append(item if separator == 0x3A else item.replace(b":", b"::"))
    return b" : ".join(items)


# Internationalised domains


def _to_alabel(operand: Value, arguments: bytes | None, state: State) -> Value:
    text = operand.text
    if text.isascii():
        return operand
    import idna

    try:
        # Exim leaves empty labels alone.
        pieces = re.split(r"((?:^|(?<=\.))\.+)", text.decode())
        converted = b"".join(idna.encode(piece, uts46=True) if piece.strip(".") else piece.encode() for piece in pieces)
    except (idna.IDNAError, UnicodeError):
        raise ExpansionError(f"error converting utf8 ({printable(text)}) to alabel: string encoding error") from None
    return Value(converted, operand.tainted)


def _from_alabel(operand: Value, arguments: bytes | None, state: State) -> Value:
    text = operand.text
    if b"xn--" not in text:
        return operand
    import idna

    try:
        labels = [_from_label(idna.ulabel, label) for label in text.split(b".")]
    except (idna.IDNAError, UnicodeError):
        raise ExpansionError(f"error converting alabel ({printable(text)}) to utf8: Invalid input") from None
    return Value(b".".join(labels), operand.tainted)


def _from_label(decode: Callable[[str], str], label: bytes) -> bytes:
    return decode(label.decode("ascii")).encode() if label.startswith(b"xn--") else label


# Long header fields


def _headerwrap(operand: Value, arguments: bytes | None, state: State) -> Value:
    """`${headerwrap_COLUMNS_LIMIT:`, 80 and 998; 0: none. Lines end at `\\n`, at a line end, or at a blank."""
    numbers = [_COLUMNS, _LINE_LIMIT]
    parts = [] if arguments is None else arguments.split(b"_", 1)
    for index, part in enumerate(parts):
        if not part.isdigit():
            raise ExpansionError("bad argument to headerwrap")
        numbers[index] = int(part[:9])
    columns, limit = (number or 1 << 30 for number in numbers)
    return Value(_wrapped(operand.text, columns, limit), operand.tainted)


def _wrapped(text: bytes, columns: int, limit: int) -> bytes:
    lines: list[bytes] = []
    length = position = indent = 0
    while True:
        line, position = _line(text, position, columns - indent, 10)
        lines.append(line)
        length += len(line)
        if position >= len(text):
            break
        if length >= limit:
            return b"\n\t".join(lines)[:limit]
        length += 2
        indent = _TAB
    return b"\n\t".join(lines)


def _line(text: bytes, position: int, room: int, shortest: int) -> tuple[bytes, int]:
    """The next line, of at most `room` bytes, and where the one after it begins."""
    room = max(room, 1)
    window = text[position : position + room + 1]
    ends = [(place, size) for mark, size in ((b"\\n", 2), (b"\n", 1)) if 0 <= (place := window.find(mark)) <= room]
    if ends:
        place, size = ends[0]
        return window[:place], position + place + size
    if len(window) <= room:
        return window, position + len(window)
    for place in range(room, shortest, -1):
        if window[place] in _BLANKS:
            end = position + place + 1
            while end < len(text) and text[end] in _BLANKS:
                end += 1
            return window[:place].rstrip(_BLANKS), end
    return window[:room], position + room


OTHERS: Final[dict[bytes, OperatorFunction]] = {
    b"expand": _expand,
    b"headerwrap": _headerwrap,
    b"ipv6denorm": _of_address(full_form),
    b"ipv6norm": _of_address(normal_form),
    b"listnamed": _listnamed,
    b"mask": _mask,
    b"randint": _randint,
    b"reverse_ip": _of_address(reversed_form),
    b"rfc2047": _rfc2047,
    b"rfc2047d": _rfc2047d,
    b"stat": _stat,
    b"utf8_domain_from_alabel": _from_alabel,
    b"utf8_domain_to_alabel": _to_alabel,
}
