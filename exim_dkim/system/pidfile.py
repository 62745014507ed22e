"""The file that holds a server's process id (`pid_file_path`)."""

from __future__ import annotations

import os
from contextlib import suppress

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError


def write_pid_file(settings: Settings) -> None:
    """Writes the file, if the option is set; `ConfigurationError` when that cannot be done."""
    path = settings.string("pid_file_path")
    if not path:
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        place = settings.place("pid_file_path")
        raise ConfigurationError(f"pid_file_path: {path}: {error.strerror}", *place) from None


def remove_pid_file(settings: Settings) -> None:
    """Removes the file, as far as we may."""
    path = settings.string("pid_file_path")
    if path:
        with suppress(OSError):
            os.unlink(path)
