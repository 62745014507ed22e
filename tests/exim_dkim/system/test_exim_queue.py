"""Messages in Exim's queue: as the format says, and as a real Exim writes them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from exim_dkim.system.exim_queue import is_queue_file, queue_files
from exim_dkim.system.mailbox import CHUNK, read_messages, size_of
from tests.support.cli import MESSAGE, make_material, run_cli
from tests.support.peers import program
from tests.support.processes import exim_user, give, shared_directory

OLD, NEW = "1xUw9H-00013Q-2i", "1xUw9H-000000013Qa-2i3k"


def put(directory: Path, message_id: str, body: bytes = b"Hello\n", options: str = "") -> Path:
    """A message in the queue, with a deleted field."""
    fields = [("F", "From: a@example.org\n"), ("*", "X-Gone: x\n"), (" ", "Subject: a\n\tb\n")]
    header = "".join(f"{len(text):03d}{kind} {text}" for kind, text in fields)
    envelope = f"{message_id}-H\nroot 0 0\n<a@example.org>\n1795315623 0\n{options}XX\n1\nb@example.org\n\n"
    file = directory / f"{message_id}-H"
    file.write_text(envelope + header)
    (directory / f"{message_id}-D").write_bytes(f"{message_id}-D\n".encode() + body)
    return file


def read(path: Path) -> list[tuple[str, bytes, bytes, str]]:
    return [(m.name, m.header, b"".join(m.body), m.problem) for m in read_messages(str(path))]


HEADER = b"From: a@example.org\r\nSubject: a\r\n\tb"


@pytest.mark.parametrize("message_id", [OLD, NEW])
def test_one_message(tmp_path: Path, message_id: str) -> None:
    file = put(tmp_path, message_id)
    assert read(file) == [(str(file), HEADER, b"Hello\r\n", "")]
    assert size_of(str(file)) == len(message_id) + 3 + 6


def test_wire_format_is_taken_as_it_is(tmp_path: Path) -> None:
    file = put(tmp_path, OLD, b"a\r\nb\nc\r\n", "-spool_file_wireformat\n")
    assert read(file)[0][2] == b"a\r\nb\nc\r\n"


def test_long_bodies_come_in_chunks(tmp_path: Path) -> None:
    file = put(tmp_path, OLD, b"x" * (2 * CHUNK) + b"\n")
    (chunks,) = [list(message.body) for message in read_messages(str(file))]
    assert len(chunks) == 3
    assert b"".join(chunks) == b"x" * (2 * CHUNK) + b"\r\n"


def test_the_queue_split_or_not(tmp_path: Path) -> None:
    queue = tmp_path / "input"
    (queue / "H").mkdir(parents=True)
    (queue / "not-a-subdirectory").mkdir()
    put(queue / "H", OLD)
    put(queue, NEW)
    (queue / "hdr.123").write_text("")
    assert [os.path.basename(file) for file in queue_files(str(queue))] == [f"{NEW}-H", f"{OLD}-H"]
    assert [name for name, *_ in read(queue)] == [str(queue / f"{NEW}-H"), str(queue / "H" / f"{OLD}-H")]


def test_an_empty_queue_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    assert read(tmp_path / "input") == []


@pytest.mark.parametrize("name", ["x-H", f"{OLD}-D", f"{OLD}-J", "1xUw9H-00013Q-2-H", f"../{OLD}"])
def test_other_names(name: str) -> None:
    assert not is_queue_file(name)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda d: (d / f"{OLD}-H").unlink(), "No such file"),
        (lambda d: (d / f"{OLD}-D").unlink(), f"{OLD}-D: No such file"),
        (lambda d: (d / f"{OLD}-D").write_text("something else"), "does not begin with its own name"),
        (lambda d: (d / f"{OLD}-H").write_text(f"{OLD}-H\nroot"), "ends early"),
        (lambda d: (d / f"{OLD}-H").write_text(""), "ends early"),
    ],
)
def test_a_queue_lives(tmp_path: Path, spoil: object, problem: str) -> None:
    put(tmp_path, OLD)
    other = put(tmp_path, NEW)
    queue = queue_files(str(tmp_path))
    assert callable(spoil)
    spoil(tmp_path)
    results = [message for file in queue for message in read(Path(file))]
    assert [bool(r[3]) for r in results] == [False, True]
    assert results[0][0] == str(other)
    assert problem in results[1][3]


CONFIGURATION = """\
spool_directory = DIRECTORY/spool
log_file_path = DIRECTORY/%slog
primary_hostname = mail.example.org
split_spool_directory = true
spool_wireformat = true
chunking_advertise_hosts = *
acl_smtp_rcpt = accept
acl_smtp_data = accept
queue_only
keep_environment =
begin routers
none:
  driver = accept
  transport = none
begin transports
none:
  driver = appendfile
  file = /dev/null
  user = nobody
"""


@pytest.mark.peer("exim")
def test_what_a_real_exim_queues() -> None:
    exim = program("exim4", "exim4-daemon-heavy")
    if os.geteuid() != 0:
        pytest.skip("needs root: Exim takes no other configuration from others")
    with shared_directory("exim-dkim-queue-") as directory:
        material = make_material(directory)
        state = directory / "state"
        state.mkdir()
        give(state, exim_user(), 0o755)
        config = material.write("exim.conf", CONFIGURATION.replace("DIRECTORY", str(state)).encode())
        config.chmod(0o644)
        wire = material.signed(MESSAGE + b"\xe9 8-bit\n").replace(b"\n", b"\r\n")
        commands = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBDAT %d LAST\r\n" % len(wire)
        for words, data in (
            (("-odq", "-f", "a@example.org", "b@example.org"), material.signed()),
            (("-bs",), commands + wire + b"QUIT\r\n"),
        ):
            subprocess.run([exim, "-C", config, *words], input=data, capture_output=True, timeout=60, check=True)
        queue = state / "spool" / "input"
        result = run_cli("verify", "--dns-zone", material.zone, queue)
        assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["good", "good"]
        message_id = Path(queue_files(str(queue))[0]).name.removesuffix("-H")
        options = material.write("options", f"spool_directory = {state}/spool\nsplit_spool_directory\n".encode())
        result = run_cli("expand", "-C", options, "--message-id", message_id, "$sender_address $h_subject:")
        assert result.stdout == "a@example.org test\n"
