"""opendkim.conf(5) and its tables, and what they are in our configuration.

A line is a parameter's name, blanks, and its value; `#` begins a comment anywhere. A data set is a list with commas, or
a file (`file:`, `refile:`, or simply a path); databases of other kinds cannot be carried over. Everything that is not
carried over is told in a note, never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from exim_dkim.errors import ConfigurationError

MAX_INCLUDES: Final = 20

ReadFile = Callable[[str], str]
"""Gives the text of a file; raises what it likes."""


class Parameter(NamedTuple):
    """One line: `name` as written, `key` in lower case."""

    name: str
    value: str
    file: str
    line: int

    @property
    def key(self) -> str:
        """The name for comparisons."""
        return self.name.lower()

    @property
    def boolean(self) -> bool:
        """The value of a Boolean: its first letter counts."""
        return self.value[:1].lower() in ("t", "y", "1")


class SigningRule(NamedTuple):
    """An entry of a SigningTable with its key: in the form of milter_key_list."""

    pattern: str
    domain: str
    key_file: str
    selector: str

    def __str__(self) -> str:
        return f"{self.pattern}:{self.domain or '*'}:{self.key_file}:{self.selector}"


def parse_opendkim(text: str, file: str, read: ReadFile, depth: int = 0) -> Iterator[Parameter]:
    """The parameters of a file and of those that it includes. Raises ConfigurationError."""
    if depth > MAX_INCLUDES:
        raise ConfigurationError("too many files include each other", file)
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split(None, 1)
        if not words:
            continue
        if len(words) == 1:
            raise ConfigurationError(f"{words[0]} has no value", file, number)
        parameter = Parameter(words[0], words[1].strip(), file, number)
        if parameter.key == "include":
            yield from parse_opendkim(read(parameter.value), parameter.value, read, depth + 1)
        else:
            yield parameter


class DataSet(NamedTuple):
    """A data set: `kind` is csl, file, refile, or what we do not know; `rest` the list or the path."""

    kind: str
    rest: str


def parse_data_set(value: str, base: str = "") -> DataSet:
    """What a data set's specification says. `base`: where relative paths begin."""
    kind, colon, rest = value.partition(":")
    if colon and kind.isalpha() and kind.islower():
        return DataSet(kind, _under(base, rest) if kind in ("file", "refile") else rest)
    if value.startswith(("/", "./", "../")):
        return DataSet("file", _under(base, value))
    return DataSet("csl", value)


def _under(base: str, path: str) -> str:
    return path if path.startswith("/") or not base else f"{base.rstrip('/')}/{path.removeprefix('./')}"


def entries(text: str) -> Iterator[tuple[str, str]]:
    """The lines of a data set's file: key and value, the latter empty where there is none."""
    for line in text.splitlines():
        words = line.partition("#")[0].split(None, 1)
        if words:
            yield words[0], words[1].strip() if len(words) > 1 else ""


def list_entries(data_set: DataSet, read: ReadFile) -> list[str]:
    """The members of a list or a file. `ValueError` for other kinds."""
    if data_set.kind == "csl":
        return [item.strip() for item in data_set.rest.split(",") if item.strip()]
    if data_set.kind == "file":
        return [key for key, _ in entries(read(data_set.rest))]
    raise ValueError(f"a data set of kind {data_set.kind}: cannot be read")


def signing_rules(
    signing: DataSet, keys: DataSet, read: ReadFile, notes: list[str], base: str = ""
) -> list[SigningRule]:
    """What SigningTable and KeyTable say, in the order in which they are tried. What is left out is told in `notes`.

    `ValueError` for tables that are no files.
    """
    for name, data_set, kinds in (
        ("SigningTable", signing, ("file", "refile")),
        ("KeyTable", keys, ("file", "refile")),
    ):
        if data_set.kind not in kinds:
            raise ValueError(f"{name} is a data set of kind {data_set.kind}; only files can be read")
    known = dict(entries(read(keys.rest)))
    found = list(entries(read(signing.rest)))
    if signing.kind == "file":
        found = sorted(((_pattern_of(key), value) for key, value in found), key=lambda rule: _order(rule[0]))
    rules: list[SigningRule] = []
    for pattern, value in found:
        if "@" not in pattern and "*" not in pattern:
            notes.append(f"SigningTable: {pattern}: is no address, and fits none; perhaps *@{pattern} is meant")
        key_name, _, signer = value.partition(":")
        if signer:
            notes.append(f"SigningTable: {pattern}: the signer {signer} (i=) is left out; dkim_identity can say it")
        rules += _rules(pattern, key_name, known, notes, base)
    return rules


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


def _rules(pattern: str, key_name: str, known: Mapping[str, str], notes: list[str], base: str) -> Iterator[SigningRule]:
    """The rules for one entry; a key named % is that of the author's domain, so there is one for each."""
    domain = pattern.rpartition("@")[2]
    if key_name == "%" and "*" in domain:
        for name in known:
            yield from _rules(f"{pattern.rpartition('@')[0] or '*'}@{name}", name, known, notes, base)
        return
    name = domain if key_name == "%" else key_name
    parts = known.get(name, "").split(":", 2)
    if len(parts) < 3:
        notes.append(f"SigningTable: {pattern}: KeyTable has no usable key {name!r}: this mail will not be signed")
        return
    d, selector, key = (part.strip() for part in parts)
    if "%" in key and "*" not in domain:
        key = key.replace("%", domain)
    if "%" in key or not key.startswith(("/", "./", "../")):
        what = "is made from the author's domain" if "%" in key else "is not a file"
        notes.append(f"KeyTable: {name}: the key {what}: this mail will not be signed; write the key into a file")
        return
    yield SigningRule(pattern, "" if d == "%" else d.lower(), _under(base, key), selector)
