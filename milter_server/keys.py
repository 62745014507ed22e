"""Private keys of filters: files that are named outright are read at the start, when the process may still be root.

They stay known after that, so a key need not be readable for the user that the filter runs as. Others are read when
they are needed, and read again when they change.
"""

from __future__ import annotations

import os
from typing import Final

from exim_dkim.config.settings import Settings
from exim_dkim.crypto import load_private_key
from exim_dkim.dkim.sign import check_algorithm
from exim_dkim.errors import ConfigurationError, KeyFormatError, SigningError
from exim_dkim.system.filecache import FileCache
from exim_dkim.system.files import MAX_PRIVATE_KEY, FileAccessError, path_fault, read_private_key

MAX_KEYS: Final = 100_000
"""Keys kept from the start; each takes about 2 KiB."""


class Keys:
    """Private keys by file name."""

    def __init__(self, directory: str = "") -> None:
        """`directory`: all keys must lie below it (key_directory); empty: anywhere."""
        self._directory = directory or None
        self._known: dict[str, bytes] = {}
        self._files = FileCache()

    def read_now(self, path: str, settings: Settings, option: str) -> None:
        """Reads a key to keep. `ConfigurationError`, with the place of `option`, when it cannot be used."""
        try:
            pem = read_private_key(path, self._directory)
            key = load_private_key(pem)
            hash_name = settings.template("dkim_hash") if option != "domainkeys_private_key" else None
            if hash_name is not None and hash_name.constant:
                check_algorithm(key, hash_name.constant.decode("ascii", "replace"))
        except FileAccessError as error:
            if path in self._known:
                return  # read by root before; a reload does not take it away
            raise ConfigurationError(f"{option}: {error}", *settings.place(option)) from None
        except (KeyFormatError, SigningError) as error:
            raise ConfigurationError(f"{option}: {path}: {error}", *settings.place(option)) from None
        if len(self._known) < MAX_KEYS:
            self._known[path] = pem

    def read(self, path: str) -> bytes:
        """A key's text. Raises `FileAccessError`."""
        if path in self._known:
            return self._known[path]
        if self._directory or path_fault(path):
            return read_private_key(path, self._directory)
        return self._files.read(os.fsencode(path), MAX_PRIVATE_KEY)
