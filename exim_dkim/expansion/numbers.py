"""Numbers of the language: those that conditions compare, and the arithmetic of `${eval:` (Exim specification §11.8).

    expression = xor *( "|" xor )          xor   = and *( "^" and )      and  = shift *( "&" shift )
    shift      = sum *( ( "<<" / ">>" ) sum )      sum = product *( ( "+" / "-" ) product )
    product    = unary *( ( "*" / "/" / "%" ) unary )
    unary      = *( "+" / "-" / "~" ) ( number / "(" expression ")" )

64-bit integers that wrap, as in C.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable
from exim_dkim.lazypattern import lazy_pattern

_LARGEST: Final = (1 << 63) - 1
_MAX_DEPTH: Final = 60  # parentheses and signs in each other; the text may come from mail
_MULTIPLIERS: Final = {b"k": 1 << 10, b"m": 1 << 20, b"g": 1 << 30}
_BLANKS: Final = b" \t\n\r\v\f"
_INTEGER = lazy_pattern(rb"[ \t\n\r\v\f]*([+-]?[0-9]+)([kKmMgG]?)[ \t\n\r\v\f]*")
_SKIP = lazy_pattern(rb"[ \t\n\r\v\f]*")
_C_NUMBER = lazy_pattern(rb"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_DECIMAL = lazy_pattern(rb"[0-9]+")


def parse_integer(text: bytes) -> int:
    """A decimal number with K, M or G behind it; nothing but blanks is 0. Raises ExpansionError."""
    if not text.strip(_BLANKS):
        return 0
    match = _INTEGER.match(text)
    shown = printable(text)
    if match is None:
        raise ExpansionError(f'integer expected but "{shown.lstrip()}" found')
    digits = match[1].lstrip(b"+")
    value = int(digits) if len(digits) < 30 else _LARGEST + 1
    value *= _MULTIPLIERS.get(match[2].lower(), 1)
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise ExpansionError(f'absolute value of integer "{shown.lstrip()}" is too large (overflow)')
    if match.end() < len(text):
        raise ExpansionError(f'invalid integer "{shown.lstrip()}"')
    return value


def calculate(text: bytes, *, decimal: bool = False) -> int:
    """The value of an expression; `decimal`: a leading 0 means nothing. Raises ExpansionError."""
    calculator = _Calculator(text, _DECIMAL if decimal else _C_NUMBER)
    try:
        value = calculator.expression()
        if calculator.position < len(text):
            raise _Trouble("expecting operator")
    except _Trouble as trouble:
        done = printable(text[: calculator.position])
        raise ExpansionError(f'error in expression evaluation: {trouble} (after processing "{done}")') from None
    return value


class _Trouble(Exception):
    """What is wrong with an expression."""


def _wrapped(value: int) -> int:
    """The value in 64 bits."""
    return ((value + _LARGEST + 1) & ((1 << 64) - 1)) - _LARGEST - 1


class _Calculator:
    __slots__ = ("_depth", "_number", "position", "text")

    def __init__(self, text: bytes, number: re.Pattern[bytes]) -> None:
        self.text = text
        self.position = 0
        self._number = number
        self._depth = 0

    def expression(self) -> int:
        return self._chain(_OR, 0)

    def _chain(self, level: tuple[_Level, ...], index: int) -> int:
        """Operators of one precedence, from the left."""
        if index == len(level):
            return self._unary()
        operators, apply = level[index]
        value = self._chain(level, index + 1)
        while (operator := self._take(operators)) is not None:
            value = apply(operator, value, self._chain(level, index + 1))
        return value

    def _take(self, operators: tuple[bytes, ...]) -> bytes | None:
        for operator in operators:
            if self.text.startswith(operator, self.position):
                self.position += len(operator)
                return operator
        return None

    def _skip(self) -> None:
        match = _SKIP.match(self.text, self.position)
        assert match is not None
        self.position = match.end()

    def _unary(self) -> int:
        self._skip()
        operator = self._take((b"+", b"-", b"~"))
        if operator is None:
            return self._operand()
        self._deeper()
        value = self._unary()
        self._depth -= 1
        return {b"+": value, b"-": _wrapped(-value), b"~": ~value}[operator]

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Trouble("too many parentheses or signs in each other")

    def _operand(self) -> int:
        match = self._number.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
            digits = match[0]
            base = 10 if self._number is _DECIMAL else 8 if digits[:1] == b"0" and digits[1:2].isdigit() else 0
            value = int(digits, base) if len(digits) < 40 else _LARGEST
            value = min(value, _LARGEST)
            suffix = self.text[self.position : self.position + 1].lower()
            if suffix in _MULTIPLIERS:
                value = _wrapped(value * _MULTIPLIERS[suffix])
                self.position += 1
            self._skip()
            return value
        if self._take((b"(",)) is None:
            raise _Trouble("expecting number or opening parenthesis")
        self._deeper()
        value = self.expression()
        self._depth -= 1
        if self._take((b")",)) is None:
            raise _Trouble("expecting closing parenthesis")
        self._skip()
        return value


_Level = tuple[tuple[bytes, ...], Callable[[bytes, int, int], int]]


def _bits(operator: bytes, left: int, right: int) -> int:
    return left | right if operator == b"|" else left ^ right if operator == b"^" else left & right


def _shift(operator: bytes, left: int, right: int) -> int:
    right &= 63  # what the processor makes of it
    return _wrapped(left << right) if operator == b"<<" else left >> right


def _sum(operator: bytes, left: int, right: int) -> int:
    half = _LARGEST // 2
    if left >= half or (left <= -half and right <= -half):  # Exim's own, over-cautious test
        raise _Trouble("overflow in sum" if operator == b"+" else "overflow in difference")
    return _wrapped(left + right if operator == b"+" else left - right)


def _product(operator: bytes, left: int, right: int) -> int:
    if operator == b"*":
        return _wrapped(left * right)
    if right == 0:
        raise _Trouble("divide by zero" if operator == b"/" else "modulo by zero")
    if right == -1 and left == -_LARGEST - 1:
        return _LARGEST
    quotient = abs(left) // abs(right)
    if (left < 0) != (right < 0):
        quotient = -quotient
    return quotient if operator == b"/" else left - quotient * right


_OR: Final[tuple[_Level, ...]] = (
    ((b"|",), _bits),
    ((b"^",), _bits),
    ((b"&",), _bits),
    ((b"<<", b">>"), _shift),
    ((b"+", b"-"), _sum),
    ((b"*", b"/", b"%"), _product),
)
