"""Templates to values, given an environment (Exim specification §11.3).

Taint is carried: a value is tainted if any part of it is. A failed expansion raises ExpansionError with the place in
the template; an explicit `fail` raises ForcedFailure. What is not chosen is not evaluated (as in Exim since 4.97).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import Environment
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.nodes import Capture, Header, Item, Literal, Node, Operator, Template, Variable
from exim_dkim.expansion.parse import parse_template, room_for
from exim_dkim.expansion.value import EMPTY, Value, plain
from exim_dkim.expansion.variables import is_acl_variable

if TYPE_CHECKING:
    from exim_dkim.expansion.nodes import StepFunction

MAX_LENGTH: Final = 1 << 20  # bytes of one value; `${sg` and the list items could make any input huge

MAX_NESTED: Final = 20  # texts that are expanded, by `${expand:` and `${sg`, while another one is

_NO_WORKING: Final[Mapping[bytes, Value]] = {}


class State:
    """What changes while a template is evaluated: `$1…`, `$value`, `$item`, and the working variables.

    Most states never change, so that what they begin with is in the class.
    """

    captures: tuple[Value, ...] = ()
    value: Value | None = None
    item: Value | None = None
    exhausted = 0  # matches that ran out of steps
    nested = 0  # texts that are expanded while another one is

    def __init__(self, environment: Environment, working: Mapping[bytes, Value]) -> None:
        self.environment = environment
        self.working = working

    def variable(self, name: bytes) -> Value:
        """The value of a known variable; empty if it is not set."""
        if name in self.working:
            return self.working[name]
        if name == b"value" and self.value is not None:
            return self.value
        if name == b"item" and self.item is not None:
            return self.item
        value = self.environment.variable(name)
        if value is None:
            if self.environment.strict_acl_vars and (is_acl_variable(name) or name.startswith(b"r_")):
                hint = " (strict_acl_vars is set)" if name.startswith(b"acl_") else ""
                raise ExpansionError(f'unknown variable name "{name.decode()}"{hint}')
            return EMPTY
        return Value(value.text.partition(b"\0")[0], value.tainted) if b"\0" in value.text else value


def expand(template: Template, environment: Environment, working: Mapping[bytes, Value] | None = None) -> Value:
    """The value of a template. `working` are variables for this expansion, such as `dkim_domain`.

    Raises ExpansionError; ForcedFailure, one of its kinds, for an explicit `fail`.
    """
    if not template.parts:
        return EMPTY
    state = State(environment, working or _NO_WORKING)
    if template.depth < 20:
        return evaluate(template, state)
    with room_for(template.depth):
        return evaluate(template, state)


def evaluate(template: Template, state: State) -> Value:
    """The joined values of a template's nodes."""
    fixed = template.fixed
    if fixed is not None:
        return fixed
    steps = template.steps
    if steps is None:
        return _prepared(template, state)
    if len(steps) == 1:
        function, node = steps[0]
        try:
            value = function(node, state)
        except ExpansionError as error:
            raise _located(error, template, node) from error.__cause__
        text = value[0]
        if b"\0" in text or len(text) > MAX_LENGTH:
            return _bounded(text, value[1])
        return value
    return _joined(template, steps, state)


def _prepared(template: Template, state: State) -> Value:
    """The value of a template that is evaluated for the first time."""
    steps = template.steps = tuple(map(_step, template.parts))
    if all(function is _constant for function, _ in steps):
        template.fixed = _joined(template, steps, state)
        return template.fixed
    return evaluate(template, state)


def _joined(template: Template, steps: tuple[tuple[StepFunction, Any], ...], state: State) -> Value:
    texts: list[bytes] = []
    tainted = False
    length = 0
    for function, node in steps:
        try:
            value = function(node, state)
        except ExpansionError as error:
            raise _located(error, template, node) from error.__cause__
        texts.append(value[0])
        tainted = tainted or value[1]
        length += len(value[0])
        if length > MAX_LENGTH:
            break
    return _bounded(b"".join(texts), tainted)


def _bounded(text: bytes, tainted: bool) -> Value:
    """A value up to its first NUL, where strings end."""
    if len(text) > MAX_LENGTH:
        raise ExpansionError(f"the result is longer than {MAX_LENGTH} bytes")
    return Value(text.partition(b"\0")[0], tainted)


def _step(node: Node) -> tuple[StepFunction, Any]:
    """The function that evaluates a node, and what it is to be called with."""
    if type(node) is Item:
        return node.function, node
    if type(node) is Literal:
        return _constant, plain(node.text)
    return _EVALUATORS[type(node)], node


def expand_again(text: Value, state: State) -> Value:
    """The value of a text that an expansion has made. Raises ExpansionError, always for one that came with mail."""
    if b"$" not in text.text and b"\\" not in text.text:
        return text
    if text.tainted:
        raise ExpansionError(f"attempt to expand tainted string '{printable(text.text)}'")
    if state.nested >= MAX_NESTED:
        raise ExpansionError(f"expansions of expanded strings are nested more than {MAX_NESTED} deep")
    template = parse_template(text.text)
    state.nested += 1
    try:
        with room_for(template.depth):
            return evaluate(template, state)
    finally:
        state.nested -= 1


def _located(error: ExpansionError, template: Template, node: Node) -> ExpansionError:
    """The same error, with the place of the node if it has none yet."""
    if not error.source:
        error.source = template.source
        error.start = getattr(node, "start", 0)
        error.end = error.start + 1
    return error


def _constant(value: Value, state: State) -> Value:
    return value


def _variable(node: Variable, state: State) -> Value:
    return state.variable(node.name)


def _capture(node: Capture, state: State) -> Value:
    return state.captures[node.number] if node.number < len(state.captures) else EMPTY


def _header(node: Header, state: State) -> Value:
    known = state.environment.known_headers
    key = (node.form, node.name)
    value = known.get(key) if known is not None else None
    if value is None:
        from exim_dkim.expansion.headers import find_header

        value = find_header(node.form, node.name, state.environment) or EMPTY
        if known is not None:
            known[key] = value
    return value


def _operator(node: Operator, state: State) -> Value:
    return node.function(evaluate(node.operand, state), node.arguments, state)


_EVALUATORS: Final[dict[type, Callable[[Any, State], Value]]] = {
    Variable: _variable,
    Capture: _capture,
    Header: _header,
    Operator: _operator,
}
