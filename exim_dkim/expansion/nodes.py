"""What a parsed expansion string consists of. Pure data: `parse.py` makes it, `evaluate.py` gives it a value.

Operators, items and conditions carry the function that their table gives them, so that the evaluator knows no names.
`start` is the offset in the source where a node begins, for error messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from exim_dkim.expansion.evaluate import State
    from exim_dkim.expansion.value import Value

    StepFunction = Callable[[Any, "State"], "Value"]
    OperatorFunction = Callable[["Value", "bytes | None", "State"], "Value"]
    ItemFunction = Callable[["Item", "State"], "Value"]
    ConditionFunction = Callable[["Condition", "State"], bool]


class Template:
    """A sequence of nodes; their values are joined. `depth` is how deep templates may be nested in it.

    `steps` and `fixed` are for the evaluator: once it has looked at a template, the function for each node, and the
    value of one that is always the same.
    """

    __slots__ = ("depth", "fixed", "parts", "source", "steps")

    def __init__(self, source: bytes, parts: tuple[Node, ...], depth: int = 0) -> None:
        self.source = source
        self.parts = parts
        self.depth = depth
        self.fixed: Value | None = None
        self.steps: tuple[tuple[StepFunction, Any], ...] | None = None

    @property
    def constant(self) -> bytes | None:
        """The value, if it is the same for every message."""
        if all(type(part) is Literal for part in self.parts):
            return b"".join(part.text for part in self.parts if type(part) is Literal)
        return None


class Literal:
    """Text that stands for itself, escapes already resolved."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


class Variable:
    """`$name` or `${name}`, of a name that is known."""

    __slots__ = ("name", "start")

    def __init__(self, name: bytes, start: int) -> None:
        self.name = name
        self.start = start


class Capture:
    """`$1`: what a match or a partial look-up has left."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class Header:
    """`$h_name:`. `form` is `h`, `rh` (raw), `bh` (not converted) or `lh` (a list); `name` is lower case with colon."""

    __slots__ = ("form", "name")

    def __init__(self, form: bytes, name: bytes) -> None:
        self.form = form
        self.name = name


class Operator:
    """`${name_arguments:operand}`."""

    __slots__ = ("arguments", "function", "name", "operand", "start")

    def __init__(
        self, name: bytes, arguments: bytes | None, operand: Template, function: OperatorFunction, start: int
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.operand = operand
        self.function = function
        self.start = start


class Item:
    """`${name …}`; `payload` is what the item's own grammar made of the rest."""

    __slots__ = ("function", "name", "payload", "start")

    def __init__(self, name: bytes, payload: Any, function: ItemFunction, start: int) -> None:
        self.name = name
        self.payload = payload
        self.function = function
        self.start = start


class Condition:
    """A condition of `${if`; `negated` by an odd number of exclamation marks."""

    __slots__ = ("function", "name", "negated", "payload", "start")

    def __init__(
        self,
        name: bytes,
        negated: bool,
        payload: Any,
        function: ConditionFunction,
        start: int,
    ) -> None:
        self.name = name
        self.negated = negated
        self.payload = payload
        self.function = function
        self.start = start


class Branches:
    """What follows a condition, a look-up or an extraction: `{yes}{no}`, `{yes}fail`, `{yes}` or nothing."""

    __slots__ = ("fail", "no", "type", "yes")

    def __init__(self, kind: bytes, yes: Template | None, no: Template | None, fail: bool) -> None:
        self.type = kind
        self.yes = yes
        self.no = no
        self.fail = fail


Node = Literal | Variable | Capture | Header | Operator | Item
