"""The items, `${name …}` (Exim specification §11.7): a table of name -> grammar, each with its evaluation.

branches = [ "{" yes "}" [ "{" no "}" / "fail" ] ] "}"
if       = "${if" condition branches
lookup   = "${lookup" [ "{" key "}" ] type "{" file-or-query "}" branches
extract  = "${extract" "{" key "}" "{" text "}" branches
         / "${extract" "{" number "}" "{" separators "}" "{" text "}" branches
readfile = "${readfile" "{" file "}" [ "{" eol "}" ] "}"
length, substr, listextract, listquote, env
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from exim_dkim.errors import ExpansionError, ForcedFailure
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State, evaluate
from exim_dkim.expansion.nodes import Branches, Condition, Item, Template
from exim_dkim.expansion.parse import BLANKS, Parser
from exim_dkim.expansion.value import EMPTY, Value, plain
from exim_dkim.lazypattern import lazy_pattern

# Items that call what is in the Exim process, or tell of it.
_NOT_HERE: Final = frozenset(
    b"acl authresults certextract dlfunc imapfolder perl prvs prvscheck run srs_encode".split()
)
_INTEGER = lazy_pattern(rb"(?:[ \t\n\r\v\f]*([+-]?)([0-9]+))?")


def parse_item(parser: Parser, name: bytes, start: int) -> Item:
    """An item; the parser stands behind its name, and is left behind the brace that ends it."""
    parse = ITEMS.get(name)
    if name in _NOT_HERE:
        raise parser.error(f'expansion item "{printable(name)}" has no meaning outside Exim', start)
    if parse is None:
        raise parser.error(f'expansion item "{printable(name)}" is not supported yet', start)
    return parse(parser, name, start)


# Branches


def parse_branches(parser: Parser, kind: bytes) -> Branches:
    """What follows a condition or a look-up, and the brace that ends the item."""
    parser.skip_blanks()
    yes = no = None
    fail = False
    if not parser.at(b"}"):
        if not parser.at(b"{"):
            raise _branch_error(parser, "'yes' part did not start with '{'")
        yes = parser.argument()
        parser.skip_blanks()
        if parser.at(b"{"):
            no = parser.argument()
        elif not parser.at(b"}"):
            if parser.word() != b"fail":
                raise parser.error(f'syntax error in "{kind.decode()}" item - "fail" expected')
            fail = True
        parser.skip_blanks()
        if not parser.at(b"}"):
            raise _branch_error(parser, "did not close with '}'")
    parser.position += 1
    return Branches(kind, yes, no, fail)


def _branch_error(parser: Parser, message: str) -> ExpansionError:
    remaining = printable(parser.source[parser.position :])
    return parser.brace_error(
        f"curly-bracket problem in conditional yes/no parsing: {message}\n remaining string is '{remaining}'"
    )


def choose(branches: Branches, found: Value | None, state: State, outer: Value | None) -> Value:
    """Evaluate the branch that is wanted. `found` is what was found, which `$value` has in the yes branch only."""
    if found is not None:
        if branches.yes is None:
            return found
        state.value = found
        try:
            return evaluate(branches.yes, state)
        finally:
            state.value = outer
    state.value = outer
    return _no_branch(branches, state)


def _no_branch(branches: Branches, state: State) -> Value:
    if branches.no is not None:
        return evaluate(branches.no, state)
    if branches.fail:
        raise ForcedFailure(f'"{branches.type.decode()}" failed and "fail" requested')
    return EMPTY


# if


def _parse_if(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.conditions import parse_condition

    condition = parse_condition(parser)
    return Item(name, (condition, parse_branches(parser, b"if")), _evaluate_if, start)


def _evaluate_if(node: Item, state: State) -> Value:
    condition: Condition
    branches: Branches
    condition, branches = node.payload
    captures, value = state.captures, state.value
    try:
        if condition.function(condition, state) == condition.negated:
            return _no_branch(branches, state)
        return plain(b"true") if branches.yes is None else evaluate(branches.yes, state)
    finally:
        state.captures, state.value = captures, value


# lookup


def _parse_lookup(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.lookups import parse_type

    parser.skip_blanks()
    key = None
    if parser.at(b"{"):
        key = parser.argument()
        parser.skip_blanks()
    begin = parser.position
    while parser.position < len(parser.source) and parser.source[parser.position] not in b"{ \t\n\r\v\f":
        parser.position += 1
    text = parser.source[begin : parser.position][:255]
    if not text[:1].isalpha():
        raise parser.error("missing lookup type", begin)
    try:
        kind = parse_type(text, key is not None)
    except ExpansionError as error:
        raise parser.error(error.message, begin) from None
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.brace_error("missing '{' for lookup file-or-query arg")
    file = parser.argument()
    return Item(name, (kind, key, file, parse_branches(parser, b"lookup")), _evaluate_lookup, start)


def _evaluate_lookup(node: Item, state: State) -> Value:
    from exim_dkim.expansion.lookups import look_up

    kind, key, file, branches = node.payload
    captures, outer = state.captures, state.value
    try:
        found = look_up(kind, None if key is None else evaluate(key, state), evaluate(file, state), state)
        return choose(branches, found, state, outer)
    finally:
        state.captures, state.value = captures, outer


# extract


def _parse_extract(parser: Parser, name: bytes, start: int) -> Item:
    """How many arguments come before the branches is known only when the first one is evaluated."""
    parser.skip_blanks()
    if parser.at(b"json"):
        raise parser.error('"extract json" is not supported yet', start)
    arguments: list[Template] = []
    while parser.at(b"{") and len(arguments) < 5:
        arguments.append(parser.argument())
        parser.skip_blanks()
    fail = False
    if not parser.at(b"}"):
        if arguments and parser.at(b"{"):
            raise parser.brace_error("missing '}' closing extract")
        if parser.word() != b"fail":
            raise parser.brace_error(f"missing '{{' for arg {len(arguments) + 1} of extract")
        fail = True
        parser.skip_blanks()
        if not parser.at(b"}"):
            raise parser.brace_error("missing '}' closing extract")
    parser.position += 1
    if len(arguments) < 2:
        raise parser.brace_error(f"missing '{{' for arg {len(arguments) + 1} of extract")
    return Item(name, (tuple(arguments), fail), _evaluate_extract, start)


def _evaluate_extract(node: Item, state: State) -> Value:
    from exim_dkim.expansion.fields import field_number, numbered_field, value_of_key

    arguments, fail = node.payload
    key = evaluate(arguments[0], state).text.strip(BLANKS)
    if not key:
        raise ExpansionError('first argument of "extract" must not be empty')
    number = field_number(key)
    count = 2 if number is None else 3
    if len(arguments) < count:
        raise ExpansionError(f"missing '{{' for arg {count} of extract")
    if len(arguments) > count + 2 or (fail and len(arguments) != count + 1):
        raise ExpansionError("missing or misplaced { or }")
    values = [evaluate(argument, state) for argument in arguments[1:count]]
    subject = values[-1]
    text = value_of_key(key, subject.text) if number is None else numbered_field(number, values[0].text, subject.text)
    yes, no = (*arguments[count:], None, None)[:2]
    found = None if text is None else Value(text, subject.tainted)
    return choose(Branches(b"extract", yes, no, fail), found, state, state.value)


# listextract


def _parse_listextract(parser: Parser, name: bytes, start: int) -> Item:
    arguments = []
    for number in (1, 2):
        parser.skip_blanks()
        if not parser.at(b"{"):
            raise parser.brace_error(f"missing '{{' for arg {number} of listextract")
        arguments.append(parser.argument())
    return Item(name, (arguments, parse_branches(parser, b"listextract")), _evaluate_listextract, start)


def _evaluate_listextract(node: Item, state: State) -> Value:
    from exim_dkim.expansion.fields import field_number
    from exim_dkim.expansion.lists import split_list

    (first, second), branches = node.payload
    key = evaluate(first, state).text.strip(BLANKS)
    if not key:
        raise ExpansionError('first argument of "listextract" must not be empty')
    number = field_number(key)
    if number is None:
        raise ExpansionError('first argument of "listextract" must be numeric')
    subject = evaluate(second, state)
    items = split_list(subject.text, tainted=subject.tainted)
    index = number - 1 if number > 0 else len(items) + number
    found = Value(items[index], subject.tainted) if number and 0 <= index < len(items) else None
    return choose(branches, found, state, state.value)


# items of arguments only


def _of_arguments(least: int, most: int, function: Callable[[list[Value], State], Value]) -> ItemParser:
    """An item that has only arguments, which are all evaluated."""

    def evaluate_item(node: Item, state: State) -> Value:
        return function([evaluate(argument, state) for argument in node.payload], state)

    def parse(parser: Parser, name: bytes, start: int) -> Item:
        return Item(name, parser.arguments(name, least, most), evaluate_item, start)

    return parse


def _readfile(values: list[Value], state: State) -> Value:
    from exim_dkim.expansion.environment import FileTrouble
    from exim_dkim.expansion.filenames import check_file_name

    name = values[0]
    shown = printable(name.text)
    if name.tainted:
        raise ExpansionError(f"failed to open {shown}: Permission denied (Tainted filename '{shown}')")
    check_file_name(name.text)
    try:
        text = state.environment.files.read(name.text)
    except FileTrouble as error:
        raise ExpansionError(f"failed to open {shown}: {error}") from None
    if len(values) > 1:
        text = text.replace(b"\n", values[1].text)
    return Value(text, len(values) > 1 and values[1].tainted)


def _listquote(values: list[Value], state: State) -> Value:
    separator, item = values
    mark = separator.text[:1]
    text = item.text.replace(mark, mark * 2) if mark else item.text
    return Value(text or b" ", separator.tainted or item.tainted)


def _length(values: list[Value], state: State) -> Value:
    return Value(values[1].text[: _number("length", values[0])], values[1].tainted)


def _substr(values: list[Value], state: State) -> Value:
    from exim_dkim.expansion.operators import substring

    start = _number("substr", values[0], signed=True)
    length = _number("substr", values[1]) if len(values) > 2 else None
    return Value(substring(values[-1].text, start, length), values[-1].tainted)


def _number(name: str, value: Value, *, signed: bool = False) -> int:
    match = _INTEGER.fullmatch(value.text)
    digits = b"0" if match is None else match[2] or b"0"
    if match is None or (match[1] == b"-" and digits.strip(b"0") and not signed):
        kind = "" if signed else " positive"
        raise ExpansionError(f'"{printable(value.text)}" is not a{kind} number (in "{name}" expansion)')
    number = min(int(digits[:18]), 1 << 30)
    return -number if match[1] == b"-" else number


ItemParser = Callable[[Parser, bytes, int], Item]

ITEMS: Final[dict[bytes, ItemParser]] = {
    b"extract": _parse_extract,
    b"if": _parse_if,
    b"length": _of_arguments(2, 2, _length),
    b"listextract": _parse_listextract,
    b"listquote": _of_arguments(2, 2, _listquote),
    b"lookup": _parse_lookup,
    b"readfile": _of_arguments(1, 2, _readfile),
    b"substr": _of_arguments(2, 3, _substr),
}
