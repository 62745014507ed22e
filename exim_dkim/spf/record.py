"""SPF records: which TXT records are one (RFC 7208 §4.5), and what those of the plain kind say (§4.6, §5, §6).

A record is plain when nothing in it could be understood in two ways. Whatever else there is, errors included, has no
`Record`; pyspf says what it means.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from exim_dkim.outcome import SpfReason
from exim_dkim.spf.macros import DOMAIN_LETTERS, MacroString, parse_macros

_VERSION: Final = b"v=spf1"
MAX_RECORD: Final = 4096
"""Longest record that is evaluated, in bytes. RFC 7208 §3.4 wants 450; real ones reach two thousand."""
MAX_TEXT: Final = 1024
"""Longest explanation that is looked at, in bytes; what SMTP can carry is shorter."""
MAX_NAME: Final = 253
"""Longest name that is asked for (RFC 7208 §7.3)."""
MAX_NAMES: Final = 10
"""How many MX or PTR names have their addresses looked up (RFC 7208 §4.6.4)."""

Select = Callable[[Sequence[bytes]], Sequence[bytes]]
"""From the TXT records of one domain to the SPF records among them, each without its version part.

None means that the domain has no record, several are an error. Asked for every domain, also of include and redirect.
"""


def select_spf1(records: Sequence[bytes]) -> Sequence[bytes]:
    """The terms of each record that is `v=spf1`, alone or with a space behind it, in any letter case."""
    size = len(_VERSION)
    return [
        record[size:] for record in records if record[:size].lower() == _VERSION and record[size : size + 1] in b" "
    ]


class Kind(enum.Enum):
    """The mechanisms."""

    ALL = "all"
    IP4 = "ip4"
    IP6 = "ip6"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    EXISTS = "exists"
    INCLUDE = "include"

    __hash__ = object.__hash__  # members are single; Enum's own hash is slow


class Target(NamedTuple):
    """A domain-spec: a `name`, or a `template` that gives one."""

    name: str = ""
    template: MacroString | None = None


class Term(NamedTuple):
    """A mechanism: `reason` when it matches; `text` as written.

    `target`: None stands for the current domain. `network`: the first bits of an address, as a number, and `shift` how
    many bits do not matter; `shift6` for IPv6 where a term is for both.
    """

    kind: Kind
    reason: SpfReason
    text: str
    target: Target | None = None
    network: int = 0
    shift: int = 0
    shift6: int = 0


_Table = dict[int, dict[int, tuple[int, "Term"]]]


class Networks:
    """Terms of networks that stand side by side: found by their first bits, however many there are."""

    __slots__ = ("_four", "_six")

    def __init__(self, terms: Iterable[Term]) -> None:
        self._four: _Table = {}
        self._six: _Table = {}
        for place, term in enumerate(terms):
            table = self._four if term.kind is Kind.IP4 else self._six
            table.setdefault(term.shift, {}).setdefault(term.network, (place, term))

    def find(self, number: int, is4: bool) -> Term | None:
        """The first term that has this address."""
        best: tuple[int, Term] | None = None
        for shift, networks in (self._four if is4 else self._six).items():
            found = networks.get(number >> shift)
            if found is not None and (best is None or found[0] < best[0]):
                best = found
        return None if best is None else best[1]


class Record(NamedTuple):
    """A plain record.

    `steps`: its terms in order, those of networks together. `asking`: the terms that ask DNS for a name known before,
    up to the one that always matches.
    """

    terms: tuple[Term, ...]
    steps: tuple[Term | Networks, ...] = ()
    asking: tuple[Term, ...] = ()
    redirect: Target | None = None
    exp: Target | None = None


class Fault(NamedTuple):
    """Why there is no record that can be used."""

    reason: SpfReason
    detail: str = ""


_REASONS = {
    "": SpfReason.MATCHED_PASS,
    "+": SpfReason.MATCHED_PASS,
    "-": SpfReason.MATCHED_FAIL,
    "~": SpfReason.MATCHED_SOFTFAIL,
    "?": SpfReason.MATCHED_NEUTRAL,
}
_KINDS = {kind.value: kind for kind in Kind}
_NETWORKS = (Kind.IP4, Kind.IP6)
_ASKING = (Kind.A, Kind.MX, Kind.EXISTS, Kind.INCLUDE)
_ONCE = ("redirect", "exp")

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LENGTH = r"(0|[1-9][0-9]{0,2})"
_MECHANISM: Final = re.compile(r"([+?~-]?)(all|ip4|ip6|a|mx|ptr|exists|include)([:/].*)?", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=([!-~]*)")
_IP4: Final = re.compile(rf":({_OCTET}(?:\.{_OCTET}){{3}})(?:/{_LENGTH})?")
_IP6: Final = re.compile(rf":([0-9a-f:.]+)(?:/{_LENGTH})?", re.IGNORECASE)
_DUAL: Final = re.compile(rf"(:.+?)?(?:/{_LENGTH})?(?://{_LENGTH})?")
_TOP: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


def parse_record(text: str) -> Record | None:
    """The record with these terms, written without the version; None when it is not plain."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for written in filter(None, text.split(" ")):
        modifier = _MODIFIER.fullmatch(written)
        if modifier is None:
            term = _parse_mechanism(written)
            if term is None:
                return None
            terms.append(term)
        elif (name := modifier[1].lower()) in _ONCE:
            if name in modifiers:
                return None
            modifiers[name] = modifier[2]
        elif "%" in modifier[2] and parse_macros(modifier[2], DOMAIN_LETTERS) is None:
            return None
    return _with_modifiers(tuple(terms), modifiers)


