"""Templates to functions: what `Template.run` is.

The first use of a template makes a function of its nodes. The second one watches whether the value (or the failure)
comes from the template alone, as that of `${lc:ABC}` does: if nothing was asked that could say something else another
time, and nothing was left behind, it is kept. A filter uses each template once and does not pay for that.

What calls each other here are Python functions alone, no `partial`, `all` or the like around them: Python bounds how
deep calls out of C may be nested, below what a template may be (3.12 does so at a thousand).

Errors get the place of the innermost node; values end at a NUL, and are of bounded length.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.nodes import LONGEST_KEPT, Capture, Header, Item, Literal, Node, Operator, Template, Variable
from exim_dkim.expansion.value import EMPTY, Value, plain
from exim_dkim.lazymodule import lazy_module

if TYPE_CHECKING:
    from exim_dkim.expansion import headers
    from exim_dkim.expansion.evaluate import State
    from exim_dkim.expansion.nodes import Run
else:
    headers = lazy_module("exim_dkim.expansion.headers")

MAX_LENGTH: Final = 1 << 20  # bytes of one value; `${sg` and the list items could make any input huge


def run_first(template: Template, state: State) -> Value:
    """What `run` is before the first use."""
    parts = template.parts
    run = _of_one(template, parts[0]) if len(parts) == 1 else _of_several(template)
    may_be_kept = any(type(node) in (Operator, Item) for node in parts)
    template.run = (lambda state: _second(template, run, state)) if may_be_kept else run
    return run(state)


def _second(template: Template, run: Run, state: State) -> Value:
    from exim_dkim.expansion.watch import Watch

    if type(state) is Watch:  # somebody else is watching; the next time will do
        return run(state)
    template.run = run
    watch = Watch(state)
    try:
        value = run(watch)
    except ExpansionError as error:
        if watch.close():
            template.run = partial(_fail, type(error), error.message, error.source, error.start, error.end)
        raise
    if watch.close() and len(value.text) <= LONGEST_KEPT:
        template.keep(value)
    return value


def _fail(kind: type[ExpansionError], message: str, source: bytes, start: int, end: int, state: State) -> Value:
    raise kind(message, source, start, end)


def _of_one(template: Template, node: Node) -> Run:
    if type(node) is Variable:
        return _of_variable(template, node)
    step = _step(node)

    def run(state: State) -> Value:
        try:
            value = step(state)
        except ExpansionError as error:
            _locate(error, template, node)
            raise
        text = value[0]
        if b"\0" in text or len(text) > MAX_LENGTH:
            return _bounded(text, value[1])
        return value

    return run


def _of_variable(template: Template, node: Variable) -> Run:
    """The most frequent one. A variable has no NUL."""
    name = node.name

    def run(state: State) -> Value:
        try:
            value = state.variable(name)
        except ExpansionError as error:
            _locate(error, template, node)
            raise
        return value if len(value[0]) <= MAX_LENGTH else _bounded(*value)

    return run


def _of_several(template: Template) -> Run:
    """Literals are in their places before the others are known."""
    frame = [node.text if type(node) is Literal else b"" for node in template.parts]
    steps = [(place, node, _step(node)) for place, node in enumerate(template.parts) if type(node) is not Literal]

    def run(state: State) -> Value:
        texts = frame.copy()
        tainted = False
        length = 0
        for place, node, step in steps:
            try:
                text, taint = step(state)
            except ExpansionError as error:
                _locate(error, template, node)
                raise
            texts[place] = text
            if taint:
                tainted = True
            length += len(text)
            if length > MAX_LENGTH:
                break
        text = b"".join(texts)
        if b"\0" in text or len(text) > MAX_LENGTH:
            return _bounded(text, tainted)
        return Value(text, tainted)

    return run


def _bounded(text: bytes, tainted: bool) -> Value:
    """A value up to its first NUL, where strings end."""
    if len(text) > MAX_LENGTH:
        raise ExpansionError(f"the result is longer than {MAX_LENGTH} bytes")
    return Value(text.partition(b"\0")[0], tainted)


def _locate(error: ExpansionError, template: Template, node: Node) -> None:
    """Give an error the place of the node if it has none yet."""
    if not error.source:
        error.source = template.source
        error.start = getattr(node, "start", 0)
        error.end = error.start + 1


def _step(node: Node) -> Run:
    """The function of one node."""
    match node:
        case Item():
            return node.run
        case Operator():
            return _operator(node)
        case Variable():
            return _variable(node.name)
        case Capture():
            return _capture(node.number)
        case Header():
            return partial(_header, node)
        case Literal():
            value = plain(node.text)
            return lambda state: value


def _operator(node: Operator) -> Run:
    function, operand, arguments = node.function, node.operand, node.arguments
    return lambda state: function(operand.always or operand.run(state), arguments, state)


def _variable(name: bytes) -> Run:
    return lambda state: state.variable(name)


def _capture(number: int) -> Run:
    return lambda state: state.capture(number)


def _header(node: Header, state: State) -> Value:
    known = state.environment.known_headers
    key = (node.form, node.name)
    value = known.get(key) if known is not None else None
    if value is None:
        value = headers.find_header(node.form, node.name, state.environment) or EMPTY
        if known is not None:
            known[key] = value
    return value
