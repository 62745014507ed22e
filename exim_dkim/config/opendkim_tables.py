"""SigningTable and KeyTable of OpenDKIM, and the rules of milter_key_list that they are.

An entry of a SigningTable is an address, or a pattern of addresses, with the name of a key and perhaps an identity; an
entry of a KeyTable is the name of a key with domain, selector and the key or its file. `%` is the author's domain.

In which order the entries of a plain table are tried was seen on OpenDKIM 2.11, and differs from its manual: for each
domain above the author's, the longest first, `user@.domain` and then `.domain`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from exim_dkim.config.opendkim import DataSet, Outside, table_entries

MAX_RULES: Final = 100_000
"""What a filter reads; each % in a table makes as many as there are keys."""

NOT_SIGNED: Final = "this mail will not be signed"


class SigningRule(NamedTuple):
    """An entry of a SigningTable with its key: in the form of milter_key_list."""

    pattern: str
    domain: str
    key_file: str
    selector: str
    identity: str = ""

    def __str__(self) -> str:
        parts = [self.pattern, self.domain or "*", self.key_file, self.selector]
        return ":".join([*parts, self.identity] if self.identity else parts)


class _Key(NamedTuple):
    """An entry of a KeyTable. `domain` may be `%`; `key` is a path, in which `%` may be, or the key itself."""

    domain: str
    selector: str
    key: str

    @property
    def in_a_file(self) -> bool:
        return self.key.startswith(("/", "./", "../"))


def signing_rules(signing: DataSet, keys: DataSet, outside: Outside, notes: list[str]) -> list[SigningRule]:
    """The rules, in the order in which they are tried. What is left out is told in `notes`.

    `ValueError` for tables that cannot be read here, or come to too much.
    """
    return _Tables(signing, keys, outside, notes).rules()


class _Tables:
    def __init__(self, signing: DataSet, keys: DataSet, outside: Outside, notes: list[str]) -> None:
        self._signing = signing
        self._entries = table_entries(signing, outside)
        self._keys = dict(_keys(table_entries(keys, outside)))
        self._outside = outside
        self._base = keys.base
        self._notes = notes
        self._found: dict[str, dict[str, None]] = {}
        self._kept: dict[str, str] = {}  # keys that were in the table itself, and their files

    def rules(self) -> list[SigningRule]:
        """All of them."""
        found = self._entries
        if self._signing.kind != "refile":
            found = sorted(((_pattern_of(key), value) for key, value in found), key=lambda rule: _order(rule[0]))
        rules: list[SigningRule] = []
        for pattern, value in found:
            if "@" not in pattern and "*" not in pattern:
                self._notes.append(
                    f"SigningTable: {pattern}: is no address, and fits none; perhaps *@{pattern} is meant"
                )
            key_name, _, signer = (part.strip() for part in value.partition(":"))
            for rule in self._rules(pattern, key_name, self._identity(pattern, signer)):
                if any(":" in part for part in rule):
                    self._notes.append(f"SigningTable: {pattern}: has a colon, which rules cannot have: {NOT_SIGNED}")
                else:
                    rules.append(rule)
                if len(rules) > MAX_RULES:
                    raise ValueError(f"more than {MAX_RULES} rules come of it; write look-ups instead")
        return rules

    def _identity(self, pattern: str, signer: str) -> str:
        """What i= is to be, with `*` for the author's domain."""
        if not signer:
            return ""
        if "@" not in signer:
            self._notes.append(
                f"SigningTable: {pattern}: the identity {signer} has no @, and OpenDKIM does not sign then; here it is"
                f" @{signer}"
            )
            signer = f"@{signer}"
        return signer.replace("%", "*")

    def _rules(self, pattern: str, key_name: str, identity: str) -> Iterator[SigningRule]:
        """The rules for one entry; a key named % is that of the author's domain, so there is one for each."""
        domain = pattern.rpartition("@")[2]
        if key_name == "%" and "*" in domain:
            for name in self._keys:
                if (narrower := _narrowed(pattern, name)) is not None:
                    yield from self._rules(narrower, name, identity)
            return
        name = domain if key_name == "%" else key_name
        key = self._keys.get(name)
        if key is None:
            self._notes.append(f"SigningTable: {pattern}: KeyTable has no usable key {name!r}: {NOT_SIGNED}")
            return
        own = "" if key.domain == "%" else key.domain.lower()
        for narrower, file in self._files(pattern, name, key):
            yield SigningRule(narrower, own, file, key.selector, identity)

    def _files(self, pattern: str, name: str, key: _Key) -> Iterator[tuple[str, str]]:
        """The file of a key for a pattern; one with % in its name for each domain that there is a file of."""
        domain = pattern.rpartition("@")[2]
        if not key.in_a_file:
            file = self._keep(name, key)
            if file:
                yield pattern, file
            return
        path = key.key if key.key.startswith("/") or not self._base else f"{self._base}/{key.key.removeprefix('./')}"
        if not path.startswith("/"):
            self._notes.append(f"KeyTable: {name}: {path} is relative, and there is no BaseDirectory: {NOT_SIGNED}")
            return
        if "%" not in path:
            yield pattern, path
            return
        domains = self._domains_of(path)
        if "*" not in domain:
            if domain in domains:
                yield pattern, path.replace("%", domain)
            else:
                self._notes.append(f"KeyTable: {name}: there is no {path.replace('%', domain)}: {NOT_SIGNED}")
            return
        found = [(_narrowed(pattern, each), path.replace("%", each)) for each in domains]
        fitting = [(narrower, file) for narrower, file in found if narrower is not None]
        count = f"{len(fitting)} domains have one" if fitting else f"no domain has one: {NOT_SIGNED}"
        self._notes.append(f"KeyTable: {name}: the key is made from the author's domain; by now, {count}")
        yield from fitting

    def _domains_of(self, path: str) -> dict[str, None]:
        """For which domains there is a file of this name, in order."""
        if path not in self._found:
            self._found[path] = dict.fromkeys(self._outside.find_domains(path))
        return self._found[path]

    def _keep(self, name: str, key: _Key) -> str:
        """The file into which a key is written that stands in the table itself; empty when it is not."""
        if name not in self._kept:
            try:
                self._kept[name] = self._outside.keep_key(name, key.key)
            except ValueError as error:
                self._notes.append(f"KeyTable: {name}: the key is not a file: {error}: {NOT_SIGNED}")
                self._kept[name] = ""
        return self._kept[name]


