"""Files in Exim's spool: checked names, `-H` and `-D` (Exim specification, chapter 57).

A message lies in SPOOL/[QUEUE/]input/[C/]ID-H and ID-D; C is the sixth character of the id if the spool is split. Ids
and queue names that are not Exim's never touch a path. Nothing is opened through a link in its last place, and only
what is a regular file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, Final

from exim_dkim.lazypattern import lazy_pattern
from exim_dkim.system.spool_header import SpoolError, SpoolHeader, parse_spool_header

__all__ = [
    "MAX_HEADER_FILE",
    "SpoolError",
    "SpoolNameError",
    "body_offset",
    "check_message_id",
    "check_queue_name",
    "data_paths",
    "open_data_file",
    "read_spool_header",
]

MAX_HEADER_FILE: Final = 16 << 20  # header_maxsize is 1 MiB; recipients and ACL variables come on top

_MESSAGE_ID = lazy_pattern(r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})")
_QUEUE_NAME = lazy_pattern(r"[A-Za-z0-9_+@%=:,-][A-Za-z0-9_+@%=:,.-]{0,254}")
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW


class SpoolNameError(ValueError):
    """A message id or queue name that Exim does not make."""


def check_message_id(message_id: str) -> str:
    """The id, if it is one: 16 characters, or 23 since Exim 4.97. Raises SpoolNameError."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise SpoolNameError(f"{_printable(message_id)} is not a message id of Exim")
    return message_id


def check_queue_name(queue_name: str) -> str:
    """The name of a queue, if it can be one; empty is the default queue. Raises SpoolNameError."""
    if queue_name and not _QUEUE_NAME.fullmatch(queue_name):
        raise SpoolNameError(f"{_printable(queue_name)} is not the name of a queue")
    return queue_name


def _printable(text: str) -> str:
    return '"' + "".join(c if " " < c <= "~" else "?" for c in text[:80]) + '"'


def body_offset(message_id: str) -> int:
    """Where the body begins in a `-D` file: behind the line with its name."""
    return len(message_id) + len("-D\n")


def data_paths(spool_directory: str, queue_name: str, message_id: str, suffix: str = "-D") -> tuple[str, str]:
    """The two places of a spool file: in a spool that is not split, and in one that is. Raises SpoolNameError."""
    check_message_id(message_id)
    queue = check_queue_name(queue_name)
    base = f"{spool_directory.rstrip('/')}/{queue + '/' if queue else ''}input/"
    name = message_id + suffix
    return base + name, f"{base}{message_id[5]}/{name}"


def _candidates(spool_directory: str, queue_name: str, message_id: str, suffix: str, split: bool) -> Iterator[str]:
    plain, deep = data_paths(spool_directory, queue_name, message_id, suffix)
    yield from (deep, plain) if split else (plain, deep)


def _open(
    spool_directory: str, queue_name: str, message_id: str, suffix: str, split: bool
) -> tuple[BinaryIO, os.stat_result]:
    """Open a spool file in whichever place it is."""
    if not spool_directory.startswith("/"):
        raise SpoolNameError(f"{_printable(spool_directory)} is not an absolute path")
    failure: OSError | None = None
    for path in _candidates(spool_directory, queue_name, message_id, suffix, split):
        try:
            descriptor = os.open(path, _FLAGS)
        except OSError as error:
            if failure is None or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                failure = error
            continue
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SpoolError(f"{path}: not a regular file")
            return os.fdopen(descriptor, "rb", 0), status
        except BaseException:
            os.close(descriptor)
            raise
    assert failure is not None
    reason = "is a link" if failure.errno == errno.ELOOP else failure.strerror
    raise SpoolError(f"{failure.filename}: {reason}") from None


def open_data_file(
    spool_directory: str, queue_name: str, message_id: str, *, split: bool = False
) -> tuple[BinaryIO, int]:
    """Open the `-D` file of a message: an unbuffered file that stands at the body, and the offset of the body.

    The body has LF line ends, or CRLF if Exim keeps the spool in wire format. Raises SpoolNameError (a ValueError) for
    names, SpoolError if there is no such file or it is not Exim's.
    """
    file, _ = _open(spool_directory, queue_name, message_id, "-D", split)
    try:
        first = f"{message_id}-D\n".encode()
        if file.read(len(first)) != first:
            raise SpoolError(f"{message_id}-D does not begin with its own name")
    except OSError as error:
        file.close()
        raise SpoolError(f"{message_id}-D: {error.strerror}") from None
    except BaseException:
        file.close()
        raise
    return file, body_offset(message_id)


def read_spool_header(spool_directory: str, queue_name: str, message_id: str, *, split: bool = False) -> SpoolHeader:
    """Read the `-H` file of a message. Raises SpoolNameError (a ValueError) for names, SpoolError for the file."""
    file, status = _open(spool_directory, queue_name, message_id, "-H", split)
    name = f"{message_id}-H"
    with file:
        if status.st_size > MAX_HEADER_FILE:
            raise SpoolError(f"{name}: {status.st_size} bytes are more than the {MAX_HEADER_FILE} allowed")
        try:
            data = _read(file, MAX_HEADER_FILE)
        except OSError as error:
            raise SpoolError(f"{name}: {error.strerror}") from None
    try:
        header = parse_spool_header(data)
    except SpoolError as error:
        raise SpoolError(f"{name}: {error}") from None
    if header.message_id != message_id.encode():
        raise SpoolError(f"{name} does not begin with its own name")
    return header


def _read(file: BinaryIO, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while left > 0 and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
