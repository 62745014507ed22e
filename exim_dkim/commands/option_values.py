"""The options of a configuration as lines of a file, and what the expanded ones give for a message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from exim_dkim.config.grammar import BUILT_IN_MACROS
from exim_dkim.config.options import OPTIONS
from exim_dkim.errors import ConfigurationError, ExpansionError
from exim_dkim.expansion import Environment, Value, expand, split_list

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

HIDDEN: Final = "<value not displayable>"
"""What stands for the value of an option marked `hide`, as in the output of `exim -bP`."""

_NOT_SIGNED: Final = (b"", b"0", b"false")
_ESCAPES: Final = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\"}


class Expanded(NamedTuple):
    """What an option gives. `label` tells for which domain and selector, where that matters."""

    option: str
    label: str
    text: str
    failed: bool = False


def assignment(settings: Settings, name: str) -> str:
    """`name = value`, as it can stand in a file; an option that is not set, and has no default, is set to nothing."""
    if settings.is_hidden(name):
        return f"{name} = {HIDDEN}"
    if OPTIONS[name].type in ("expanded string", "string", "list"):
        return f"{name} = {quoted(settings.text(name))}".rstrip()
    return f"{name} = {settings.shown(name)}"


def quoted(value: bytes) -> str:
    """A string as it can stand behind the equals sign: as it is or, where that would not do, in double quotes."""
    text = value.decode("utf-8", "surrogateescape")
    if any(name in value for name in BUILT_IN_MACROS):  # it is not meant to be replaced
        return '"' + "".join("\\x5f" if byte == 0x5F else _escaped(byte) for byte in value) + '"'
    if text.isprintable() and text == text.strip() and not text.startswith('"') and not text.endswith("\\"):
        return text
    return '"' + "".join(_escaped(byte) for byte in value) + '"'


def _escaped(byte: int) -> str:
    return _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")


def expansions(settings: Settings, environment: Environment) -> Iterator[Expanded]:
    """What the expanded strings give, evaluated as for a signature: for each domain, and for each of its selectors."""
    evaluation = _Evaluation(settings, environment)
    for name in _EXPANDED:
        if not name.startswith(_METHODS):
            yield from evaluation.show(name, "", {})
    for method in _METHODS:
        yield from _of_method(evaluation, method)


def _of_method(evaluation: _Evaluation, method: str) -> Iterator[Expanded]:
    """The options of one kind of signature, `dkim_` or `domainkeys_`."""
    domains, selectors = f"{method}domain", f"{method}selector"
    yield from evaluation.show(domains, "", {})
    for domain in evaluation.elements(domains, {}):
        of_domain = {domains.encode(): Value(domain.text.lower(), domain.tainted)}
        label = _text(domain.text.lower())
        yield from evaluation.show(selectors, label, of_domain)
        for selector in evaluation.elements(selectors, of_domain):
            of_pair = {**of_domain, selectors.encode(): selector}
            for name in _EXPANDED:
                if name.startswith(method) and name not in (domains, selectors):
                    yield from evaluation.show(name, f"{label} {_text(selector.text)}", of_pair)


_METHODS: Final = ("dkim_", "domainkeys_")
_EXPANDED: Final = tuple(name for name, option in OPTIONS.items() if option.type == "expanded string")


class _Evaluation:
    def __init__(self, settings: Settings, environment: Environment) -> None:
        self._settings = settings
        self._environment = environment

    def value(self, name: str, working: Mapping[bytes, Value]) -> Value | None:
        """The value of an option; None if it is not set. Raises ExpansionError."""
        try:
            template = self._settings.template(name)
        except ConfigurationError as error:
            raise ExpansionError(error.message) from None
        return None if template is None else expand(template, self._environment, working)

    def elements(self, name: str, working: Mapping[bytes, Value]) -> Iterator[Value]:
        """The elements of a list; none if it cannot be expanded, which `show` tells."""
        try:
            value = self.value(name, working)
        except ExpansionError:
            return
        if value is not None:
            yield from (Value(element, value.tainted) for element in split_list(value.text) if element)

    def show(self, name: str, label: str, working: Mapping[bytes, Value]) -> Iterator[Expanded]:
        """One line for an option that is set, or has a default."""
        try:
            value = self.value(name, working)
        except ExpansionError as error:
            yield Expanded(name, label, f"Failed: {error.message}", failed=True)
            return
        if value is not None:
            is_key = name.endswith("_private_key") and not value.text.startswith(b"/") and value.text not in _NOT_SIGNED
            yield Expanded(name, label, "a private key, which is not shown" if is_key else _text(value.text))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
