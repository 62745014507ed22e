"""Templates to values, given an environment (Exim specification §11.3).

Taint is carried: a value is tainted if any part of it is. A failed expansion raises ExpansionError with the place in
the template; an explicit `fail` raises ForcedFailure. What is not chosen is not evaluated (as in Exim since 4.97).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.environment import Environment
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.nodes import Template
from exim_dkim.expansion.parse import USUAL_DEPTH, parse_template, room_for
from exim_dkim.expansion.value import EMPTY, Value
from exim_dkim.expansion.variables import is_acl_variable

MAX_NESTED: Final = 20  # texts that are expanded, by `${expand:` and `${sg`, while another one is

_NO_WORKING: Final[Mapping[bytes, Value]] = {}


class State:
    """`$1…`, `$value`, `$item`, and the working variables.

    Most states never change, so that what they begin with is in the class. Values are read by `variable` and `capture`
    only, so that it can be known what an expansion depends on; the attributes are for those that set them and put back
    what was there.
    """

    captures: tuple[Value, ...] = ()
    value: Value | None = None
    item: Value | None = None
    exhausted = 0  # matches that ran out of steps
    nested = 0  # texts that are expanded while another one is

    def __init__(self, environment: Environment, working: Mapping[bytes, Value]) -> None:
        self.environment = environment
        self.working = working

    def capture(self, number: int) -> Value:
        """What `$number` is; empty if there is none."""
        captures = self.captures
        return captures[number] if number < len(captures) else EMPTY

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
    if template.always is not None:
        return template.always
    state = State(environment, working or _NO_WORKING)
    if template.depth < USUAL_DEPTH:
        return template.run(state)
    with room_for(template.depth):
        return template.run(state)


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
            return template.run(state)
    finally:
        state.nested -= 1
