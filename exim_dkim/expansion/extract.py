"""The item `extract` (Exim specification §11.7): a part of a text by number, by key, or from JSON.

extract = "${extract" "{" key "}" "{" text "}" branches
        / "${extract" "{" number "}" "{" separators "}" "{" text "}" branches
        / "${extract" ( "json" / "jsons" ) "{" ( key / number ) "}" "{" json "}" branches
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.fields import field_number, numbered_field, value_of_key
from exim_dkim.expansion.items import choose
from exim_dkim.expansion.nodes import Branches, Item, Template
from exim_dkim.expansion.parse import BLANKS, Parser
from exim_dkim.expansion.value import Value
from exim_dkim.lazymodule import lazy_module

if TYPE_CHECKING:
    from exim_dkim.expansion import json
else:
    json = lazy_module("exim_dkim.expansion.json")


def parse_extract(parser: Parser, name: bytes, start: int) -> Item:
    """How many arguments come before the branches is known only when the first one is evaluated."""
    parser.skip_blanks()
    form = b""
    if parser.at(b"json"):
        form = b"jsons" if parser.at(b"jsons") else b"json"
        parser.position += len(form)
        parser.skip_blanks()
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
    return Item(name, lambda state: _evaluate_extract(form, arguments, fail, state), start)


def _evaluate_extract(form: bytes, arguments: list[Template], fail: bool, state: State) -> Value:
    key = (arguments[0].always or arguments[0].run(state)).text.strip(BLANKS)
    if not key:
        raise ExpansionError('first argument of "extract" must not be empty')
    number = field_number(key)
    count = 2 if form or number is None else 3
    if len(arguments) < count:
        raise ExpansionError(f"missing '{{' for arg {count} of extract")
    if len(arguments) > count + 2 or (fail and len(arguments) != count + 1):
        raise ExpansionError("missing or misplaced { or }")
    values = [argument.always or argument.run(state) for argument in arguments[1:count]]
    subject = values[-1]
    text = _find(form, key, number, values[0].text, subject.text)
    yes, no = (*arguments[count:], None, None)[:2]
    found = None if text is None else Value(text, subject.tainted)
    return choose(Branches(b"extract", yes, no, fail), found, state, state.value)


def _find(form: bytes, key: bytes, number: int | None, separators: bytes, text: bytes) -> bytes | None:
    if form:
        return json.find_json(key, number, text, strings=form == b"jsons")
    if number is None:
        return value_of_key(key, text)
    return numbered_field(number, separators, text)
