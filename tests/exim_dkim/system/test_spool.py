"""Names and files in Exim's spool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.system.spool import (
    MAX_HEADER_FILE,
    SpoolError,
    SpoolNameError,
    body_offset,
    check_message_id,
    check_queue_name,
    data_paths,
    open_data_file,
    read_spool_header,
)
from tests.support.expansion import MESSAGE_ID, VECTORS

OLD, NEW = "1xUwUc-0005KI-1c", "1xUwUc-00000005KIx-1cAB"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "input" / "c").mkdir(parents=True)
    (tmp_path / "slow" / "input" / "c").mkdir(parents=True)
    return tmp_path


WRONG_IDS = ["", "x", "../../etc/passwd", "../" + OLD, "1xUwUc-0005K/-1c", "1xUwUc 0005KI 1c", "１xUwUc-0005KI-1c"]


@pytest.mark.parametrize(
    "name", [*WRONG_IDS, OLD + "/", OLD + "\n", OLD + "\0", OLD[:-1], OLD + "x", NEW + "-D", NEW + "\n"]
)
def test_ids_that_never_touch_a_path(name: str) -> None:
    with pytest.raises(SpoolNameError, match="is not a message id of Exim"):
        check_message_id(name)
    with pytest.raises(ValueError, match="is not a message id"):
        open_data_file("/nonexistent", "", name)


@pytest.mark.parametrize("name", ["..", ".", ".x", "a/b", "../x", "a\0", "a\n", "x" * 256, "a b"])
def test_queue_names_that_never_touch_a_path(name: str) -> None:
    with pytest.raises(SpoolNameError, match="is not the name of a queue"):
        check_queue_name(name)
    with pytest.raises(ValueError, match="is not the name of a queue"):
        open_data_file("/nonexistent", name, OLD)


@given(st.text(max_size=30), st.text(max_size=10))
def test_whatever_passes_stays_in_the_spool(message_id: str, queue: str) -> None:
    try:
        paths = data_paths("/spool", queue, message_id)
    except SpoolNameError:
        return
    assert all(os.path.normpath(path) == path and path.startswith("/spool/") for path in paths)


def test_paths() -> None:
    assert data_paths("/s/", "", OLD) == (f"/s/input/{OLD}-D", f"/s/input/c/{OLD}-D")
    assert data_paths("/s", "slow", NEW, "-H") == (f"/s/slow/input/{NEW}-H", f"/s/slow/input/c/{NEW}-H")
    assert [check_message_id(name) for name in (OLD, NEW)] == [OLD, NEW]
    assert [body_offset(name) for name in (OLD, NEW)] == [19, 26]


@pytest.mark.parametrize("message_id", [OLD, NEW])
@pytest.mark.parametrize("queue", ["", "slow"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_the_body_is_found_in_either_place(spool: Path, message_id: str, queue: str, deep: bool, split: bool) -> None:
    path = Path(data_paths(str(spool), queue, message_id)[deep])
    path.write_bytes(f"{message_id}-D\n".encode() + b"body\n")
    file, offset = open_data_file(str(spool), queue, message_id, split=split)
    with file:
        assert offset == file.tell() == body_offset(message_id)
        assert file.read(100) == b"body\n"


def test_the_configured_place_comes_first(spool: Path) -> None:
    for place, path in enumerate(data_paths(str(spool), "", OLD)):
        Path(path).write_bytes(f"{OLD}-D\n{place}".encode())
    for split, content in [(False, b"0"), (True, b"1")]:
        with open_data_file(str(spool), "", OLD, split=split)[0] as file:
            assert file.read(10) == content


def test_a_body_that_is_not_there(spool: Path) -> None:
    with pytest.raises(SpoolError, match=f"{OLD}-D: No such file or directory"):
        open_data_file(str(spool), "", OLD)
    with pytest.raises(SpoolNameError, match="is not an absolute path"):
        open_data_file("spool", "", OLD)


def test_what_is_not_a_regular_file(spool: Path) -> None:
    path = Path(data_paths(str(spool), "", OLD)[0])
    path.symlink_to("/etc/passwd")
    with pytest.raises(SpoolError, match="is a link"):
        open_data_file(str(spool), "", OLD)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SpoolError, match="not a regular file"):
        open_data_file(str(spool), "", OLD)
    path.unlink()
    path.mkdir()
    with pytest.raises(SpoolError, match="not a regular file"):
        open_data_file(str(spool), "", OLD)


@pytest.mark.parametrize("content", [b"", b"1xU", b"1xUwUc-0005KI-1d-D\nbody", b"1xUwUc-0005KI-1c-H\nbody"])
def test_a_body_under_a_wrong_name(spool: Path, content: bytes) -> None:
    Path(data_paths(str(spool), "", OLD)[0]).write_bytes(content)
    with pytest.raises(SpoolError, match="does not begin with its own name"):
        open_data_file(str(spool), "", OLD)


def test_a_header_is_read(spool: Path) -> None:
    path = Path(data_paths(str(spool), "", MESSAGE_ID, "-H")[1])
    path.write_bytes((VECTORS / "message-H").read_bytes())
    assert read_spool_header(str(spool), "", MESSAGE_ID).sender == b"Env@From.example"


def test_a_header_that_cannot_be_used(spool: Path) -> None:
    path = Path(data_paths(str(spool), "", OLD, "-H")[0])
    with pytest.raises(SpoolError, match="No such file"):
        read_spool_header(str(spool), "", OLD)
    path.write_bytes(b"garbage")
    with pytest.raises(SpoolError, match=f"{OLD}-H: the file ends early"):
        read_spool_header(str(spool), "", OLD)
    path.write_bytes((VECTORS / "message-H").read_bytes().replace(b"-1c-H", b"-1d-H"))
    with pytest.raises(SpoolError, match="does not begin with its own name"):
        read_spool_header(str(spool), "", OLD)
    with path.open("r+b") as file:
        file.truncate(MAX_HEADER_FILE + 1)
    with pytest.raises(SpoolError, match="bytes are more than"):
        read_spool_header(str(spool), "", OLD)


def test_no_descriptor_is_left_open(spool: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    Path(data_paths(str(spool), "", OLD)[0]).write_bytes(b"wrong")
    for _ in range(5):
        with pytest.raises(SpoolError):
            open_data_file(str(spool), "", OLD)
    assert len(os.listdir("/proc/self/fd")) == before
