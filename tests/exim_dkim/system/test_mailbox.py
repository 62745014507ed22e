"""The mailbox reader: one message, mbox, Maildir; the same messages however the file is cut into blocks."""

from __future__ import annotations

import io
import mailbox as standard_mailbox
import re
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.message import parse_header, parse_message, to_wire
from exim_dkim.system import mailbox

SEPARATOR = b"From alice@example.org Sun Nov 22 02:45:25 2026\n"
FIRST = b"From: a@example.org\nSubject: one\n\nHello\n\nthere\n"
SECOND = b"From: b@example.org\nSubject: two\n\n>From here on\n>>From there\n"


def read_all(path: Path | str, quoting: str = "mboxo") -> list[tuple[bytes, bytes]]:
    return [(m.header, b"".join(m.body)) for m in mailbox.read_messages(str(path), quoting)]


def read_stream(data: bytes, quoting: str = "mboxo") -> list[tuple[bytes, bytes]]:
    stream: BinaryIO = io.BytesIO(data)
    return [(m.header, b"".join(m.body)) for m in mailbox._messages_of(stream, "x", quoting, None)]


def parts(message: bytes) -> tuple[bytes, bytes]:
    header, _, body = to_wire(message).partition(b"\r\n\r\n")
    return header, body


@pytest.fixture(params=[1, 2, 3, 7, 64, 131072])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(mailbox, "CHUNK", size)
    return size


@pytest.mark.parametrize(
    ("data", "header", "body"),
    [
        (b"A: 1\n\nx\n", b"A: 1", b"x\r\n"),
        (b"A: 1\r\n\r\nx\r\n", b"A: 1", b"x\r\n"),
        (b"A: 1\r\n\r\nx\ny\r\n", b"A: 1", b"x\ny\r\n"),  # CRLF text is taken as it is
        (b"A: 1\n\nx\r\n", b"A: 1", b"x\r\r\n"),  # in LF text a CR is data
        (b"\nbody\n", b"", b"body\r\n"),
        (b"A: 1", b"A: 1", b""),
        (b"A: 1\n", b"A: 1", b""),
        (b"", b"", b""),
        (b"A: 1\n\nno final newline", b"A: 1", b"no final newline"),
    ],
)
@pytest.mark.usefixtures("chunk")
def test_one_message(tmp_path: Path, data: bytes, header: bytes, body: bytes) -> None:
    file = tmp_path / "m"
    file.write_bytes(data)
    assert read_all(file) == [(header, body)]


