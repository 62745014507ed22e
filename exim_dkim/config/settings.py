"""`Settings`: the values of the declared options, with one typed getter for each kind of option.

A getter for the wrong type of option, or for an undeclared one, is a programming error (TypeError, KeyError). Faults of
the file are ConfigurationError, found when the file is read; only templates are parsed later, when they are asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from exim_dkim.config.options import OPTIONS, Option
from exim_dkim.config.values import OptionValue, format_value, parse_value
from exim_dkim.errors import ConfigurationError

if TYPE_CHECKING:
    from exim_dkim.expansion import Template


class Setting:
    """An option's value and where it was set: `line` is 1-based, 0 on a command line."""

    __slots__ = ("file", "hidden", "line", "value")

    def __init__(self, value: OptionValue, file: str, line: int, hidden: bool = False) -> None:
        self.value = value
        self.file = file
        self.line = line
        self.hidden = hidden


class Settings:
    """What a configuration file says. Not changed after it is made; `replaced` makes another."""

    __slots__ = ("_set", "file", "macros", "named_lists", "profiles")

    def __init__(
        self,
        options: Mapping[str, Setting] | None = None,
        named_lists: Mapping[tuple[str, str], bytes] | None = None,
        file: str = "",
        profiles: Mapping[str, Mapping[str, Setting]] | None = None,
        macros: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._set = dict(options or {})
        self.named_lists = dict(named_lists or {})  # ("domain", "local_domains") -> its list
        self.file = file
        self.profiles = dict(profiles or {})  # name -> the options that it sets
        self.macros = dict(macros or {})

    def text(self, name: str) -> bytes:
        """A string of either kind, as bytes; empty if it is not set and has no default."""
        value = self._value(name, "expanded string", "string", "list")
        assert isinstance(value, bytes)
        return value

    def string(self, name: str) -> str:
        """A string of either kind as str; bytes that are not UTF-8 become surrogates, as in file names."""
        return self.text(name).decode("utf-8", "surrogateescape")

    def boolean(self, name: str) -> bool:
        """A boolean."""
        return bool(self._value(name, "boolean"))

    def integer(self, name: str) -> int:
        """A number, decimal or octal."""
        return int(self._value(name, "integer", "octal"))

    def seconds(self, name: str) -> int:
        """A time, in seconds."""
        return int(self._value(name, "time"))

    def size(self, name: str) -> int:
        """A size, in bytes."""
        return int(self._value(name, "size"))

    def items(self, name: str) -> tuple[str, ...]:
        """The elements of a list, by Exim's list rules."""
        from exim_dkim.expansion.lists import split_list

        text = self.text(name)
        return tuple(item.decode("utf-8", "surrogateescape") for item in split_list(text))

    def template(self, name: str) -> Template | None:
        """The parsed expansion string of an option; None if it is not set, has no default, or is empty.

        Raises ConfigurationError with the option's place if it cannot be parsed.
        """
        from exim_dkim.expansion import ExpansionError, parse_template

        text = self.text(name)
        try:
            return parse_template(text) if text else None
        except ExpansionError as error:
            setting = self._set.get(name, Setting(b"", "", 0))
            message = f"failed to expand {name}: {error.message}".replace("\n ", "; ")  # Exim makes two lines of one
            raise ConfigurationError(message, setting.file, setting.line) from error

    def is_set(self, name: str) -> bool:
        """True if the option is set, be it to its default."""
        OPTIONS[name]
        return name in self._set

    def is_hidden(self, name: str) -> bool:
        """True if the option is set and marked `hide`: its value is for administrators only."""
        return name in self._set and self._set[name].hidden

    def place(self, name: str) -> tuple[str, int]:
        """File and line where an option is set; ("", 0) if it is not."""
        setting = self._set.get(name)
        return (setting.file, setting.line) if setting else ("", 0)

    def shown(self, name: str) -> str:
        """The value that holds, for people: `4s`, `64M`, `true`; empty if there is none."""
        option = OPTIONS[name]
        if name not in self._set and option.default is None:
            return ""
        return format_value(option, self._value(name, option.type))

    def replaced(self, values: Mapping[str, bytes], source: str = "command line") -> Settings:
        """Other settings, in which options have other values, given as they would stand in the file."""
        options = dict(self._set)
        for name, text in values.items():
            if name not in OPTIONS:
                raise ConfigurationError(f'option "{name}" unknown', source)
            try:
                value = parse_value(OPTIONS[name], text)
            except ConfigurationError as error:
                raise ConfigurationError(error.message, source) from None
            options[name] = Setting(value, source, 0)
        return Settings(options, self.named_lists, self.file, self.profiles, self.macros)

    def with_profile(self, name: str) -> Settings:
        """The settings of a profile: what it sets, and for the rest the main part. Raises ConfigurationError."""
        if name not in self.profiles:
            known = ", ".join(self.profiles) or "none"
            raise ConfigurationError(f'profile "{name}" unknown (there are: {known})', self.file)
        options = {**self._set, **self.profiles[name]}
        return Settings(options, self.named_lists, self.file, self.profiles, self.macros)

    def check_templates(self, names: Iterable[str] = OPTIONS) -> None:
        """Parse every expansion string, also of profiles; raises ConfigurationError for the first that is wrong."""
        expanded = [name for name in names if OPTIONS[name].type == "expanded string"]
        for settings in (self, *map(self.with_profile, self.profiles)):
            for name in expanded:
                settings.template(name)

    def _value(self, name: str, *types: str) -> OptionValue:
        option = OPTIONS[name]
        if option.type not in types:
            raise TypeError(f"{name} is of type {option.type}, not {types[0]}")
        setting = self._set.get(name)
        return _default(option) if setting is None else setting.value


@functools.cache
def _default(option: Option) -> OptionValue:
    if option.default is not None:
        return parse_value(option, option.default.encode())
    return b"" if option.type in ("expanded string", "string", "list") else 0
