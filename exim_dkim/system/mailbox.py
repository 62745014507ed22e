"""Messages from files, mbox files, Maildirs, Exim's queue and standard input, streamed: none is ever held whole.

A file that begins with `From ` is an mbox (RFC 4155 and its relatives), a directory with `cur` and `new` a Maildir, one
with files named `ID-H` Exim's queue (`exim_queue.py`), anything else one message. Messages come out in wire form, by
the rule of `message.to_wire`: when the first line ends in CRLF the text is taken as it is, in any other every LF
becomes CRLF.

Contract: the body of a message must be read before the next message is asked for; what was not read is skipped.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

CHUNK = 128 * 1024
"""Bytes read at once."""

MAX_LINE = 128 * 1024
"""A longer line comes in pieces, and cannot be the separator of an mbox."""

MAX_HEADER = 1 << 20
"""Longest header; Exim's `header_maxsize` has the same default."""

STDIN = "-"

QUOTINGS = ("mboxo", "mboxrd", "none")
"""How `From ` lines of a body are marked: `>From ` by Exim's appendfile (mboxo), or by one more `>` each (mboxrd)."""

# A separator line with a date, as nearly every program writes: `From alice@example.org Thu Jan  1 00:00:00 1970`.
_DATED = re.compile(rb"\d\d:\d\d.*\d{4}")
_QUOTED = re.compile(rb"(?<=\n)>(>*From )")

Blocks = Iterator[tuple[bytes, bool]]


class StoredMessage(NamedTuple):
    """One message. `name` is the file, with `:N` for the N-th message of an mbox.

    `header` is in wire form without the empty line, `body` gives chunks in wire form. When `problem` is not empty the
    message cannot be used, and it says why.
    """

    name: str
    header: bytes
    body: Iterator[bytes]
    problem: str = ""


def read_messages(
    path: str, quoting: str = "mboxo", on_read: Callable[[int], None] | None = None
) -> Iterator[StoredMessage]:
    """The messages of a file, mbox, Maildir, Exim's queue, standard input (`-`); `OSError` if `path` cannot be read.

    `on_read` is told of every number of bytes read.
    """
    if path == STDIN:
        yield from _messages_of(sys.stdin.buffer, "stdin", quoting, on_read)
    elif os.path.isdir(path):
        for file in _files_in(path):
            yield from _messages_of_one_file(file, on_read)
    elif _is_queue_file(path):
        yield from _messages_of_one_file(path, on_read)
    else:
        with open(path, "rb") as stream:
            yield from _messages_of(stream, path, quoting, on_read)


def read_message(stream: IO[bytes], name: str) -> StoredMessage:
    """The one message that `stream` holds, whatever it begins with."""
    return _stored(name, (block for block, _ in _line_blocks(stream, None)))


def size_of(path: str) -> int | None:
    """Bytes that `read_messages` will read; None when that cannot be known (standard input, pipes, missing files)."""
    try:
        if path == STDIN:
            return None
        if os.path.isdir(path):
            return sum(map(_size_of_message, _files_in(path)))
        return _size_of_message(path) if os.path.isfile(path) else None
    except OSError:
        return None


def _files_in(path: str) -> list[str]:
    """The messages in a Maildir, or in the `input` directory of Exim's spool."""
    folders = [os.path.join(path, name) for name in ("cur", "new")]
    if all(map(os.path.isdir, folders)):
        return [
            os.path.join(folder, name)
            for folder in folders
            for name in sorted(os.listdir(folder))
            if not name.startswith(".")
        ]
    from exim_dkim.system.exim_queue import queue_files

    files = queue_files(path)
    if not files and os.path.basename(os.path.abspath(path)) != "input":
        raise OSError(
            errno.EISDIR, "is a directory, but neither a Maildir (no cur and new in it) nor Exim's queue", path
        )
    return files


def _is_queue_file(path: str) -> bool:
    if not path.endswith("-H"):
        return False
    from exim_dkim.system.exim_queue import is_queue_file

    return is_queue_file(path)


def _size_of_message(file: str) -> int:
    return os.path.getsize(file[:-2] + "-D" if _is_queue_file(file) else file)


def _messages_of_one_file(file: str, on_read: Callable[[int], None] | None) -> Iterator[StoredMessage]:
    """One message; another program may move or delete a file at any time, which must not end the whole run."""
    if _is_queue_file(file):
        from exim_dkim.system.exim_queue import read_queued

        yield from read_queued(file, on_read)
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115 (closed below; only opening may fail here)
    except OSError as error:
        yield StoredMessage(file, b"", iter(()), (error.strerror or str(error)).lower())
        return
    with stream:
        yield _stored(file, (block for block, _ in _line_blocks(stream, on_read)))


def _messages_of(
    stream: IO[bytes], name: str, quoting: str, on_read: Callable[[int], None] | None
) -> Iterator[StoredMessage]:
    blocks = _line_blocks(stream, on_read)
    first = next(blocks, (b"", True))
    if first[0].startswith(b"From "):
        yield from _messages_of_mbox(name, _mbox_parts(_chain(first, blocks), quoting))
    else:
        yield _stored(name, (block for block, _ in _chain(first, blocks)))