def _keys(entries: list[tuple[str, str]]) -> Iterator[tuple[str, _Key]]:
    for name, value in entries:
        parts = [part.strip() for part in value.split(":", 2)]
        if len(parts) == 3 and all(parts):
            yield name, _Key(*parts)


def _narrowed(pattern: str, domain: str) -> str | None:
    """The pattern for this domain only; None where it does not fit."""
    local, at, wanted = pattern.rpartition("@")
    if not re.fullmatch(re.escape(wanted.lower()).replace(r"\*", ".*"), domain.lower()):
        return None
    return f"{local if at else '*'}@{domain}"


def _pattern_of(key: str) -> str:
    """The key of a plain table as a pattern: `host`, `.domain`, `user@.domain` …"""
    local, at, domain = key.rpartition("@")
    if key == "*":
        return "*"
    return f"{local if at else '*'}@{'*' if domain.startswith('.') else ''}{domain}"


def _order(pattern: str) -> tuple[int, int, bool]:
    """Where a plain table has a key: addresses, hosts, then domains from the longest, then everybody."""
    local, _, domain = pattern.rpartition("@")
    if pattern == "*":
        return 4, 0, True
    if domain == "*":
        return 3, 0, True
    if domain.startswith("*"):
        return 2, -len(domain), local == "*"
    return (1 if local == "*" else 0), 0, True
