"""Expansions as the real Exim makes them, and the same message for ours: `tests/vectors/expansion`.

A template refers to the directory of tables as TABLES, which is a macro for Exim and replaced for us.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.expansion import ExpansionError, Value, expand, parse_template
from exim_dkim.message import HeaderField, parse_field
from exim_dkim.system.environment import MessageEnvironment
from tests.support.databases import make_cdb, make_sqlite, read_pairs
from tests.support.peers import program

T = TypeVar("T")

VECTORS = Path(__file__).parents[1] / "vectors" / "expansion"
DIED = b"(Exim ends)"
MESSAGE_ID = "1xUwUc-0005KI-1c"
CONFIGURATION = b"""primary_hostname = my.host.example
qualify_domain = qual.example
domainlist locals = a.example : *.b.example : !c.example
domainlist expanded = $primary_hostname : ${lc:ABC} : +forced
domainlist forced = ${if eq{a}{b}{x}fail}
addresslist addrs = a@b.example : *@c.example : d.example
"""


def attempt(function: Callable[..., T], *arguments: Any) -> T | ExpansionError:
    """What a function returns, or its ExpansionError; any other exception is a fault."""
    try:
        return function(*arguments)
    except ExpansionError as error:
        return error


class Vector(NamedTuple):
    """A template and what it gives: `exim`, and `ours` where we mean to differ. Errors begin with `Failed: `."""

    template: bytes
    exim: bytes
    ours: bytes


def read_vectors(path: Path) -> list[Vector]:
    """The vectors of a file; see the README beside it."""
    vectors: list[Vector] = []
    template = exim = None
    for line in path.read_bytes().split(b"\n"):
        mark, text = line[:2], line[2:]
        if mark == b"$ ":
            template = text
        elif mark == b"= " and template is not None:
            exim = unescaped(text)
            vectors.append(Vector(template, exim, exim))
        elif mark == b"~ " and template is not None and exim is not None:
            vectors[-1] = Vector(template, exim, unescaped(text))
    assert vectors, path
    return vectors


def escaped(text: bytes) -> bytes:
    """A result on one line."""
    return text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")


def unescaped(text: bytes) -> bytes:
    """The result that a line stands for."""
    return text.decode("latin-1").encode("ascii", "backslashreplace").decode("unicode_escape").encode("latin-1")


class Sandbox:
    """A spool with one message and a directory of tables, for Exim and for us."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tables = directory / "tables"
        (directory / "spool" / "input").mkdir(parents=True)
        (directory / "log").mkdir()
        (self.tables / "dir" / "sub").mkdir(parents=True)
        (self.tables / "dir" / "k.pem").touch()
        (self.tables / "dir" / "link").symlink_to("k.pem")
        for name in ("table", "networks", "patterns", "expanded"):
            (self.tables / name).write_bytes((VECTORS / "tables" / name).read_bytes())
        (self.tables / "base.cdb").write_bytes(make_cdb(read_pairs(VECTORS / "tables" / "base.txt")))
        make_sqlite(self.tables / "base.sqlite", (VECTORS / "tables" / "base.sql").read_text())
        self._settings = parse_configuration(CONFIGURATION + f"spool_directory = {self.directory}/spool\n".encode())
        self._fields: dict[str, list[HeaderField]] = {}
        self.add_message((VECTORS / "message-H").read_bytes())

    def add_message(self, header: bytes) -> str:
        """Put a message into the spool, given its -H file. Returns its id."""
        message_id = header.partition(b"-H\n")[0].decode()
        place = self.directory / "spool" / "input"
        (place / f"{message_id}-H").write_bytes(header)
        (place / f"{message_id}-D").write_bytes(f"{message_id}-D\n".encode() + b"line one\nline two\n")
        self._fields[message_id] = [
            parse_field(field[:-1].replace(b"\n", b"\r\n")) for kind, field in spool_fields(header) if kind != b"*"
        ]
        return message_id

    def environment(self, message_id: str = MESSAGE_ID) -> MessageEnvironment:
        """Our environment for a message."""
        return MessageEnvironment(self._settings, self._fields[message_id], message_id=message_id)

    def value(self, template: bytes, message_id: str = MESSAGE_ID) -> Value:
        """What we make of a template. Raises ExpansionError."""
        text = template.replace(b"TABLES", os.fsencode(self.tables))
        return expand(parse_template(text), self.environment(message_id))

    def ours(self, template: bytes, message_id: str = MESSAGE_ID) -> bytes:
        """What we make of a template, TABLES put back."""
        try:
            text = self.value(template, message_id).text
        except ExpansionError as error:
            text = b"Failed: " + error.message.encode()
        return self._general(text)

    def _general(self, text: bytes) -> bytes:
        text = re.sub(rb" \(euid=\d+ egid=\d+\)", b"", text)
        return text.replace(os.fsencode(self.tables), b"TABLES").replace(os.fsencode(self.directory), b"DIR")

    def exim_command(self, message_id: str = MESSAGE_ID) -> list[str]:
        """The command that expands lines of standard input for the message."""
        configuration = self.directory / "exim.conf"
        configuration.write_bytes(
            CONFIGURATION
            + f"spool_directory = {self.directory}/spool\nlog_file_path = {self.directory}/log/%slog\n".encode()
            + b"keep_environment =\nTABLES = "
            + os.fsencode(self.tables)
            + b"\n"
        )
        configuration.chmod(0o644)
        return [program("exim4", "exim4-daemon-heavy"), "-C", str(configuration), "-be", "-Mset", message_id]

    def exim(self, templates: Sequence[bytes], message_id: str = MESSAGE_ID) -> list[bytes]:
        """What Exim makes of templates; DIED where that ends it."""
        results: list[bytes] = []
        while len(results) < len(templates):
            results += self._ask_exim(templates[len(results) :], message_id)
        return results

    def _ask_exim(self, templates: Sequence[bytes], message_id: str) -> list[bytes]:
        """The results of one process, all or up to DIED; marks between them tell them apart."""
        marks = [b"@@%d@@" % number for number in range(len(templates) + 1)]
        lines = b"".join(mark + b"\n" + text + b"\n" for mark, text in zip(marks, templates, strict=False))
        done = subprocess.run(
            self.exim_command(message_id), input=lines + marks[-1] + b"\n", capture_output=True, timeout=60, check=False
        )
        results: list[bytes] = []
        _, found, rest = done.stdout.partition(b"> " + marks[0] + b"\n")
        assert found or done.returncode, done.stderr
        place = 0
        for mark in marks[1:]:
            end = rest.find(b"> " + mark + b"\n", place)
            if end < 0:
                assert done.returncode, (mark, done.stderr)
                return [*results, DIED]
            results.append(self._general(rest[place + 2 : end - 1]))
            place = end + len(mark) + 3
        return results


def spool_fields(header: bytes) -> list[tuple[bytes, bytes]]:
    """Type and text of the fields of a -H file, read independently of the parser under test."""
    fields = []
    rest = header.partition(b"\n\n")[2]
    while rest:
        length = int(rest[:3])
        fields.append((rest[3:4], rest[5 : 5 + length]))
        rest = rest[5 + length :]
    return fields