@pytest.mark.usefixtures("chunk")
def test_mbox(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    file.write_bytes(SEPARATOR + FIRST + b"\n" + SEPARATOR + SECOND + b"\n")
    names = [m.name for m in mailbox.read_messages(str(file))]
    assert names == [f"{file}:1", f"{file}:2"]
    assert read_all(file) == [parts(FIRST), parts(SECOND.replace(b"\n>From", b"\nFrom"))]
    assert read_all(file, "mboxrd")[1] == parts(SECOND.replace(b"\n>", b"\n"))
    assert read_all(file, "none")[1] == parts(SECOND)


@pytest.mark.usefixtures("chunk")
def test_mbox_with_crlf(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    text = SEPARATOR + FIRST + b"\n" + SEPARATOR + FIRST + b"\n"
    file.write_bytes(text.replace(b"\n", b"\r\n"))
    assert read_all(file) == [parts(FIRST), parts(FIRST)]


@pytest.mark.usefixtures("chunk")
def test_from_in_a_body_is_no_separator_without_empty_line_or_date(tmp_path: Path) -> None:
    body = b"From: x\n\nline\nFrom here 10:00 1999\n\nFrom the start, all was well.\n"
    file = tmp_path / "mbox"
    file.write_bytes(SEPARATOR + body + b"\n" + SEPARATOR + FIRST)
    assert read_all(file) == [parts(body), parts(FIRST)]


def test_separators_without_date_when_the_first_has_none(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    file.write_bytes(b"From nobody\n" + FIRST + b"\nFrom nobody\n" + FIRST)
    assert len(read_all(file)) == 2


def test_bodies_that_are_not_read_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    file.write_bytes((SEPARATOR + FIRST + b"\n") * 3)
    assert [m.header for m in mailbox.read_messages(str(file))] == [parts(FIRST)[0]] * 3


def test_maildir(tmp_path: Path) -> None:
    for folder in ("cur", "new", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "cur" / "2:2,S").write_bytes(SECOND)
    (tmp_path / "cur" / "1:2,S").write_bytes(FIRST)
    (tmp_path / "cur" / ".hidden").write_bytes(FIRST)
    (tmp_path / "tmp" / "unfinished").write_bytes(FIRST)
    (tmp_path / "new" / "3").write_bytes(SEPARATOR + FIRST)  # in a Maildir this is a message, odd as it is
    (tmp_path / "new" / "4").symlink_to(tmp_path / "gone")
    messages = [(m.name, b"".join(m.body), m.problem) for m in mailbox.read_messages(str(tmp_path))]
    assert messages == [
        (str(tmp_path / "cur" / "1:2,S"), parts(FIRST)[1], ""),
        (str(tmp_path / "cur" / "2:2,S"), parts(SECOND)[1], ""),
        (str(tmp_path / "new" / "3"), parts(FIRST)[1], ""),
        (str(tmp_path / "new" / "4"), b"", "no such file or directory"),
    ]


def test_a_directory_that_is_no_maildir(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="neither a Maildir"):
        list(mailbox.read_messages(str(tmp_path)))


def test_endless_header(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(SEPARATOR + b"A: " + b"x" * (mailbox.MAX_HEADER + 1) + b"\n\nbody\n\n" + SEPARATOR + FIRST)
    first, second = list(mailbox.read_messages(str(file)))
    assert "longer than" in first.problem
    assert second.header == parts(FIRST)[0]


def test_size_and_progress(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(FIRST)
    seen: list[int] = []
    for message in mailbox.read_messages(str(file), on_read=seen.append):
        b"".join(message.body)
    assert sum(seen) == mailbox.size_of(str(file)) == len(FIRST)
    assert mailbox.size_of("-") is None
    assert mailbox.size_of(str(tmp_path / "missing")) is None


def test_a_large_mbox_is_not_held_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    with file.open("wb") as out:
        for _ in range(2):
            out.write(SEPARATOR + b"From: a@example.org\n\n")
            for _ in range(160):
                out.write(b"0123456789abcde\n" * 4096)
            out.write(b"\n")
    tracemalloc.start()
    total = sum(len(chunk) for message in mailbox.read_messages(str(file)) for chunk in message.body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 20_000_000
    assert peak < 3_000_000


PIECES = st.lists(
    st.sampled_from(
        [
            b"\n",
            b"\r\n",
            b"From ",
            b"From a 10:00 1999",
            b">From ",
            b">>From ",
            b"A: 1",
            b"x",
            b"\r",
            b"\n\n",
            b"\x00\xff",
        ]
    ),
    max_size=24,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.integers(1, 40))
def test_one_message_equals_the_whole_parsed_at_once(data: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mailbox, "CHUNK", size)
        patch.setattr(mailbox, "MAX_LINE", size)
        if data.startswith(b"From "):
            data = b"X" + data
        (header, body), *others = read_stream(data)
    whole = parse_message(to_wire(data))
    assert not others
    assert (parse_header(header), body) == (whole.fields, whole.body)


def reference(data: bytes) -> list[tuple[bytes, bytes]]:
    """The mbox rules in their plainest form, line by line, over the whole text."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", data)
    dated = bool(re.search(rb"\d\d:\d\d.*\d{4}", lines[0]))
    messages: list[list[bytes]] = []
    for line in lines:
        blank_before = not messages or messages[-1][-1:] in ([b"\n"], [b"\r\n"])
        if line.startswith(b"From ") and blank_before and (not dated or re.search(rb"\d\d:\d\d.*\d{4}", line)):
            if messages:
                messages[-1].pop()
            messages.append([])
        else:
            messages[-1].append(line)
    if messages[-1][-1:] in ([b"\n"], [b"\r\n"]):
        messages[-1].pop()
    texts = [b"".join(line[1:] if line.startswith(b">From ") else line for line in m) for m in messages]
    return [parse_pair(to_wire(text)) for text in texts]


def parse_pair(wire: bytes) -> tuple[bytes, bytes]:
    if wire.startswith(b"\r\n"):
        return b"", wire[2:]
    header, empty, body = wire.partition(b"\r\n\r\n")
    return (header, body) if empty else (header.removesuffix(b"\r\n"), b"")


@settings(max_examples=500, deadline=None)
@given(PIECES, st.integers(1, 90))
def test_mbox_equals_the_plain_rules(data: bytes, size: int) -> None:
    data = b"From x 10:00 1999\n" + data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mailbox, "CHUNK", size)
        assert read_stream(data) == reference(data)


def test_agrees_with_the_standard_library(tmp_path: Path) -> None:
    file = tmp_path / "mbox"
    box = standard_mailbox.mbox(str(file))
    for number in range(5):
        box.add(f"From: a@example.org\nSubject: {number}\n\nFrom me\n\nto you {number}\n\n".encode())
    box.close()
    bodies = [body for _, body in read_all(file)]
    assert bodies == [f"From me\r\n\r\nto you {n}\r\n\r\n".encode() for n in range(5)]
