"""The conditions of `${if` (Exim specification §11.10): a table of name -> grammar and what makes the test.

condition = *( "!" ) ( name "{" a "}" "{" b "}" / comparison "{" a "}" "{" b "}" / "and" group / "or" group
                       / "def:" variable / name "{" a "}" / ( "forany" / "forall" ) "{" list "}" "{" condition "}" )
group     = "{" *( "{" condition "}" ) "}"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import FileTrouble
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.nodes import Condition, Template
from exim_dkim.expansion.parse import BLANKS, Parser
from exim_dkim.expansion.variables import acl_hint, is_known
from exim_dkim.lazymodule import lazy_module
from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.expansion import headers, ip, numbers
    from exim_dkim.expansion.nodes import Test
else:
    headers = lazy_module("exim_dkim.expansion.headers")
    ip = lazy_module("exim_dkim.expansion.ip")
    numbers = lazy_module("exim_dkim.expansion.numbers")

_SYMBOL = lazy_pattern(rb"[<>=]=?")

# Why conditions of Exim are not here.
_OF_PASSWORDS: Final = "it checks the password of a client"
_NOT_HERE: Final = {
    b"acl": "it runs what is inside the Exim process",
    b"inbound_srs": "it checks envelope addresses, not signatures",
    **dict.fromkeys(b"crypteq ldapauth pam pwcheck radius saslauthd".split(), _OF_PASSWORDS),
}


# How a condition is parsed, and what makes its test of its name and of what was parsed.
MakeTest = Callable[[bytes, Any], "Test"]
ConditionType = tuple[Callable[[Parser, bytes], object], MakeTest]


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
    parse, make_test = CONDITIONS[name]
    if make_test is _of_lists:
        from exim_dkim.expansion.listconditions import TESTS

        make_test = TESTS[name]
    test = make_test(name, parse(parser, name))
    return Condition(name, _not(test) if negated else test, start)


def _not(test: Test) -> Test:
    return lambda state: not test(state)


def _unknown(parser: Parser, name: bytes, start: int) -> ExpansionError:
    if not name:
        found = printable(parser.source[parser.position : parser.position + 16])
        return parser.error(f'condition name expected, but found "{found}"')
    if name in _NOT_HERE:
        reason = _NOT_HERE[name]
        return parser.error(f'condition "{printable(name)}" has no meaning outside Exim: {reason}', start)
    return parser.error(f'unknown condition "{printable(name)}"', start)


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


def calling(function: Callable[[bytes, Any, State], bool]) -> MakeTest:
    """Tests by a function of the name, what was parsed, and the state."""
    return lambda name, parsed: lambda state: function(name, parsed, state)


def _of_texts(compare: Callable[[bytes, bytes], bool]) -> MakeTest:
    def make(name: bytes, texts: tuple[Template, Template]) -> Test:
        left, right = texts
        return lambda state: compare((left.always or left.run(state)).text, (right.always or right.run(state)).text)

    return make


def _caseless(compare: Callable[[int, int], bool]) -> MakeTest:
    """A comparison in which case does not count; as in Exim, the beginning of a text comes after the text."""

    def test(left: bytes, right: bytes) -> bool:
        left, right = left.lower(), right.lower()
        order = 1 if left != right and right.startswith(left) else (left > right) - (left < right)
        return compare(order, 0)

    return _of_texts(test)


def _of_numbers(compare: Callable[[int, int], bool]) -> MakeTest:
    def test(left: bytes, right: bytes) -> bool:
        return compare(numbers.parse_integer(left), numbers.parse_integer(right))

    return _of_texts(test)


def _and(name: bytes, conditions: tuple[Condition, ...]) -> Test:
    tests = [condition.holds for condition in conditions]

    def test_all(state: State) -> bool:
        for test in tests:  # noqa: SIM110  see compile.py
            if not test(state):
                return False
        return True

    return test_all


def _or(name: bytes, conditions: tuple[Condition, ...]) -> Test:
    tests = [condition.holds for condition in conditions]

    def test_any(state: State) -> bool:
        for test in tests:  # noqa: SIM110
            if test(state):
                return True
        return False

    return test_any


def _defined(name: bytes, what: tuple[str, bytes]) -> Test:
    kind, variable = what
    if kind == "header":
        return lambda state: headers.header_exists(variable, state.environment)
    return lambda state: state.variable(variable).text != b""


def _exists(name: bytes, template: Template, state: State) -> bool:
    path = template.run(state).text
    try:
        return path.startswith(b"/") and state.environment.files.exists(path)
    except FileTrouble:
        return False


def _boolean(name: bytes, template: Template, state: State) -> bool:
    text = template.run(state).text.strip(BLANKS)
    word = text.lower()
    lax = name == b"bool_lax"
    if not text or word in (b"false", b"no"):
        return False
    if text == b"-" or text.removeprefix(b"-").isdigit():
        return (lax and len(text) > 1) or bool(text.strip(b"-0"))
    if lax or word in (b"true", b"yes"):
        return True
    raise ExpansionError(f'unrecognised boolean value "{printable(text)}"')


def _is_ip(name: bytes, template: Template, state: State) -> bool:
    version = ip.ip_version(template.run(state).text)
    return version > 0 if name == b"isip" else version == (4 if name == b"isip4" else 6)


def _of_lists(name: bytes, parsed: Any) -> Test:
    """Stands for the conditions of lists and patterns, which are imported when a template has one."""
    raise AssertionError("it is in listconditions")


def _first_delivery(name: bytes, parsed: None) -> Test:
    return lambda state: state.variable(b"first_delivery").text == b"yes"


def _never(name: bytes, parsed: None) -> Test:
    return lambda state: False


_TWO: Final = _parse_two

CONDITIONS: Final[dict[bytes, ConditionType]] = {
    b"=": (_TWO, _of_numbers(int.__eq__)),
    b"==": (_TWO, _of_numbers(int.__eq__)),
    b"<": (_TWO, _of_numbers(int.__lt__)),
    b"<=": (_TWO, _of_numbers(int.__le__)),
    b">": (_TWO, _of_numbers(int.__gt__)),
    b">=": (_TWO, _of_numbers(int.__ge__)),
    b"and": (_parse_group, _and),
    b"bool": (_parse_one, calling(_boolean)),
    b"bool_lax": (_parse_one, calling(_boolean)),
    b"def": (_parse_defined, _defined),
    b"eq": (_TWO, _of_texts(bytes.__eq__)),
    b"eqi": (_TWO, _caseless(int.__eq__)),
    b"exists": (_parse_one, calling(_exists)),
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
    b"isip": (_parse_one, calling(_is_ip)),
    b"isip4": (_parse_one, calling(_is_ip)),
    b"isip6": (_parse_one, calling(_is_ip)),
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
