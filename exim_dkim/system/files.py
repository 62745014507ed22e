"""Files that an administrator names: the configuration, look-up tables, private keys.

Every read is bounded. What cannot be read raises FileAccessError, which names the path, its mode and owner, the user
that tried, and the command that mends it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from typing import Final

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError, EximDkimError

MAX_CONFIGURATION: Final = 1 << 20
MAX_PRIVATE_KEY: Final = 1 << 16  # an RSA key of 16384 bits takes 13 KiB
_PATH_MAX: Final = 4095
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK  # a FIFO must not make us wait
_DIRECTORY: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY


class FileAccessError(EximDkimError):
    """A file that cannot be used. `error` is its errno (0: a rule of ours), `advice` the command that mends it."""

    def __init__(self, path: str, reason: str, error: int = 0, advice: str = "") -> None:
        self.path = path
        self.reason = reason
        self.error = error
        self.advice = advice
        super().__init__(f"{path}: {reason}" + (f"; try: {advice}" if advice else ""))


def read_configuration(path: str, macros: Mapping[str, str] | None = None) -> Settings:
    """The settings of a configuration file. Raises ConfigurationError, also when the file cannot be read."""
    text = _read_text(path)
    if text is None:
        raise ConfigurationError(f"failed to open {path}: {os.strerror(errno.ENOENT)}")
    return parse_configuration(text, path, _read_text, macros)


def _read_text(path: str) -> bytes | None:
    """A configuration file or an included one; None if there is none."""
    try:
        return read_small_file(path, MAX_CONFIGURATION)
    except FileAccessError as error:
        if error.error in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise ConfigurationError(str(error)) from None


def read_small_file(path: str, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes. Raises FileAccessError."""
    if "\0" in path:
        raise FileAccessError(path.replace("\0", "\\0"), "a NUL byte in a file name")
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise access_error(path, error) from None
    return _read(descriptor, path, limit)


def _read(descriptor: int, path: str, limit: int) -> bytes:
    """The content of an open file, which is closed."""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileAccessError(path, "not a regular file")
        if status.st_size > limit:
            raise FileAccessError(path, f"{status.st_size} bytes are more than the {limit} allowed")
        parts = []
        left = limit + 1  # the file may grow while we read
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise access_error(path, error) from None
    finally:
        os.close(descriptor)
    if left <= 0:
        raise FileAccessError(path, f"more than the {limit} bytes allowed")
    return b"".join(parts)


def read_private_key(path: str, key_directory: str | None = None) -> bytes:
    """The text of a private key file. Raises FileAccessError, which never contains any of the key.

    The path must be absolute, without `..` and control characters. With `key_directory` it must lead to a file below
    that directory, links included; the way is walked without following any link that was not there when it was checked.
    """
    fault = path_fault(path)
    if fault:
        raise FileAccessError(_printable(path), fault)
    if not key_directory:
        return read_small_file(path, MAX_PRIVATE_KEY)
    root = os.path.realpath(key_directory)
    real = os.path.realpath(path)
    if not real.startswith(root.rstrip("/") + "/"):
        raise FileAccessError(path, f"not below key_directory {key_directory}, where keys must be")
    try:
        descriptor = _open_below(root, real[len(root.rstrip("/")) + 1 :].split("/"))
    except OSError as error:
        raise access_error(path, error) from None
    return _read(descriptor, path, MAX_PRIVATE_KEY)


def _open_below(root: str, names: list[str]) -> int:
    """Open root/names…, following no link."""
    directory = os.open(root, _DIRECTORY)
    try:
        for name in names[:-1]:
            inner = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = inner
        return os.open(names[-1], _FLAGS | os.O_NOFOLLOW, dir_fd=directory)
    finally:
        os.close(directory)


def path_fault(path: str) -> str:
    """Why a path made from a template is refused; empty if it is fine."""
    if not path.startswith("/"):
        return "not an absolute path"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "a control character in a file name"
    if ".." in path.split("/"):
        return '".." in a file name'
    if len(os.fsencode(path)) > _PATH_MAX:
        return f"a file name longer than {_PATH_MAX} bytes"
    return ""


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path[:200])


def access_error(path: str, error: OSError) -> FileAccessError:
    """What a failed system call means, with mode, owner and advice where it was refused."""
    number = error.errno or 0
    reason = os.strerror(number) if number else str(error)
    if number not in (errno.EACCES, errno.EPERM):
        return FileAccessError(_printable(path), reason, number)
    from exim_dkim.system.permissions import explain_refusal

    details, advice = explain_refusal(path)
    return FileAccessError(_printable(path), f"{reason}{details}", number, advice)
