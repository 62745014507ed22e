"""The items, `${name …}` (Exim specification §11.7): a table of name -> grammar, each with its evaluation.

branches = [ "{" yes "}" [ "{" no "}" / "fail" ] ] "}"
if       = "${if" condition branches
lookup   = "${lookup" [ "{" key "}" ] type "{" file-or-query "}" branches

Those of lists are in `listitems.py`, `extract` in `extract.py`, the others in `textitems.py` and `readsocket.py`,
which are imported when a template has one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError, ForcedFailure
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.nodes import Branches, Item
from exim_dkim.expansion.parse import Parser
from exim_dkim.expansion.value import EMPTY, Value, plain

if TYPE_CHECKING:
    from exim_dkim.expansion.nodes import Run, Test

_TRUE: Final = plain(b"true")

# Why items of Exim are not here.
_IN_EXIM: Final = "it runs what is inside the Exim process"
_OF_EXIM: Final = "it tells what only the Exim process knows"
_NOT_HERE: Final = {
    b"acl": _IN_EXIM,
    b"authresults": _OF_EXIM,
    b"certextract": "it looks into the certificate of a connection",
    b"dlfunc": _IN_EXIM,
    b"imapfolder": "it names mailboxes, not signers",
    b"perl": _IN_EXIM,
    b"prvs": "it makes envelope addresses, not signatures",
    b"prvscheck": "it checks envelope addresses, not signatures",
    b"run": "a command must not be run for what is in a message; use a look-up",
    b"srs_encode": "it makes envelope addresses, not signatures",
}


def parse_item(parser: Parser, name: bytes, start: int) -> Item:
    """An item; the parser stands behind its name, and is left behind the brace that ends it."""
    if name in _NOT_HERE:
        reason = _NOT_HERE[name]
        raise parser.error(f'expansion item "{printable(name)}" has no meaning outside Exim: {reason}', start)
    return ITEMS[name](parser, name, start)


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
            return branches.yes.always or branches.yes.run(state)
        finally:
            state.value = outer
    state.value = outer
    return _no_branch(branches, state)


def _no_branch(branches: Branches, state: State) -> Value:
    if branches.no is not None:
        return branches.no.always or branches.no.run(state)
    if branches.fail:
        raise ForcedFailure(f'"{branches.type.decode()}" failed and "fail" requested')
    return EMPTY


# if


def _parse_if(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.conditions import parse_condition

    condition = parse_condition(parser)
    return Item(name, _if(condition.holds, parse_branches(parser, b"if")), start)


def _if(holds: Test, branches: Branches) -> Run:
    yes, no = branches.yes, branches.no

    def run(state: State) -> Value:
        captures, value = state.captures, state.value
        try:
            if holds(state):
                return _TRUE if yes is None else yes.always or yes.run(state)
            return _no_branch(branches, state) if no is None else no.always or no.run(state)
        finally:
            state.captures, state.value = captures, value

    return run


# lookup


def _parse_lookup(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.lookups import look_up, parse_type

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
    branches = parse_branches(parser, b"lookup")

    def run(state: State) -> Value:
        captures, outer = state.captures, state.value
        try:
            found = look_up(
                kind, None if key is None else key.always or key.run(state), file.always or file.run(state), state
            )
            return choose(branches, found, state, outer)
        finally:
            state.captures, state.value = captures, outer

    return Item(name, run, start)


# Items of arguments only


def of_arguments(least: int, most: int, function: Callable[[list[Value], State], Value]) -> ItemParser:
    """An item that has only arguments, which are all evaluated."""

    def parse(parser: Parser, name: bytes, start: int) -> Item:
        arguments = parser.arguments(name, least, most)

        def run(state: State) -> Value:
            return function([argument.always or argument.run(state) for argument in arguments], state)

        return Item(name, run, start)

    return parse


def _parse_extract(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.extract import parse_extract

    return parse_extract(parser, name, start)


def _parse_list_item(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.listitems import LIST_ITEMS

    return LIST_ITEMS[name](parser, name, start)


def _parse_text_item(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.textitems import TEXT_ITEMS

    return TEXT_ITEMS[name](parser, name, start)


def _parse_readsocket(parser: Parser, name: bytes, start: int) -> Item:
    from exim_dkim.expansion.readsocket import parse_readsocket

    return parse_readsocket(parser, name, start)


ItemParser = Callable[[Parser, bytes, int], Item]

ITEMS: Final[dict[bytes, ItemParser]] = {
    b"env": _parse_text_item,
    b"extract": _parse_extract,
    b"filter": _parse_list_item,
    b"hash": _parse_text_item,
    b"hmac": _parse_text_item,
    b"if": _parse_if,
    b"length": _parse_text_item,
    b"listextract": _parse_list_item,
    b"listquote": _parse_list_item,
    b"lookup": _parse_lookup,
    b"map": _parse_list_item,
    b"nhash": _parse_text_item,
    b"readfile": _parse_text_item,
    b"readsocket": _parse_readsocket,
    b"reduce": _parse_list_item,
    b"sg": _parse_text_item,
    b"sort": _parse_list_item,
    b"substr": _parse_text_item,
    b"tr": _parse_text_item,
}
