"""Logical lines to `Settings` (Exim specification §6.9-6.18): options, `hide`, `no_` and `not_`, named lists, profiles.

After `begin profiles`, `name:` begins a profile: options that hold instead of those above when the profile is wanted.

A fault raises ConfigurationError in Exim's words. Two things differ from Exim, for the sake of people: the line of an
error is where the option begins, and a misspelt option is not taken for a macro only because it begins with a capital.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from exim_dkim.config.lines import Line, LogicalLines, ReadInclude
from exim_dkim.config.options import DEFAULT_SIGN_HEADERS, OPTIONS, RECOMMENDED_SIGN_HEADERS, Option
from exim_dkim.config.settings import Setting, Settings
from exim_dkim.config.values import parse_value
from exim_dkim.errors import ConfigurationError
from exim_dkim.expansion.escapes import printable
from exim_dkim.lazypattern import lazy_pattern

# No pattern for settings: compiling it would take as long as reading the file, and every file has some.
_NAME_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_HIDE = lazy_pattern(rb"hide\s+(?=[A-Za-z])")
_NAMED_LIST = lazy_pattern(rb"(domain|host|address|localpart)list(?:_cache)?\s+(.*)", re.DOTALL)
_BEGIN = lazy_pattern(rb"begin\s+(.*)", re.IGNORECASE | re.DOTALL)
_PROFILE = lazy_pattern(rb"([a-z][A-Za-z0-9_.-]*)\s*:\s*(.*)", re.DOTALL)
_TRAP = lazy_pattern(rb"([A-Z][A-Za-z0-9_]*)\s*=")
_BUILT_IN = lazy_pattern(rb"\b_DKIM_\w*")
_MACRO_NAME = lazy_pattern(r"[A-Z][A-Za-z0-9_]*\Z")

_SIGNED_FIELDS: Final = DEFAULT_SIGN_HEADERS.replace("=", "").replace("+", "").encode()

# Exim's own names for its list of fields to sign, and for the same with every field signed once more than it is there;
# and the list that we recommend.
BUILT_IN_MACROS: Final = {
    b"_DKIM_SIGN_HEADERS": _SIGNED_FIELDS,
    b"_DKIM_OVERSIGN_HEADERS": b"+" + _SIGNED_FIELDS.replace(b":", b":+"),
    b"_DKIM_RECOMMENDED_HEADERS": RECOMMENDED_SIGN_HEADERS.encode(),
}


def read_nothing(path: str) -> bytes | None:
    """A `read_include` for texts that may include nothing."""
    raise ConfigurationError(f"no file can be included here: {path}")


def parse_configuration(
    text: bytes,
    file: str = "",
    read_include: ReadInclude = read_nothing,
    macros: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in `text`; `file` is its name for errors and for relative includes.

    `macros` are those of the command line (`-DNAME=text`), which the text cannot redefine.
    """
    defined = dict(BUILT_IN_MACROS)
    for name, value in (macros or {}).items():
        if not _MACRO_NAME.match(name):
            raise ConfigurationError(f'malformed macro definition: "{name}" must begin with a capital letter')
        defined[name.encode()] = value.encode("utf-8", "surrogateescape")
    taken = _Taken()
    lines = _Lines(text, file, read_include, defined)
    for line in lines:
        try:
            taken.take(line)
        except ConfigurationError as error:
            raise (error if error.file else line.error(error.message)) from None
    return Settings(taken.options, taken.named_lists, file, taken.profiles, lines.macros.texts)


class _Lines(LogicalLines):
    """Logical lines, with a guard: `Dkim_domain = x` would define a macro, and sign nothing."""

    def _define(self, line: Line) -> bool:
        match = _TRAP.match(line.text)
        if match is not None and not match[1].isupper() and match[1].lower().decode() in OPTIONS:
            name = match[1].decode()
            raise line.error(
                f'"{name} = …" would define a macro, because it begins with a capital letter; '
                f"write {name.lower()} to set the option"
            )
        return super()._define(line)


