"""The conditions about lists and patterns (Exim specification §11.10): match, match_…, inlist, forany, forall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exim_dkim.expansion.conditions import holds, texts_of
from exim_dkim.expansion.evaluate import State, evaluate
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.nodes import Condition
from exim_dkim.expansion.value import Value

if TYPE_CHECKING:
    from exim_dkim.expansion.nodes import ConditionFunction


def _in_list(condition: Condition, state: State) -> bool:
    """`inlist` and `inlisti`; `$value` becomes the item of the list."""
    subject, items = texts_of(condition, state)
    caseless = condition.name == b"inlisti"
    wanted = subject.text.lower() if caseless else subject.text
    for item in split_list(items.text, tainted=items.tainted):
        if (item.lower() if caseless else item) == wanted:
            state.value = Value(item, items.tainted)
            return True
    return False


def _items(condition: Condition, items: Value) -> list[bytes]:
    """The elements of a list, or of a JSON array: as they stand, or strings without their quotes."""
    if b"_" in condition.name:
        from exim_dkim.expansion.json import json_items, unquoted

        elements = json_items(items.text, b"[]", f"array for {condition.name.decode()}")
        if condition.name.endswith(b"s"):
            return [unquoted(element, "result for extract jsons") for element in elements]
        return elements
    return split_list(items.text, tainted=items.tainted)


def _for_each(condition: Condition, state: State) -> bool:
    """`forany` and `forall`: the inner condition for every `$item`. Both are false for an empty list."""
    template, inner = condition.payload
    items = evaluate(template, state)
    stop = condition.name.startswith(b"forany")
    outer = state.item
    held = False
    try:
        for item in _items(condition, items):
            state.item = Value(item, items.tainted)
            held = holds(inner, state)
            if held == stop:
                break
    finally:
        state.item = outer
    return held


def _matches(condition: Condition, state: State) -> bool:
    """`match`: a regular expression; what it captures is in `$1` and so on."""
    from exim_dkim.expansion.regex import search

    subject, pattern = texts_of(condition, state)
    found = search(pattern.text, subject, state)
    if found is None:
        return False
    state.captures = found.captures
    return True


def _match(condition: Condition, state: State) -> bool:
    """`match_domain` and its kin: the second argument is a list of patterns, and `$value` what matched."""
    from exim_dkim.expansion.patterns import match_list

    subject, items = texts_of(condition, state)
    state.value = None
    if condition.name != b"match_ip":
        state.captures = ()  # as in Exim, whatever comes of it
    found = match_list(condition.name.removeprefix(b"match_").decode(), subject, items.text, state)
    if found is None:
        return False
    state.value = found
    return True


TESTS: Final[dict[bytes, ConditionFunction]] = {
    **dict.fromkeys(
        (b"forall", b"forall_json", b"forall_jsons", b"forany", b"forany_json", b"forany_jsons"), _for_each
    ),
    **dict.fromkeys((b"inlist", b"inlisti"), _in_list),
    **dict.fromkeys((b"match_address", b"match_domain", b"match_ip", b"match_local_part"), _match),
    b"match": _matches,
}
