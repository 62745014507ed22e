"""Option values: text to typed value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.config.options import OPTIONS, Option, OptionType
from exim_dkim.config.values import format_value, parse_value
from exim_dkim.errors import ConfigurationError

TEXTS = st.text(alphabet='0123456789xkMGTwdhms"\\ -', max_size=20).map(str.encode)
TYPES: list[OptionType] = ["expanded string", "string", "boolean", "integer", "octal", "time", "size", "list"]


def value(kind: OptionType, text: bytes) -> object:
    return parse_value(Option("x", kind, None, ""), text)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("boolean", b"", True),
        ("boolean", b"YES", True),
        ("boolean", b"true", True),
        ("boolean", b"no", False),
        ("boolean", b"False", False),
        ("integer", b"12", 12),
        ("integer", b"+12", 12),
        ("integer", b"0x10", 16),
        ("integer", b"010", 8),
        ("integer", b"0", 0),
        ("integer", b"2k", 2048),
        ("size", b"3M", 3 << 20),
        ("size", b"1G", 1 << 30),
        ("size", b"1T", 1 << 40),
        ("octal", b"0660", 0o660),
        ("octal", b"660", 0o660),
        ("time", b"0s", 0),
        ("time", b"1h30m", 5400),
        ("time", b"5s1h", 3605),
        ("time", b"1w2d", 777600),
        ("string", b"a b # c", b"a b # c"),
        ("string", b"", b""),
        ("string", b'"a\\x41\\n\\"\\\\" ', b'aA\n"\\'),
        ("list", b"a : b", b"a : b"),
        ("expanded string", b"$x", b"$x"),
    ],
)
def test_values(kind: OptionType, text: bytes, wanted: object) -> None:
    assert value(kind, text) == wanted


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("boolean", b"maybe", '"maybe" is not a valid value for the "x" option'),
        ("boolean", b"yes x", 'extra characters follow "yes" for boolean option x'),
        ("integer", b"abc", "integer expected for x"),
        ("integer", b"", "integer expected for x"),
        ("integer", b"08", "extra characters follow integer value for x"),
        ("integer", b"5 # x", "extra characters follow integer value for x (# is comment only at line start)"),
        ("integer", b"9" * 20, f'absolute value of integer "{"9" * 20}" is too large (overflow)'),
        ("integer", b"9" * 5000, "too large"),
        ("integer", b"-5", "negative value for x"),
        ("octal", b"9", "octal integer expected for x"),
        ("time", b"5", "invalid time value for x"),
        ("time", b"", "invalid time value for x"),
        ("time", b"1h 5m", "invalid time value for x"),
        ("time", b"5x", "invalid time value for x"),
        ("string", b'"ab', "missing quote at end of string value for x"),
        ("string", b'"ab\\"', "missing quote at end of string value for x"),
        ("string", b'"ab" c', "extra characters follow string value for x"),
        ("string", b'"ab" # c', "extra characters follow string value for x (# is comment only at line start)"),
    ],
)
def test_faults(kind: OptionType, text: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        value(kind, text)
    assert message in caught.value.message


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.one_of(st.binary(max_size=20), st.text(alphabet='0123456789xkMGTwdhms"\\ -', max_size=20)),
)
def test_any_text_is_a_value_or_the_one_error(kind: OptionType, text: bytes | str) -> None:
    data = text.encode() if isinstance(text, str) else text
    try:
        found = value(kind, data)
    except ConfigurationError as error:
        assert error.message.isprintable()  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(found, bytes | bool | int)


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_default_is_a_value_that_prints_as_itself(name: str) -> None:
    option = OPTIONS[name]
    if option.default is not None:
        found = parse_value(option, option.default.encode())
        assert parse_value(option, format_value(option, found).encode()) == found
    assert option.meaning
