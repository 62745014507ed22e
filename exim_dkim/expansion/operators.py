"""The operators, `${name:…}` (Exim specification §11.8): a table of name -> function.

A function gets the operand, the arguments behind the underscore (None: there are none) and the state. Those of a text
alone are written as bytes -> bytes and keep its taint; what is new text (a number, a count) is not tainted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion.escapes import printable
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.lists import split_list
from exim_dkim.expansion.value import Value, plain
from exim_dkim.lazymodule import lazy_module
from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.expansion import addresses, digests, encodings, intervals, lookups, numbers, otheroperators
    from exim_dkim.expansion.nodes import OperatorFunction
else:
    addresses = lazy_module("exim_dkim.expansion.addresses")
    digests = lazy_module("exim_dkim.expansion.digests")
    encodings = lazy_module("exim_dkim.expansion.encodings")
    intervals = lazy_module("exim_dkim.expansion.intervals")
    lookups = lazy_module("exim_dkim.expansion.lookups")
    numbers = lazy_module("exim_dkim.expansion.numbers")
    otheroperators = lazy_module("exim_dkim.expansion.otheroperators")

# An underscore separates the arguments, except in these names.
_WITH_UNDERSCORE: Final = frozenset(
    b"""from_utf8 local_part quote_local_part reverse_ip time_eval time_interval utf8_domain_from_alabel
    utf8_domain_to_alabel utf8_localpart_from_alabel utf8_localpart_to_alabel""".split()
)
_WITH_ARGUMENTS: Final = frozenset(
    b"h hash headerwrap l length listnamed mask nh nhash quote s sha2 sha3 substr".split()
)
# Exim has them, in newer versions or for what we do not do.
_NOT_HERE: Final = {
    b"utf8_localpart_from_alabel": "it is for transports that cannot do SMTPUTF8",
    b"utf8_localpart_to_alabel": "it is for transports that cannot do SMTPUTF8",
    b"xtextd": "it decodes parameters of SMTP commands",
}
_NEEDS_QUOTES = lazy_pattern(rb"[^A-Za-z0-9_.\-]")
_NEEDS_LOCAL_PART_QUOTES = lazy_pattern(rb"[^A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]|^\.|\.$")
_NO_ALPHANUMERIC = lazy_pattern(rb"[^A-Za-z0-9]")


def find_operator(name: bytes) -> tuple[OperatorFunction, bytes | None]:
    """The function of an operator and its arguments. Raises ExpansionError."""
    base, underscore, rest = (name, b"", b"") if name in _WITH_UNDERSCORE else name.partition(b"_")
    arguments = rest if underscore else None
    function = OPERATORS.get(base)
    shown = name.decode()
    if function is not None:
        if arguments is not None and base not in _WITH_ARGUMENTS:
            raise ExpansionError(f'unknown expansion operator "{shown}" ("{base.decode()}" does not take an _arg)')
        return function, arguments
    if base in _NOT_HERE:
        raise ExpansionError(f'operator "{base.decode()}" has no meaning outside Exim: {_NOT_HERE[base]}')
    raise ExpansionError(f'unknown expansion operator "{shown}"')


def _of_text(function: Callable[[bytes], bytes], *, new: bool = False) -> OperatorFunction:
    """An operator that needs only the text; `new`: what it makes holds nothing of it."""

    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        return Value(function(operand.text), operand.tainted and not new)

    return operator


# Those of other modules, which are imported when a template has one of them.


def _digest(name: bytes) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        return plain(digests.DIGESTS[name](operand.text, arguments))

    return operator


def _encoding(name: bytes) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        return Value(encodings.ENCODINGS[name](operand.text), operand.tainted)

    return operator


def _other(name: bytes) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        return otheroperators.OTHERS[name](operand, arguments, state)

    return operator


def _domain(text: bytes) -> bytes:
    address = addresses.parse_address(text)
    return address.domain if address else b""


def _local_part(text: bytes) -> bytes:
    address = addresses.parse_address(text)
    return address.local_part if address else b""


def _address(text: bytes) -> bytes:
    address = addresses.parse_address(text)
    return address.text if address else b""


def _addresses(text: bytes) -> bytes:
    return addresses.address_list(text)


def _strlen(text: bytes) -> bytes:
    return b"%d" % len(text)


def _eval(text: bytes) -> bytes:
    return b"%d" % numbers.calculate(text)


def _eval10(text: bytes) -> bytes:
    return b"%d" % numbers.calculate(text, decimal=True)


def _time_eval(text: bytes) -> bytes:
    seconds = intervals.parse_interval(text)
    if seconds is None:
        raise ExpansionError(f'string "{printable(text)}" is not an Exim time interval in "time_eval" operator')
    return b"%d" % seconds


def _time_interval(text: bytes) -> bytes:
    if text and not (text.isdigit() and len(text) <= 18):
        raise ExpansionError(f'string "{printable(text)}" is not a positive number in "time_interval" operator')
    return intervals.format_interval(int(text or b"0")).encode()


def _listcount(operand: Value, arguments: bytes | None, state: State) -> Value:
    return plain(b"%d" % len(split_list(operand.text, tainted=operand.tainted)))


def _quote_local_part(text: bytes) -> bytes:
    return _quoted(text) if not text or _NEEDS_LOCAL_PART_QUOTES.search(text) else text


def _quoted(text: bytes) -> bytes:
    text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return b'"' + text + b'"'


def _quote(operand: Value, arguments: bytes | None, state: State) -> Value:
    """`quote`, and `quote_TYPE` for a look-up type."""
    text = operand.text
    if arguments is not None:
        return Value(lookups.quote_for(arguments, text), operand.tainted)
    return Value(_quoted(text) if not text or _NEEDS_QUOTES.search(text) else text, operand.tainted)


def _rxquote(text: bytes) -> bytes:
    return _NO_ALPHANUMERIC.sub(rb"\\\g<0>", text)


def _length_of(name: str) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        (count,) = _numbers(name, arguments, 1)
        return Value(operand.text[: count or 0], operand.tainted)

    return operator


def _substr_of(name: str) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        negative = arguments is not None and arguments.startswith(b"-")
        numbers = _numbers(name, arguments[1:] if arguments and negative else arguments, 2)
        start = numbers[0] or 0
        return Value(substring(operand.text, -start if negative else start, numbers[1]), operand.tainted)

    return operator


def _hash_of(name: str) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        length, letters = _numbers(name, arguments, 2)
        return Value(digests.text_hash(operand.text, length or 0, letters), operand.tainted)

    return operator


def _nhash_of(name: str) -> OperatorFunction:
    def operator(operand: Value, arguments: bytes | None, state: State) -> Value:
        first, second = _numbers(name, arguments, 2)
        return plain(digests.number_hash(operand.text, first or 0, second))

    return operator


def _numbers(name: str, arguments: bytes | None, count: int) -> list[int | None]:
    """The numbers behind an operator's underscore."""
    if arguments is None:
        raise ExpansionError(f"missing values after {name}")
    parts = arguments.split(b"_", count - 1)
    numbers: list[int | None] = []
    for index, part in enumerate(parts):
        if (part or index or len(parts) > 1) and not part.isdigit():
            raise ExpansionError(f'non-digit after underscore in "{name}_{arguments.decode()}"')
        numbers.append(min(int(part[:18] or b"0"), 1 << 30))
    return numbers + [None] * (count - len(numbers))


