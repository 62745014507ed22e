"""What a parsed expansion string consists of. Pure data: `parse.py` makes it, `compile.py` functions that give values.

Operators, items and conditions carry the functions that their tables give them, so that the compiler knows no names.
`start` is the offset in the source where a node begins, for error messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from exim_dkim.expansion.evaluate import State
    from exim_dkim.expansion.value import Value

    Run = Callable[["State"], "Value"]
    Test = Callable[["State"], bool]
    OperatorFunction = Callable[["Value", "bytes | None", "State"], "Value"]


LONGEST_KEPT: Final = 4096  # bytes of a value that is kept: templates are kept, too, so that it must be bounded


class Template:
    """A sequence of nodes; their values are joined. `depth` is how deep templates may be nested in it.

    `run` gives the value for a state: what `compile.py` makes of the parts when they are used. `always` is the value,
    once it is known to be the same for every state; `template.always or template.run(state)` saves a call.
    """

    __slots__ = ("always", "depth", "parts", "run", "source")

    run: Run

    def __init__(self, source: bytes, parts: tuple[Node, ...], depth: int = 0) -> None:
        self.source = source
        self.parts = parts
        self.depth = depth
        self.always: Value | None = None

    def keep(self, value: Value) -> None:
        """Give this value from now on."""
        self.always = value
        self.run = lambda state: value

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
    """`${name …}`; `run` is made by the item's own grammar, of what it has read."""

    __slots__ = ("name", "run", "start")

    def __init__(self, name: bytes, run: Run, start: int) -> None:
        self.name = name
        self.run = run
        self.start = start


class Condition:
    """A condition of `${if`, with its exclamation marks: `holds` is made by the condition's own grammar."""

    __slots__ = ("holds", "name", "start")

    def __init__(self, name: bytes, holds: Test, start: int) -> None:
        self.name = name
        self.holds = holds
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
