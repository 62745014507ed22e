"""Messages in Exim's queue, streamed as `mailbox.StoredMessage`: from `…/input/[C/]ID-H` and the `-D` beside it.

A queue lives: a message may be delivered, and be gone, between listing and opening. That is a `problem` of one message,
never an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator
from typing import IO

from exim_dkim.system.files import FileAccessError, read_small_file
from exim_dkim.system.mailbox import CHUNK, StoredMessage
from exim_dkim.system.spool import MAX_HEADER_FILE, SpoolError, SpoolNameError, body_offset, check_message_id
from exim_dkim.system.spool_header import SpoolHeader, parse_spool_header

_SUFFIX = "-H"
_DELETED = b"*"  # a header field that is not sent
_WIRE_FORMAT = b"spool_file_wireformat"
_SUBDIRECTORY = re.compile(r"[0-9A-Za-z]")


def is_queue_file(path: str) -> bool:
    """Whether the name is that of a `-H` file of Exim's."""
    name = os.path.basename(path)
    try:
        return name.endswith(_SUFFIX) and bool(check_message_id(name.removesuffix(_SUFFIX)))
    except SpoolNameError:
        return False


def queue_files(directory: str) -> list[str]:
    """The `-H` files in Exim's `input` directory, split or not, sorted by age; empty when it is no such directory."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_queue_file(entry.name):
                found.append(entry.path)
            elif _SUBDIRECTORY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                found += [os.path.join(entry.path, name) for name in os.listdir(entry.path) if is_queue_file(name)]
    return sorted(found, key=os.path.basename)  # ids begin with the time


def read_queued(path: str, on_read: Callable[[int], None] | None = None) -> Generator[StoredMessage, None, None]:
    """The message whose `-H` file is at `path`: one, with a `problem` when it cannot be read."""
    message_id = os.path.basename(path).removesuffix(_SUFFIX)
    try:
        header = parse_spool_header(read_small_file(path, MAX_HEADER_FILE))
        with open(path.removesuffix(_SUFFIX) + "-D", "rb") as stream:
            first = stream.read(body_offset(message_id))
            if first != f"{message_id}-D\n".encode():
                raise SpoolError(f"{message_id}-D does not begin with its own name")
            if on_read is not None:
                on_read(len(first))
            yield StoredMessage(path, _wire_header(header), _body(stream, _WIRE_FORMAT in header.options, on_read))
    except FileAccessError as error:
        yield StoredMessage(path, b"", iter(()), str(error).removeprefix(f"{path}: "))
    except SpoolError as error:
        yield StoredMessage(path, b"", iter(()), str(error))
    except OSError as error:
        yield StoredMessage(path, b"", iter(()), f"{message_id}-D: {error.strerror}")


def _wire_header(header: SpoolHeader) -> bytes:
    fields = b"".join(field.text for field in header.fields if field.type != _DELETED)
    return fields.replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def _body(stream: IO[bytes], wire: bool, on_read: Callable[[int], None] | None) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        if on_read is not None:
            on_read(len(chunk))
        yield chunk if wire else chunk.replace(b"\n", b"\r\n")