def substring(text: bytes, start: int, length: int | None) -> bytes:
    """`length` bytes from `start`; a negative one counts from the right and, without a length, takes what is before."""
    if start >= 0:
        return text[start:] if length is None else text[start : start + length]
    begin = start + len(text)
    if begin < 0:
        return text[: max(0, (-1 if length is None else length) + begin)]
    return text[:begin] if length is None else text[begin : begin + length]


_ENCODINGS: Final = b"""base32 base32d base62 base62d base64 base64d escape escape8bit from_utf8 hex2b64 hexquote
    str2b64 utf8clean""".split()
_OTHERS: Final = b"""expand headerwrap ipv6denorm ipv6norm listnamed mask randint reverse_ip rfc2047 rfc2047d stat
    utf8_domain_from_alabel utf8_domain_to_alabel""".split()

OPERATORS: Final[dict[bytes, OperatorFunction]] = {
    b"address": _of_text(_address),
    b"addresses": _of_text(_addresses),
    b"domain": _of_text(_domain),
    b"eval": _of_text(_eval, new=True),
    b"eval10": _of_text(_eval10, new=True),
    b"h": _hash_of("h"),
    b"hash": _hash_of("hash"),
    b"l": _length_of("l"),
    b"lc": _of_text(bytes.lower),
    b"length": _length_of("length"),
    b"listcount": _listcount,
    b"local_part": _of_text(_local_part),
    b"nh": _nhash_of("nh"),
    b"nhash": _nhash_of("nhash"),
    b"quote": _quote,
    b"quote_local_part": _of_text(_quote_local_part),
    b"rxquote": _of_text(_rxquote),
    b"s": _substr_of("s"),
    b"strlen": _of_text(_strlen, new=True),
    b"substr": _substr_of("substr"),
    b"time_eval": _of_text(_time_eval, new=True),
    b"time_interval": _of_text(_time_interval, new=True),
    b"uc": _of_text(bytes.upper),
    **{name: _digest(name) for name in (b"md5", b"sha1", b"sha256", b"sha2", b"sha3")},
    **{name: _encoding(name) for name in _ENCODINGS},
    **{name: _other(name) for name in _OTHERS},
}
