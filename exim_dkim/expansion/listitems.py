"""The items that work on lists (Exim specification §11.7): what is made of a list has its separator.

listextract = "${listextract" "{" number "}" "{" list "}" branches
listquote   = "${listquote" "{" separator "}" "{" text "}" "}"
map         = "${map" "{" list "}" "{" template "}" "}"
filter      = "${filter" "{" list "}" "{" condition "}" "}"
reduce      = "${reduce" "{" list "}" "{" start "}" "{" template "}" "}"
sort        = "${sort" "{" list "}" "{" comparison "}" "{" template "}" "}"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.compile import MAX_LENGTH
from exim_dkim.expansion.conditions import parse_condition
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.fields import field_number
from exim_dkim.expansion.items import ItemParser, choose, of_arguments, parse_branches
from exim_dkim.expansion.lists import list_separator, split_items, split_list
from exim_dkim.expansion.nodes import Branches, Condition, Item, Template
from exim_dkim.expansion.numbers import parse_integer
from exim_dkim.expansion.parse import BLANKS, Parser
from exim_dkim.expansion.value import Value


def _parse_listextract(parser: Parser, name: bytes, start: int) -> Item:
    first, second = (_argument(parser, f"missing '{{' for arg {number} of listextract") for number in (1, 2))
    branches = parse_branches(parser, b"listextract")
    return Item(name, lambda state: _evaluate_listextract(first, second, branches, state), start)


def _argument(parser: Parser, missing: str) -> Template:
    """One argument; `missing` is said if there is none."""
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.brace_error(missing)
    return parser.argument()


def _evaluate_listextract(first: Template, second: Template, branches: Branches, state: State) -> Value:
    key = (first.always or first.run(state)).text.strip(BLANKS)
    if not key:
        raise ExpansionError('first argument of "listextract" must not be empty')
    number = field_number(key)
    if number is None:
        raise ExpansionError('first argument of "listextract" must be numeric')
    subject = second.always or second.run(state)
    items = split_list(subject.text, tainted=subject.tainted)
    index = number - 1 if number > 0 else len(items) + number
    found = Value(items[index], subject.tainted) if number and 0 <= index < len(items) else None
    return choose(branches, found, state, state.value)


def _listquote(values: list[Value], state: State) -> Value:
    separator, item = values
    mark = separator.text[:1]
    text = item.text.replace(mark, mark * 2) if mark else item.text
    return Value(text or b" ", separator.tainted or item.tainted)


# map, filter, reduce


def _parse_map(parser: Parser, name: bytes, start: int) -> Item:
    items = _argument(parser, "missing '{' for first arg of map")
    inner = _parse_last(parser, name)
    return Item(name, lambda state: _evaluate_map(items, inner, state), start)


def _parse_reduce(parser: Parser, name: bytes, start: int) -> Item:
    items = _argument(parser, "missing '{' for first arg of reduce")
    first = _argument(parser, "missing '{' for second arg of reduce")
    inner = _parse_last(parser, name)
    return Item(name, lambda state: _evaluate_reduce(items, first, inner, state), start)


def _parse_filter(parser: Parser, name: bytes, start: int) -> Item:
    items = _argument(parser, "missing '{' for first arg of filter")
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.brace_error("missing '{' for last arg of filter")
    parser.position += 1
    parser.deeper()
    condition = _inside(name, lambda: parse_condition(parser), "item")
    parser.shallower()
    _close(parser, name)
    return Item(name, lambda state: _evaluate_filter(items, condition, state), start)


def _parse_last(parser: Parser, name: bytes) -> Template:
    """The template that is evaluated for each item, and the end."""
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.brace_error(f"missing '{{' for last arg of {name.decode()}")
    parser.position += 1
    template: Template = _inside(name, lambda: parser.template(braced=True), "item")
    _close(parser, name)
    return template


def _close(parser: Parser, name: bytes) -> None:
    """The braces behind what is evaluated for each item, and behind the item."""
    parser.skip_blanks()
    if not parser.at(b"}"):
        raise parser.brace_error(
            f'missing }} at end of condition or expression inside "{name.decode()}"; '
            "could be an unquoted } in the content"
        )
    parser.position += 1
    parser.skip_blanks()
    if not parser.at(b"}"):
        raise parser.brace_error(f'missing }} at end of "{name.decode()}"')
    parser.position += 1


def _inside(name: bytes, function: Callable[[], Any], kind: str) -> Any:
    """What a function returns; its error says where it was."""
    try:
        return function()
    except ExpansionError as error:
        error.message = f'{error.message} inside "{name.decode()}" {kind}'
        error.args = (error.message,)
        raise


class _Output:
    """A list in the making, of bounded length."""

    def __init__(self, separator: int) -> None:
        self._separator = bytes([separator])
        self._parts: list[bytes] = []
        self._length = 0
        self._tainted = False

    def add(self, item: Value) -> None:
        """Add an item: its separators are doubled, and kept apart from the one before it."""
        separator = self._separator
        text = item.text.replace(separator, separator * 2)
        if self._parts and (not text or text.startswith(separator)):
            text = b" " + text
        self._parts.append(text)
        self._tainted = self._tainted or item.tainted
        self._length += len(text) + 1
        if self._length > MAX_LENGTH:
            raise ExpansionError(f"the result is longer than {MAX_LENGTH} bytes")

    def value(self, tainted: bool) -> Value:
        """The list; tainted if anything in it is."""
        return Value(self._separator.join(self._parts), tainted or self._tainted)


def _split(items: Value) -> tuple[list[bytes], int]:
    """The items of a list and its separator, which mail does not choose."""
    separator, start = list_separator(items.text)
    if items.tainted and start:
        return split_list(items.text, tainted=True), 0x3A
    return split_items(items.text[start:], separator), separator


def _evaluate_map(template: Template, inner: Template, state: State) -> Value:
    items = template.always or template.run(state)
    texts, separator = _split(items)
    output = _Output(separator)
    outer = state.item
    try:
        for text in texts:
            state.item = Value(text, items.tainted)
            output.add(_inside(b"map", lambda: inner.run(state), "item"))
    finally:
        state.item = outer
    return output.value(False)


def _evaluate_filter(template: Template, condition: Condition, state: State) -> Value:
    items = template.always or template.run(state)
    texts, separator = _split(items)
    output = _Output(separator)
    outer, value = state.item, state.value
    try:
        for text in texts:
            state.item = item = Value(text, items.tainted)
            if _inside(b"filter", lambda: condition.holds(state), "condition"):
                output.add(item)
            state.value = value
    finally:
        state.item = outer
    return output.value(False)


def _evaluate_reduce(template: Template, first: Template, inner: Template, state: State) -> Value:
    items = template.always or template.run(state)
    outer_item, outer_value = state.item, state.value
    value = first.run(state)
    try:
        for text in _split(items)[0]:
            state.value, state.item = value, Value(text, items.tainted)
            value = _inside(b"reduce", lambda: inner.run(state), "item")
    finally:
        state.item, state.value = outer_item, outer_value
    return value


# sort


def _parse_sort(parser: Parser, name: bytes, start: int) -> Item:
    items, order = (_argument(parser, f"missing '{{' for {part} arg of sort") for part in ("list", "comparator"))
    parser.skip_blanks()
    begin = parser.position + 1
    field = _argument(parser, "missing '{' for extractor arg of sort")
    shown = printable(parser.source[begin : parser.position - 1])
    if not parser.at(b"}"):
        raise parser.brace_error('missing } at end of "sort"')
    parser.position += 1
    return Item(name, lambda state: _evaluate_sort(items, order, field, shown, state), start)


def _number_key(text: bytes) -> int:
    return parse_integer(text)


def _text_key(text: bytes) -> bytes:
    return text


# By comparison: what makes a key, if the largest comes first, and if equal items change places.
_ORDERS: Final[dict[bytes, tuple[Callable[[bytes], Any], bool, bool]]] = {
    name: (key, name[:1] in b"g>", name.rstrip(b"i")[-1:] in b"e=")
    for names, key in ((b"< <= > >=", _number_key), (b"lt le gt ge", _text_key), (b"lti lei gti gei", bytes.lower))
    for name in names.split()
}


def _evaluate_sort(template: Template, comparison: Template, inner: Template, shown: str, state: State) -> Value:
    """As Exim's: an item goes before the first of those already there that it may precede."""
    from exim_dkim.expansion.conditions import CONDITIONS

    items, wanted = template.run(state), comparison.run(state).text
    order = wanted.rstrip(BLANKS)
    if order not in _ORDERS:
        if wanted[:1] in BLANKS:
            raise ExpansionError(f'condition name expected, but found "{printable(wanted[:16])}"')
        known = order in CONDITIONS
        raise ExpansionError("comparator not handled for sort" if known else f'unknown condition "{printable(order)}"')
    make_key, falling, turned = _ORDERS[order]
    texts, separator = _split(items)
    rows = []
    outer = state.item
    try:
        for text in texts:
            state.item = Value(text, items.tainted)
            field = inner.run(state).text
            if not field:
                raise ExpansionError(f'field-extract in sort: "{shown}"')
            rows.append((make_key(field), text))
    finally:
        state.item = outer
    # Equal items stay in their order, in both directions, or change it.
    rows.sort(key=lambda row: row[0], reverse=falling != turned)
    if turned:
        rows.reverse()
    output = _Output(separator)
    for _, text in rows:
        output.add(Value(text, items.tainted))
    return output.value(False)


LIST_ITEMS: Final[dict[bytes, ItemParser]] = {
    b"filter": _parse_filter,
    b"listextract": _parse_listextract,
    b"listquote": of_arguments(2, 2, _listquote),
    b"map": _parse_map,
    b"reduce": _parse_reduce,
    b"sort": _parse_sort,
}
