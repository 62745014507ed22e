"""The conditions about lists and patterns (Exim specification §11.10): match, match_…, inlist, forany, forall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exim_dkim.expansion.conditions import MakeTest, calling
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.nodes import Condition, Template
from exim_dkim.expansion.value import Value
from exim_dkim.lazymodule import lazy_module

if TYPE_CHECKING:
    from exim_dkim.expansion import json, patterns, regex
    from exim_dkim.expansion.nodes import Test
else:
    json = lazy_module("exim_dkim.expansion.json")
    patterns = lazy_module("exim_dkim.expansion.patterns")
    regex = lazy_module("exim_dkim.expansion.regex")

_Texts = tuple[Template, Template]


def _in_list(name: bytes, texts: _Texts, state: State) -> bool:
    """`inlist` and `inlisti`; `$value` becomes the item of the list."""
    left, right = texts
    subject, items = left.always or left.run(state), right.always or right.run(state)
    caseless = name == b"inlisti"
    wanted = subject.text.lower() if caseless else subject.text
    for item in split_list(items.text, tainted=items.tainted):
        if (item.lower() if caseless else item) == wanted:
            state.value = Value(item, items.tainted)
            return True
    return False


def _items(name: bytes, items: Value) -> list[bytes]:
    """The elements of a list, or of a JSON array: as they stand, or strings without their quotes."""
    if b"_" in name:
        elements = json.json_items(items.text, b"[]", f"array for {name.decode()}")
        if name.endswith(b"s"):
            return [json.unquoted(element, "result for extract jsons") for element in elements]
        return elements
    return split_list(items.text, tainted=items.tainted)


def _for_each(name: bytes, parsed: tuple[Template, Condition], state: State) -> bool:
    """`forany` and `forall`: the inner condition for every `$item`. Both are false for an empty list."""
    template, inner = parsed
    items = template.always or template.run(state)
    stop = name.startswith(b"forany")
    outer = state.item
    held = False
    try:
        for item in _items(name, items):
            state.item = Value(item, items.tainted)
            held = inner.holds(state)
            if held == stop:
                break
    finally:
        state.item = outer
    return held


def _matches(name: bytes, texts: _Texts, state: State) -> bool:
    """`match`: a regular expression; what it captures is in `$1` and so on."""
    left, right = texts
    subject, pattern = left.always or left.run(state), right.always or right.run(state)
    found = regex.search(pattern.text, subject, state)
    if found is None:
        return False
    state.captures = found.captures
    return True


def _match(name: bytes, texts: _Texts) -> Test:
    """`match_domain` and its kin: the second argument is a list of patterns, and `$value` what matched."""
    subject, items = texts
    kind = name.removeprefix(b"match_").decode()

    def test(state: State) -> bool:
        text, wanted = subject.always or subject.run(state), (items.always or items.run(state)).text
        state.value = None
        if kind != "ip":
            state.captures = ()  # as in Exim, whatever comes of it
        found = patterns.match_list(kind, text, wanted, state)
        if found is None:
            return False
        state.value = found
        return True

    return test


_EACH: Final = (b"forall", b"forall_json", b"forall_jsons", b"forany", b"forany_json", b"forany_jsons")
_LISTS: Final = (b"match_address", b"match_domain", b"match_ip", b"match_local_part")

TESTS: Final[dict[bytes, MakeTest]] = {
    **dict.fromkeys(_EACH, calling(_for_each)),
    **dict.fromkeys((b"inlist", b"inlisti"), calling(_in_list)),
    **dict.fromkeys(_LISTS, _match),
    b"match": calling(_matches),
}