def _with_modifiers(terms: tuple[Term, ...], modifiers: dict[str, str]) -> Record | None:
    targets = {name: parse_target(modifiers[name]) for name in _ONCE if name in modifiers}
    if None in targets.values():
        return None
    steps: list[Term | Networks] = []
    for is_network, side_by_side in groupby(terms, lambda term: term.kind in _NETWORKS):
        group = tuple(side_by_side)
        steps.extend([Networks(group)] if is_network else group)
    asking = []
    for term in terms:
        if term.kind is Kind.ALL:
            break
        if term.kind in _ASKING and (term.target is None or term.target.name):
            asking.append(term)
    return Record(terms, tuple(steps), tuple(asking), targets.get("redirect"), targets.get("exp"))


def _parse_mechanism(written: str) -> Term | None:
    found = _MECHANISM.fullmatch(written)
    if found is None:
        return None
    kind, reason, rest = _KINDS[found[2].lower()], _REASONS[found[1]], found[3] or ""
    match kind:
        case Kind.ALL:
            return None if rest else Term(kind, reason, written)
        case Kind.IP4 | Kind.IP6:
            return _parse_network(kind, reason, written, rest)
        case Kind.A | Kind.MX:
            return _parse_dual(kind, reason, written, rest)
        case Kind.PTR | Kind.EXISTS | Kind.INCLUDE:
            if not rest:
                return Term(kind, reason, written) if kind is Kind.PTR else None
            target = parse_target(rest[1:]) if rest[0] == ":" else None
            return Term(kind, reason, written, target) if target else None


def _parse_network(kind: Kind, reason: SpfReason, written: str, rest: str) -> Term | None:
    found = (_IP4 if kind is Kind.IP4 else _IP6).fullmatch(rest)
    if found is None:
        return None
    bits = 32 if kind is Kind.IP4 else 128
    length = bits if found[2] is None else int(found[2])
    packed = bytes(map(int, found[1].split("."))) if kind is Kind.IP4 else _pack6(found[1])
    if length > bits or not packed:
        return None
    return Term(kind, reason, written, None, int.from_bytes(packed, "big") >> (bits - length), bits - length)


def _pack6(text: str) -> bytes:
    """The 16 bytes of an IPv6 address; empty for what is none."""
    import ipaddress

    try:
        return ipaddress.IPv6Address(text).packed
    except ValueError:
        return b""


def _parse_dual(kind: Kind, reason: SpfReason, written: str, rest: str) -> Term | None:
    found = _DUAL.fullmatch(rest)
    if found is None:
        return None
    length, length6 = int(found[2] or 32), int(found[3] or 128)
    if length > 32 or length6 > 128:
        return None
    target = parse_target(found[1][1:]) if found[1] else None
    if found[1] and target is None:
        return None
    return Term(kind, reason, written, target, 0, 32 - length, 128 - length6)


def parse_target(text: str) -> Target | None:
    """A domain-spec; None when it is not plain.

    It has to end in a macro or a top-level label (RFC 7208 §7.1); labels that DNS cannot hold are no error.
    """
    if not text.isprintable() or not text.isascii():
        return None
    if not text.endswith("}") and not ends_in_label(text):
        return None
    if "%" not in text:
        return Target(text.removesuffix("."))
    template = parse_macros(text, DOMAIN_LETTERS)
    if not template or (text.endswith("}") and isinstance(template[-1], str)):
        return None
    return Target("", template)


def ends_in_label(text: str) -> bool:
    """Whether a domain-spec ends in a dot and a top-level label (RFC 7208 §7.1)."""
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot) and not label.isdigit() and _TOP.fullmatch(label) is not None


def is_name(name: str) -> bool:
    """True when DNS can be asked for it: ASCII, labels of 1 to 63 bytes, at most 253 in all (RFC 7208 §4.8).

    Local parts can be Unicode; what macros make of one is never asked for, and does not match (RFC 8616 §4).
    """
    labels = name.split(".")
    return len(name) <= MAX_NAME and name.isascii() and all(labels) and max(map(len, labels)) < 64


def shortened(name: str) -> str:
    """The name without its first labels, as many as make it fit into DNS (RFC 7208 §7.3)."""
    if len(name) <= MAX_NAME:
        return name
    return name[-MAX_NAME - 1 :].partition(".")[2]
