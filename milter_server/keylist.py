"""Rules that say which key signs whose mail: `-K` of dkim-filter, and what SigningTable and KeyTable become.

    rule = pattern ":" domain ":" key-file [ ":" selector ]

`pattern` is an address in which `*` stands for any text: `*@example.org`, `news@*.example.org`; `*` alone is everybody.
The first rule that fits decides. Without a selector, the file's name without directory and `.private` or `.pem` is the
selector, as in dkim-filter; a file that does not exist is sought with these endings.

An empty domain is the author's domain; so is `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from milter_server.wildcard import Wildcard

MAX_RULES: Final = 100_000
ENDINGS: Final = (".private", ".pem")


class Rule(NamedTuple):
    """Who signs: `domain` empty for the author's own."""

    domain: str
    key_file: str
    selector: str


class KeyList:
    """Rules in their order. Those for whole domains (`*@example.org`) are found without trying the others."""

    __slots__ = ("_by_address", "_by_domain", "_by_pattern")

    def __init__(self, lines: Iterable[str], exists: Callable[[str], bool]) -> None:
        """`lines`: rules without comments. `exists`: whether there is a file. Raises `ValueError`."""
        self._by_domain: dict[str, tuple[int, Rule]] = {}
        self._by_address: dict[str, tuple[int, Rule]] = {}
        self._by_pattern: list[tuple[int, Wildcard, Rule]] = []
        for number, line in enumerate(lines):
            if number >= MAX_RULES:
                raise ValueError(f"more than {MAX_RULES} rules; use look-ups in dkim_domain and dkim_private_key")
            pattern, rule = parse_rule(line, exists)
            self._add(number, pattern.lower(), rule)

    def _add(self, number: int, pattern: str, rule: Rule) -> None:
        local, at, domain = pattern.rpartition("@")
        if at and local == "*" and "*" not in domain:
            self._by_domain.setdefault(domain, (number, rule))
        elif "*" in pattern:
            self._by_pattern.append((number, Wildcard(pattern), rule))
        else:
            self._by_address.setdefault(pattern, (number, rule))

    def files(self) -> set[str]:
        """The key files of all rules."""
        exact = (*self._by_domain.values(), *self._by_address.values())
        return {rule.key_file for _, rule in exact} | {rule.key_file for _, _, rule in self._by_pattern}

    def find(self, local: str, domain: str) -> Rule | None:
        """The rule for an author, `local`@`domain`."""
        address = f"{local}@{domain}".lower()
        exact = (self._by_domain.get(domain.lower()), self._by_address.get(address))
        best = min((found for found in exact if found), default=None)
        for number, pattern, rule in self._by_pattern:
            if best is not None and number > best[0]:
                break
            if pattern.matches(address):
                return rule
        return best[1] if best else None


def parse_rule(line: str, exists: Callable[[str], bool]) -> tuple[str, Rule]:
    """A rule and its pattern; `ValueError`."""
    parts = [part.strip() for part in line.split(":")]
    if len(parts) not in (3, 4) or not parts[0] or not parts[2]:
        raise ValueError(f"{line!r} is not a rule; write PATTERN:DOMAIN:KEYFILE or PATTERN:DOMAIN:KEYFILE:SELECTOR")
    pattern, domain, path = parts[:3]
    if not path.startswith("/"):
        raise ValueError(f"{line!r}: the path of a key file begins with /")
    selector = parts[3] if len(parts) == 4 else _selector_of(path)
    if not exists(path):
        path = next((path + ending for ending in ENDINGS if exists(path + ending)), path)
    return pattern, Rule("" if domain == "*" else domain.lower(), path, selector)


def _selector_of(path: str) -> str:
    name = path.rpartition("/")[2]
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
