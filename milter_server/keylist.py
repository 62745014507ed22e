"""Rules that say which key signs whose mail: `-K` of dkim-filter, and what SigningTable and KeyTable become.

    rule = pattern ":" domain ":" key-file [ ":" selector [ ":" identity ] ]

`pattern` is an address in which `*` stands for any text: `*@example.org`, `news@*.example.org`; `*` alone is everybody.
The first rule that fits decides; with milter_multiple_signatures each that fits makes a signature. Without a selector,
the file's name without directory and `.private` or `.pem` is the selector, as in dkim-filter; a file that does not
exist is sought with these endings.

An empty domain is the author's domain; so is `*`. `identity` is what i= says, `user@domain` or `@domain`, in which `*`
stands for the author's domain; one that is not at or below the signing domain does not count.
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
    identity: str = ""


class KeyList:
    """Rules in their order. Those for whole domains (`*@example.org`) are found without trying the others."""

    __slots__ = ("_by_address", "_by_domain", "_by_pattern")

    def __init__(self, lines: Iterable[str], exists: Callable[[str], bool]) -> None:
        """`lines`: rules without comments. `exists`: whether there is a file. Raises `ValueError`."""
        self._by_domain: dict[str, list[tuple[int, Rule]]] = {}
        self._by_address: dict[str, list[tuple[int, Rule]]] = {}
        self._by_pattern: list[tuple[int, Wildcard, Rule]] = []
        for number, line in enumerate(lines):
            if number >= MAX_RULES:
                raise ValueError(f"more than {MAX_RULES} rules; use look-ups in dkim_domain and dkim_private_key")
            pattern, rule = parse_rule(line, exists)
            self._add(number, pattern.lower(), rule)

    def _add(self, number: int, pattern: str, rule: Rule) -> None:
        local, at, domain = pattern.rpartition("@")
        if at and local == "*" and "*" not in domain:
            self._by_domain.setdefault(domain, []).append((number, rule))
        elif "*" in pattern:
            self._by_pattern.append((number, Wildcard(pattern), rule))
        else:
            self._by_address.setdefault(pattern, []).append((number, rule))

    def files(self) -> set[str]:
        """The key files of all rules."""
        exact = (*self._by_domain.values(), *self._by_address.values())
        return {rule.key_file for found in exact for _, rule in found} | {
            rule.key_file for *_, rule in self._by_pattern
        }

    def find(self, local: str, domain: str) -> Rule | None:
        """The rule for an author, `local`@`domain`: the first that fits."""
        best, patterns = self._exact(local, domain), self._by_pattern
        address = f"{local}@{domain}".lower()
        for number, pattern, rule in patterns:
            if best and number > best[0][0]:
                break
            if pattern.matches(address):
                return rule
        return best[0][1] if best else None

    def find_all(self, local: str, domain: str) -> list[Rule]:
        """All rules that fit an author, in their order."""
        address = f"{local}@{domain}".lower()
        found = [(number, rule) for number, pattern, rule in self._by_pattern if pattern.matches(address)]
        return [rule for _, rule in sorted([*found, *self._exact(local, domain)])]

    def _exact(self, local: str, domain: str) -> list[tuple[int, Rule]]:
        """The rules for the address and for its domain, with their places."""
        of_domain = self._by_domain.get(domain.lower(), [])
        return sorted([*of_domain, *self._by_address.get(f"{local}@{domain}".lower(), [])])


def parse_rule(line: str, exists: Callable[[str], bool]) -> tuple[str, Rule]:
    """A rule and its pattern; `ValueError`."""
    parts = [part.strip() for part in line.split(":")]
    if len(parts) not in (3, 4, 5) or not parts[0] or not parts[2]:
        raise ValueError(f"{line!r} is not a rule; write PATTERN:DOMAIN:KEYFILE:SELECTOR, perhaps :IDENTITY")
    pattern, domain, path = parts[:3]
    if not path.startswith("/"):
        raise ValueError(f"{line!r}: the path of a key file begins with /")
    selector = parts[3] if len(parts) > 3 and parts[3] else _selector_of(path)
    identity = parts[4] if len(parts) > 4 else ""
    if identity and "@" not in identity:
        raise ValueError(f"{line!r}: an identity (i=) is user@domain or @domain")
    if not exists(path):
        path = next((path + ending for ending in ENDINGS if exists(path + ending)), path)
    return pattern, Rule("" if domain == "*" else domain.lower(), path, selector, identity)


def _selector_of(path: str) -> str:
    name = path.rpartition("/")[2]
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
