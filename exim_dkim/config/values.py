"""Option values as Exim's configuration file writes them: text to typed value and back (Exim specification §6.11-6.18).

Every parser returns the value or raises ConfigurationError with Exim's wording, without a place; the caller knows it.
"""

from __future__ import annotations

from typing import Final

from exim_dkim.config.options import Option
from exim_dkim.errors import ConfigurationError
from exim_dkim.expansion.escapes import printable, unescape
from exim_dkim.expansion.intervals import format_interval, parse_interval
from exim_dkim.lazypattern import lazy_pattern

OptionValue = bytes | bool | int

_MULTIPLIERS: Final = {b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30, b"T": 1 << 40}
_LARGEST: Final = (1 << 63) - 1
_INTEGER = lazy_pattern(rb"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_OCTAL = lazy_pattern(rb"([+-]?)([0-7]+)")
_BOOLEANS: Final = {b"": True, b"true": True, b"yes": True, b"false": False, b"no": False}


def parse_value(option: Option, text: bytes) -> OptionValue:
    """The value of an option from what stands behind its `=`, without outer blanks."""
    if option.type == "boolean":
        return parse_boolean(option.name, text)
    if option.type == "time":
        return parse_time(option.name, text)
    if option.type in ("integer", "size", "octal"):
        return parse_integer(option.name, text, octal=option.type == "octal")
    return parse_string(option.name, text)


def parse_boolean(name: str, text: bytes) -> bool:
    """`true`, `yes`, `false`, `no` in any case; nothing at all is true."""
    word, _, rest = text.partition(b" ")
    value = _BOOLEANS.get(word.lower())
    if value is None:
        raise ConfigurationError(f'"{printable(word)}" is not a valid value for the "{name}" option')
    if rest.strip():
        raise ConfigurationError(f'extra characters follow "{printable(word)}" for boolean option {name}')
    return value


def parse_integer(name: str, text: bytes, *, octal: bool = False) -> int:
    """A number: decimal, 0x hexadecimal or 0 octal, then K, M, G or T for powers of 1024. None of ours is negative."""
    unit = text[-1:].upper() if text[-1:].upper() in _MULTIPLIERS else b""
    digits = text[: len(text) - len(unit)]
    if not octal and digits.isdigit() and digits[:1] != b"0" and len(digits) < 7:
        return int(digits) * _MULTIPLIERS.get(unit, 1)  # as nearly all are; the pattern need not be compiled
    match = (_OCTAL if octal else _INTEGER).match(text)
    if match is None:
        raise ConfigurationError(f"{'octal ' if octal else ''}integer expected for {name}")
    sign, digits = match.groups()
    rest = text[match.end() :]
    if len(digits) > 40:  # int() of a very long text is slow, and refused by Python
        raise _overflow(text)
    base = 8 if octal or (digits[:1] == b"0" and digits[1:2] not in (b"x", b"X")) else 0
    value = int(digits, base)
    multiplier = _MULTIPLIERS.get(rest[:1].upper())
    if multiplier is not None:
        value *= multiplier
        rest = rest[1:]
    if value > _LARGEST:
        raise _overflow(text)
    _refuse_extra(rest, f"integer value for {name}")
    if sign == b"-" and value:
        raise ConfigurationError(f"negative value for {name}")
    return value


def _overflow(text: bytes) -> ConfigurationError:
    return ConfigurationError(f'absolute value of integer "{printable(text)}" is too large (overflow)')


def parse_time(name: str, text: bytes) -> int:
    """Seconds, of `1w2d3h4m5s`: every number has its unit."""
    seconds = parse_interval(text)
    if seconds is None:
        raise ConfigurationError(f"invalid time value for {name}")
    return seconds


def parse_string(name: str, text: bytes) -> bytes:
    """The rest of the line, or what is in double quotes, with its escapes resolved."""
    if not text.startswith(b'"'):
        return text
    end = _closing_quote(text)
    if end < 0:
        raise ConfigurationError(f"missing quote at end of string value for {name}")
    _refuse_extra(text[end + 1 :], f"string value for {name}")
    return unescape(text[1:end])


def _closing_quote(text: bytes) -> int:
    position = 1
    while position < len(text):
        if text[position] == 0x5C:
            position += 1
        elif text[position] == 0x22:
            return position
        position += 1
    return -1


def _refuse_extra(rest: bytes, after: str) -> None:
    rest = rest.strip()
    if rest:
        hint = " (# is comment only at line start)" if rest.startswith(b"#") else ""
        raise ConfigurationError(f"extra characters follow {after}{hint}")


def format_value(option: Option, value: OptionValue) -> str:
    """A value for people, as it could stand in the file."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if option.type == "boolean":
        return "true" if value else "false"
    if option.type == "octal":
        return f"{value:04o}"
    if option.type == "time":
        return format_interval(value)
    for unit, length in reversed(_MULTIPLIERS.items()):
        if value and value % length == 0:
            return f"{value // length}{unit.decode()}"
    return str(value)
