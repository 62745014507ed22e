"""The conditions of `${if` (Exim specification §11.10): a table of name -> grammar and test.

condition = *( "!" ) ( name "{" a "}" "{" b "}" / comparison "{" a "}" "{" b "}" / "and" group / "or" group
                       / "def:" variable / name "{" a "}" / ( "forany" / "forall" ) "{" list "}" "{" condition "}" )
group     = "{" *( "{" condition "}" ) "}"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State, evaluate
from exim_dkim.expansion.nodes import Condition, Template
from exim_dkim.expansion.parse import BLANKS, Parser
from exim_dkim.expansion.variables import acl_hint, is_known
from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.expansion.nodes import ConditionFunction
    from exim_dkim.expansion.value import Value

_SYMBOL = lazy_pattern(rb"[<>=]=?")

# Why conditions of Exim are not here.
_OF_PASSWORDS: Final = "it checks the password of a client"
_NOT_HERE: Final = {
    b"acl": "it runs what is inside the Exim process",
    b"inbound_srs": "it checks envelope addresses, not signatures",
    **dict.fromkeys(b"crypteq ldapauth pam pwcheck radius saslauthd".split(), _OF_PASSWORDS),
}


# How a condition is parsed, and what tests it.
ConditionType = tuple[Callable[[Parser, bytes], object], "ConditionFunction"]


def parse_condition(parser: Parser) -> Condition:
    """A condition with the exclamation marks before it."""
    negated = False
    parser.skip_blanks()
    while parser.at(b"!"):
        negated = not negated
        parser.position += 1
        parser.skip_blanks()
    start = parser.position
    match = _SYMBOL.match(parser.source, start)
    if match is not None:
        parser.position = match.end()
    name = match[0] if match is not None else parser.word()
    if name not in CONDITIONS:
        raise _unknown(parser, name, start)
    parse, test = CONDITIONS[name]
    if test is _of_lists:
        from exim_dkim.expansion.listconditions import TESTS

        test = TESTS[name]
    return Condition(name, negated, parse(parser, name), test, start)


def _unknown(parser: Parser, name: bytes, start: int) -> ExpansionError:
    if not name:
        found = printable(parser.source[parser.position : parser.position + 16])
        return parser.error(f'condition name expected, but found "{found}"')
    if name in _NOT_HERE:
        reason = _NOT_HERE[name]
        return parser.error(f'condition "{printable(name)}" has no meaning outside Exim: {reason}', start)
    return parser.error(f'unknown condition "{printable(name)}"', start)


def holds(condition: Condition, state: State) -> bool:
    """Whether a condition is true, exclamation marks included."""
    return condition.function(condition, state) != condition.negated


# Grammar


def _parse_nothing(parser: Parser, name: bytes) -> None:
    return None


def _parse_one(parser: Parser, name: bytes) -> Template:
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.error(f'missing {{ after "{printable(name)}"')
    return parser.argument()


def _parse_two(parser: Parser, name: bytes, *, references: bool = True) -> tuple[Template, Template]:
    first = _parse_one(parser, name)
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.error(f'missing 2nd string in {{}} after "{printable(name)}"')
    return first, parser.argument(references=references)


def _parse_match(parser: Parser, name: bytes) -> tuple[Template, Template]:
    """The second argument is not expanded: a dollar is just a dollar in it."""
    return _parse_two(parser, name, references=False)


def _parse_group(parser: Parser, name: bytes) -> tuple[Condition, ...]:
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.error(f'missing {{ after "{printable(name)}"')
    parser.position += 1
    conditions: list[Condition] = []
    while True:
        parser.skip_blanks()
        if parser.at(b"}"):
            parser.position += 1
            return tuple(conditions)
        if not parser.at(b"{"):
            shown = printable(name)
            raise parser.error(f'each subcondition inside an "{shown}{{...}}" condition must be in its own {{}}')
        conditions.append(_parse_inner(parser, name, f'inside "{printable(name)}{{...}}" condition', " group"))


def _parse_inner(parser: Parser, name: bytes, place: str, kind: str) -> Condition:
    """`{condition}` within another one; the position is at the opening brace."""
    parser.position += 1
    parser.deeper()
    try:
        condition = parse_condition(parser)
    except ExpansionError as error:
        error.message = f"{error.message} {place}"
        error.args = (error.message,)
        raise
    parser.shallower()
    parser.skip_blanks()
    if not parser.at(b"}"):
        raise parser.error(f'missing }} at end of condition inside "{printable(name)}"{kind}')
    parser.position += 1
    return condition


def _parse_each(parser: Parser, name: bytes) -> tuple[Template, Condition]:
    items = _parse_one(parser, name)
    parser.skip_blanks()
    if not parser.at(b"{"):
        raise parser.error(f'missing {{ after "{printable(name)}"')
    return items, _parse_inner(parser, name, f'inside "{printable(name)}" condition', "")


def _parse_defined(parser: Parser, name: bytes) -> tuple[str, bytes]:
    if not parser.at(b":"):
        raise parser.error('":" expected after "def"')
    parser.position += 1
    start = parser.position
    match = parser.match_header()
    if match is not None:
        return "header", parser.header(match).name
    variable = parser.word()
    if not variable:
        raise parser.error('variable name omitted after "def:"', start)
    if not is_known(variable):
        raise parser.error(f'unknown variable "{printable(variable)}" after "def:"{acl_hint(variable)}', start)
    return "variable", variable


# Tests


def texts_of(condition: Condition, state: State) -> tuple[Value, Value]:
    """The two arguments of a condition."""
    first, second = condition.payload
    return evaluate(first, state), evaluate(second, state)


def _of_texts(compare: Callable[[bytes, bytes], bool]) -> ConditionFunction:
    def test(condition: Condition, state: State) -> bool:
        left, right = texts_of(condition, state)
        return compare(left.text, right.text)

    return test


def _caseless(compare: Callable[[int, int], bool]) -> ConditionFunction:
    """A comparison in which case does not count; as in Exim, the beginning of a text comes after the text."""

    def test(condition: Condition, state: State) -> bool:
        left, right = (value.text.lower() for value in texts_of(condition, state))
        order = 1 if left != right and right.startswith(left) else (left > right) - (left < right)
        return compare(order, 0)

    return test


def _of_numbers(compare: Callable[[int, int], bool]) -> ConditionFunction:
    def test(condition: Condition, state: State) -> bool:
        from exim_dkim.expansion.numbers import parse_integer

        left, right = texts_of(condition, state)
        return compare(parse_integer(left.text), parse_integer(right.text))

    return test


def _and(condition: Condition, state: State) -> bool:
    return all(holds(inner, state) for inner in condition.payload)


def _or(condition: Condition, state: State) -> bool:
    return any(holds(inner, state) for inner in condition.payload)


def _defined(condition: Condition, state: State) -> bool:
    kind, name = condition.payload
    if kind == "header":
        from exim_dkim.expansion.headers import header_exists

        return header_exists(name, state.environment)
    return bool(state.variable(name).text)


def _exists(condition: Condition, state: State) -> bool:
    from exim_dkim.expansion.environment import FileTrouble

    path = evaluate(condition.payload, state).text
    try:
        return path.startswith(b"/") and state.environment.files.exists(path)
    except FileTrouble:
        return False


def _boolean(condition: Condition, state: State) -> bool:
    text = evaluate(condition.payload, state).text.strip(BLANKS)
    word = text.lower()
    lax = condition.name == b"bool_lax"
    if not text or word in (b"false", b"no"):
        return False
    if text == b"-" or text.removeprefix(b"-").isdigit():
        return (lax and len(text) > 1) or bool(text.strip(b"-0"))
    if lax or word in (b"true", b"yes"):
        return True
    raise ExpansionError(f'unrecognised boolean value "{printable(text)}"')


def _is_ip(condition: Condition, state: State) -> bool:
    from exim_dkim.expansion.ip import ip_version

    version = ip_version(evaluate(condition.payload, state).text)
    return version > 0 if condition.name == b"isip" else version == (4 if condition.name == b"isip4" else 6)


def _of_lists(condition: Condition, state: State) -> bool:
    """Stands for the tests of lists and patterns, which are imported when a template has one."""
    raise AssertionError("the test is in listconditions")


def _first_delivery(condition: Condition, state: State) -> bool:
    return state.variable(b"first_delivery").text == b"yes"


def _never(condition: Condition, state: State) -> bool:
    return False


_TWO: Final = _parse_two

CONDITIONS: Final[dict[bytes, ConditionType]] = {
    b"=": (_TWO, _of_numbers(int.__eq__)),
    b"==": (_TWO, _of_numbers(int.__eq__)),
    b"<": (_TWO, _of_numbers(int.__lt__)),
    b"<=": (_TWO, _of_numbers(int.__le__)),
    b">": (_TWO, _of_numbers(int.__gt__)),
    b">=": (_TWO, _of_numbers(int.__ge__)),
    b"and": (_parse_group, _and),
    b"bool": (_parse_one, _boolean),
    b"bool_lax": (_parse_one, _boolean),
    b"def": (_parse_defined, _defined),
    b"eq": (_TWO, _of_texts(bytes.__eq__)),
    b"eqi": (_TWO, _caseless(int.__eq__)),
    b"exists": (_parse_one, _exists),
    b"first_delivery": (_parse_nothing, _first_delivery),
    b"forall": (_parse_each, _of_lists),
    b"forall_json": (_parse_each, _of_lists),
    b"forall_jsons": (_parse_each, _of_lists),
    b"forany": (_parse_each, _of_lists),
    b"forany_json": (_parse_each, _of_lists),
    b"forany_jsons": (_parse_each, _of_lists),
    b"ge": (_TWO, _of_texts(bytes.__ge__)),
    b"gei": (_TWO, _caseless(int.__ge__)),
    b"gt": (_TWO, _of_texts(bytes.__gt__)),
    b"gti": (_TWO, _caseless(int.__gt__)),
    b"inlist": (_TWO, _of_lists),
    b"inlisti": (_TWO, _of_lists),
    b"isip": (_parse_one, _is_ip),
    b"isip4": (_parse_one, _is_ip),
    b"isip6": (_parse_one, _is_ip),
    b"le": (_TWO, _of_texts(bytes.__le__)),
    b"lei": (_TWO, _caseless(int.__le__)),
    b"lt": (_TWO, _of_texts(bytes.__lt__)),
    b"lti": (_TWO, _caseless(int.__lt__)),
    b"match": (_TWO, _of_lists),
    b"match_address": (_parse_match, _of_lists),
    b"match_domain": (_parse_match, _of_lists),
    b"match_ip": (_parse_match, _of_lists),
    b"match_local_part": (_parse_match, _of_lists),
    b"or": (_parse_group, _or),
    b"queue_running": (_parse_nothing, _never),
}
