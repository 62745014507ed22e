"""What `exim-dkim import-opendkim` finds outside of text files: databases, directories of keys, keys in tables."""

from __future__ import annotations

import os
import re
import textwrap
from typing import Final

from exim_dkim.crypto import load_private_key
from exim_dkim.errors import KeyFormatError
from exim_dkim.expansion.lookups.dbm import BerkeleyDbTrouble, pairs
from exim_dkim.system.files import FileAccessError, read_small_file

MAX_DATABASE: Final = 64 << 20
MAX_DOMAINS: Final = 100_000
"""As many as rules may be."""

LABELS: Final = ("PRIVATE KEY", "RSA PRIVATE KEY")
_ARMOUR = re.compile(r"-----BEGIN [A-Z ]*-----(.*?)-----END", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def read_database(path: str) -> list[tuple[str, str]]:
    """The pairs of a Berkeley DB file, without the NULs that some have at their ends, sorted. `ValueError`."""
    try:
        found = sorted(pairs(read_small_file(path, MAX_DATABASE)))
    except FileAccessError as error:
        raise ValueError(str(error)) from None
    except BerkeleyDbTrouble as error:
        raise ValueError(f"{path}: {error}") from None
    return [(_text(key), _text(value)) for key, value in found]


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "surrogateescape")


def find_domains(path: str) -> list[str]:
    """What may stand for each `%` in a path so that there is such a file."""
    before, _, after = path.partition("%")
    directory, start = os.path.split(before)
    end = re.split("[%/]", after, maxsplit=1)[0]
    try:
        names = sorted(os.listdir(directory or "."))
    except OSError:
        return []
    fitting = (name for name in names if name.startswith(start) and name.endswith(end))
    domains = (name[len(start) : len(name) - len(end)] for name in fitting)
    return [each for each in domains if "." in each and os.path.isfile(path.replace("%", each))][:MAX_DOMAINS]


class KeyFiles:
    """Files for keys that stand in a table. `texts`: what is to be written where, and has not been yet."""

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self.texts: dict[str, str] = {}

    def keep(self, name: str, key: str) -> str:
        """Takes a key, base64 or PEM, by its name; gives the path that it will have. `ValueError` with what to do."""
        if self._directory is None:
            raise ValueError("--keys DIRECTORY would write it into one")
        match = _ARMOUR.search(key)
        encoded = re.sub(r"\\n|\s", "", match[1] if match else key)
        for label in LABELS:
            lines = textwrap.fill(encoded, 64)
            text = f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
            try:
                load_private_key(text.encode("utf-8", "replace"))
            except KeyFormatError:
                continue
            path = self._path(_UNSAFE.sub("_", name)[:100].lstrip(".") or "key")
            self.texts[path] = text
            return path
        raise ValueError("and is no private key that can be read")

    def _path(self, name: str) -> str:
        assert self._directory is not None
        stem = path = os.path.join(os.path.abspath(self._directory), name)
        number = 1
        while f"{path}.pem" in self.texts:
            number += 1
            path = f"{stem}-{number}"
        return f"{path}.pem"
