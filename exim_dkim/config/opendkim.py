"""opendkim.conf(5): its lines and its data sets.

A line is a parameter's name, blanks, and its value; `#` begins a comment anywhere. A data set is a list with commas, a
file (`file:`, `refile:`, or simply a path), or a Berkeley DB file (`db:`, or a path that ends in `.db`); what is in
servers cannot be carried over. Everything that is not carried over is told in a note, never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from exim_dkim.errors import ConfigurationError

MAX_INCLUDES: Final = 20

ReadFile = Callable[[str], str]
"""Gives the text of a file; raises what it likes."""


def _no_database(path: str) -> list[tuple[str, str]]:
    raise ValueError(f"{path}: databases cannot be read")


def _no_key(name: str, text: str) -> str:
    raise ValueError("write it into one")


class Outside(NamedTuple):
    """What an import asks of the world.

    `read_database`: the pairs of a Berkeley DB file; `find_domains`: which texts, put in for each `%` of a path, give a
    file that exists; `keep_key`: takes a key that stands in a table, base64 or PEM, by its name there, and gives the
    file that it will be in. Both raise `ValueError` with what is wrong.
    """

    read: ReadFile
    read_database: Callable[[str], list[tuple[str, str]]] = _no_database
    find_domains: Callable[[str], list[str]] = lambda path: []
    keep_key: Callable[[str, str], str] = _no_key


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
    """A data set: `kind` is csl, file, refile, db, or what we do not know; `rest` the list or the path, made absolute.

    `base`: where relative paths begin.
    """

    kind: str
    rest: str
    base: str = ""


def parse_data_set(value: str, base: str = "") -> DataSet:
    """What a data set's specification says."""
    base = base.rstrip("/")
    kind, colon, rest = value.partition(":")
    if colon and kind.isalpha() and kind.islower():
        return DataSet(kind, _under(base, rest) if kind in ("file", "refile", "db") else rest, base)
    if value.endswith(".db"):
        return DataSet("db", _under(base, value), base)
    if value.startswith(("/", "./", "../")):
        return DataSet("file", _under(base, value), base)
    return DataSet("csl", value, base)


def _under(base: str, path: str) -> str:
    return path if path.startswith("/") or not base else f"{base}/{path.removeprefix('./')}"


def entries(text: str) -> Iterator[tuple[str, str]]:
    """The lines of a data set's file: key and value, the latter empty where there is none."""
    for line in text.splitlines():
        words = line.partition("#")[0].split(None, 1)
        if words:
            yield words[0], words[1].strip() if len(words) > 1 else ""


def table_entries(data_set: DataSet, outside: Outside) -> list[tuple[str, str]]:
    """The keys of a data set with their values. `ValueError` for kinds that cannot be read here."""
    match data_set.kind:
        case "file" | "refile":
            return list(entries(outside.read(data_set.rest)))
        case "db":
            return outside.read_database(data_set.rest)
        case "csl":
            pairs = (item.partition("=") for item in data_set.rest.split(","))
            return [(key.strip(), value.strip()) for key, _, value in pairs if key.strip()]
    raise ValueError(f"a data set of kind {data_set.kind}: cannot be read")


def list_entries(data_set: DataSet, outside: Outside) -> list[str]:
    """The members of a list, a file or a database. `ValueError` for other kinds."""
    if data_set.kind == "csl":
        return [item.strip() for item in data_set.rest.split(",") if item.strip()]
    if data_set.kind == "refile":
        raise ValueError("a data set of kind refile: patterns are not known here")
    return [key for key, _ in table_entries(data_set, outside)]