class _Taken:
    """What has been read so far. `target` is where options go: the main part, or a profile."""

    __slots__ = ("named_lists", "options", "profiles", "target")

    def __init__(self) -> None:
        self.options: dict[str, Setting] = {}
        self.named_lists: dict[tuple[str, str], bytes] = {}
        self.profiles: dict[str, dict[str, Setting]] | None = None
        self.target: dict[str, Setting] | None = self.options

    def take(self, line: Line) -> None:
        """Take in one line."""
        text, count = _HIDE.subn(b"", line.text, count=1) if line.text.startswith(b"hide") else (line.text, 0)
        if b"list" in text[:13] and self.profiles is None and (match := _NAMED_LIST.match(text)):
            _take_list(match[1].decode(), match[2], self.named_lists)
        elif text[:5].lower() == b"begin" and (begin := _BEGIN.match(text)):
            self._begin(begin[1])
        elif self.profiles is not None and (profile := _PROFILE.fullmatch(text)):
            self._begin_profile(self.profiles, profile[1].decode(), profile[2])
        else:
            self._take_option(line, text, bool(count))

    def _begin(self, section: bytes) -> None:
        if section.lower() != b"profiles":
            raise ConfigurationError(f'"{printable(section)}" is not a known configuration section name')
        if self.profiles is not None:
            raise ConfigurationError('"profiles" section is repeated in the configuration file')
        self.profiles = {}
        self.target = None

    def _begin_profile(self, profiles: dict[str, dict[str, Setting]], name: str, rest: bytes) -> None:
        if rest:
            raise ConfigurationError(f"extra characters follow profile name {name}")
        if name in profiles:
            raise ConfigurationError(f'there are two profiles called "{name}"')
        self.target = profiles[name] = {}

    def _take_option(self, line: Line, text: bytes, hidden: bool) -> None:
        name, right = _split_setting(text)
        if not name:
            raise ConfigurationError(f"option setting expected: {printable(text)}")
        if self.target is None:
            raise ConfigurationError("profile name missing")
        option, negated = _find(name)
        if self.profiles is not None and not option.in_profiles:
            raise ConfigurationError(
                f'option "{option.name}" cannot be set in a profile: it is about the whole process'
            )
        if option.name in self.target:
            raise ConfigurationError(f'"{option.name}" option set for the second time')
        _refuse_unknown_macro(name, right)
        value = _negated(name, option, right) if negated else parse_value(option, _right_side(name, option, right))
        self.target[option.name] = Setting(value, line.file, line.number, hidden)


def _split_setting(text: bytes) -> tuple[str, bytes]:
    """The name with which `text` begins, empty if there is none, and what follows it and blanks."""
    right = text.lstrip(_NAME_CHARACTERS)
    name = text[: len(text) - len(right)].decode()
    return (name, right.lstrip()) if name[:1].isalpha() else ("", text)


def _refuse_unknown_macro(name: str, text: bytes) -> None:
    """A misspelt `_DKIM_…`, which no macro has replaced, would be taken for a header field that is never there."""
    unknown = _BUILT_IN.search(text) if b"_DKIM_" in text and name.endswith("sign_headers") else None
    if unknown is not None:
        known = ", ".join(macro.decode() for macro in BUILT_IN_MACROS)
        raise ConfigurationError(f"{name}: there is no macro {printable(unknown[0])}; there are: {known}")


def _find(name: str) -> tuple[Option, bool]:
    """The option of a name, and whether the name says no."""
    option = OPTIONS.get(name)
    if option is not None:
        return option, False
    for prefix in ("no_", "not_"):
        option = OPTIONS.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if option is not None:
            return option, True
    raise ConfigurationError(f'main option "{name}" unknown{suggestion(name)}')


def suggestion(name: str) -> str:
    """` (did you mean "…"?)` for a name that is nearly that of an option, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name[:100], OPTIONS, 1)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _negated(name: str, option: Option, rest: bytes) -> bool:
    if option.type != "boolean":
        raise ConfigurationError("negation prefix applied to a non-boolean option")
    if rest:
        raise ConfigurationError(f"extra characters follow boolean option {name}")
    return False


def _right_side(name: str, option: Option, rest: bytes) -> bytes:
    """What stands behind the equals sign."""
    if rest.startswith(b"="):
        return rest[1:].lstrip()
    if option.type == "boolean":
        if rest:
            raise ConfigurationError(f"extra characters follow boolean option {name}")
        return b""
    if not rest:
        raise ConfigurationError(f"unexpected end of line (data missing) after {name}")
    raise ConfigurationError(f'missing "=" after {name}')


def _take_list(kind: str, text: bytes, named_lists: dict[tuple[str, str], bytes]) -> None:
    """`domainlist NAME = list`, or another kind; used as `+NAME`."""
    name, right = _split_setting(text)
    if not name or not right.startswith(b"="):
        raise ConfigurationError(f"missing '=' after \"{printable(text)}\"")
    if (kind, name) in named_lists:
        raise ConfigurationError(f'duplicate name "{name}" for a named {kind} list')
    value = right[1:].lstrip()
    if value.startswith(b'"'):
        value = bytes(parse_value(Option(name, "string", None, ""), value))
    named_lists[kind, name] = value