def _chain(first: tuple[bytes, bool], rest: Blocks) -> Blocks:
    yield first
    yield from rest


def _line_blocks(stream: IO[bytes], on_read: Callable[[int], None] | None) -> Blocks:
    """Blocks of whole lines, each with True when it begins at a line's start; longer lines come in pieces."""
    rest = b""
    starts_line = True
    while data := stream.read(CHUNK):
        if on_read is not None:
            on_read(len(data))
        data = rest + data
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > MAX_LINE else 0)
        block, rest = data[:end], data[end:]
        if block:
            yield block, starts_line
            starts_line = block.endswith(b"\n")
    if rest:
        yield rest, starts_line


def _messages_of_mbox(name: str, parts: Iterator[bytes | None]) -> Iterator[StoredMessage]:
    number = 0
    more = next(parts, b"") is None
    while more:
        number += 1
        section = _Section(parts)
        yield _stored(f"{name}:{number}", section)
        for _ in section:
            pass
        more = section.another_follows


class _Section(Iterator[bytes]):
    """The parts of one message, up to the mark of the next."""

    def __init__(self, parts: Iterator[bytes | None]) -> None:
        self._parts = parts
        self._ended = False
        self.another_follows = False

    def __next__(self) -> bytes:
        if not self._ended:
            part = next(self._parts, b"")
            if part:
                return part
            self._ended = True
            self.another_follows = part is None
        raise StopIteration


def _mbox_parts(blocks: Blocks, quoting: str) -> Iterator[bytes | None]:
    """The text of an mbox without separators: None where a message begins, then its parts, none of them empty.

    The empty line before a separator, or at the end of the file, belongs to the mbox format and is left out.
    """
    dated = False
    held = b""  # an empty line that is the separator's if a separator follows
    first = True
    for block, starts_line in blocks:
        if first:
            yield None
            first = False
            line_end = block.find(b"\n") + 1 or len(block)
            dated = bool(_DATED.search(block, 0, line_end))
            block = block[line_end:]
        block, starts_line = held + block, starts_line or bool(held)
        position = 0
        while (found := _separator(block, position, starts_line, dated)) is not None:
            if found[0] > position:
                yield _unquoted(block[position : found[0]], starts_line, quoting)
            yield None
            position, starts_line = found[1], True
        tail = block[position:]
        held = _final_empty_line(tail, starts_line)
        if len(tail) > len(held):
            yield _unquoted(tail[: len(tail) - len(held)], starts_line, quoting)


def _separator(block: bytes, position: int, starts_line: bool, dated: bool) -> tuple[int, int] | None:
    """Start (of the empty line before it) and end of the next separator line."""
    at = position - 1
    while (at := block.find(b"\nFrom ", at + 1)) >= 0:
        start = at - 1 if at > position and block[at - 1] == 13 else at
        if (start == position and starts_line) or (start > position and block[start - 1] == 10):
            end = block.find(b"\n", at + 1) + 1 or len(block)
            if not dated or _DATED.search(block, at, end):
                return start, end
    return None


def _final_empty_line(text: bytes, starts_line: bool) -> bytes:
    for line in (b"\r\n", b"\n"):
        if text.endswith(b"\n" + line) or (starts_line and text == line):
            return line
    return b""


def _unquoted(text: bytes, starts_line: bool, quoting: str) -> bytes:
    if quoting == "none" or b">From " not in text:
        return text
    if quoting == "mboxo":
        text = text.replace(b"\n>From ", b"\nFrom ")
        return text[1:] if starts_line and text.startswith(b">From ") else text
    return _QUOTED.sub(rb"\1", b"\n" + text)[1:] if starts_line else _QUOTED.sub(rb"\1", text)


def _stored(name: str, blocks: Iterator[bytes]) -> StoredMessage:
    """Read the header of one message and leave the body for later."""
    wire = _to_wire(blocks)
    data = b""
    for chunk in wire:
        seen = max(0, len(data) - 3)
        data += chunk
        if data.startswith(b"\r\n"):
            return StoredMessage(name, b"", _body(data[2:], wire))
        end = data.find(b"\r\n\r\n", seen)
        if end > MAX_HEADER or (end < 0 and len(data) > MAX_HEADER):
            return StoredMessage(name, b"", iter(()), f"the header is longer than {MAX_HEADER} bytes")
        if end >= 0:
            return StoredMessage(name, data[:end], _body(data[end + 4 :], wire))
    return StoredMessage(name, data.removesuffix(b"\r\n"), iter(()))


def _body(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _to_wire(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """`message.to_wire`, chunk by chunk."""
    start = b""
    for block in blocks:
        start += block
        if (line_end := start.find(b"\n")) >= 0 or len(start) > MAX_HEADER:
            break
    else:
        line_end = -1
    if not start:
        return
    as_it_is = line_end < 0 or (line_end > 0 and start[line_end - 1] == 13)
    yield start if as_it_is else start.replace(b"\n", b"\r\n")
    for block in blocks:
        yield block if as_it_is else block.replace(b"\n", b"\r\n")
