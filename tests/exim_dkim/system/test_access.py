"""What another user may do: from mode bits, and, when root runs the tests, by trying it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exim_dkim.commands.access_findings import refusal
from exim_dkim.system import access
from exim_dkim.system.access import (
    EXECUTE,
    READ,
    WRITE,
    User,
    check_access,
    find_barrier,
    may,
    named_user,
    run_as,
)

OTHER = User("somebody", 65000, 65001, (65002,))
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes another user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose parents everybody may search (pytest's own are closed to others)."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "wanted", "answer"),
    [
        (0o600, 65000, 0, READ | WRITE, True),
        (0o600, 65000, 0, EXECUTE, False),
        (0o077, 65000, 65001, READ, False),  # the owner's bits count for the owner
        (0o640, 0, 65001, READ, True),
        (0o640, 0, 65001, WRITE, False),
        (0o640, 0, 65002, READ, True),  # by a supplementary group
        (0o604, 0, 65001, READ, False),  # the group's bits count for the group
        (0o604, 0, 0, READ, True),
        (0o640, 0, 0, READ, False),
    ],
)
def test_mode_bits(mode: int, uid: int, gid: int, wanted: int, answer: bool) -> None:
    assert may(OTHER, status(stat.S_IFREG | mode, uid, gid), wanted) is answer


def test_root_may_nearly_everything() -> None:
    root = User("root", 0, 0)
    assert may(root, status(stat.S_IFREG, 1, 1), READ | WRITE)
    assert not may(root, status(stat.S_IFREG | 0o600, 1, 1), EXECUTE)
    assert may(root, status(stat.S_IFDIR, 1, 1), EXECUTE)


def test_the_first_barrier_on_the_way(place: Path) -> None:
    file = place / "a" / "b" / "key"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    for directory in (place / "a", place / "a" / "b"):
        directory.chmod(0o755)
    file.chmod(0o644)
    assert find_barrier(str(file), OTHER, READ) is None
    file.chmod(0o600)
    barrier = find_barrier(str(file), OTHER, READ)
    assert barrier is not None
    assert (barrier.place, barrier.wanted, barrier.is_directory) == (str(file), READ, False)
    (place / "a").chmod(0o700)
    barrier = find_barrier(str(file), OTHER, READ)
    assert barrier is not None
    assert (barrier.place, barrier.wanted, barrier.is_directory) == (str(place / "a"), EXECUTE, True)
    barrier = find_barrier(str(place / "none" / "x"), OTHER, READ)
    assert barrier is not None
    assert (barrier.place, barrier.status) == (str(place / "none"), None)


def test_links_are_followed(place: Path) -> None:
    (place / "closed").mkdir(mode=0o700)
    (place / "closed" / "python").write_text("x")
    (place / "closed" / "python").chmod(0o755)
    (place / "bin").mkdir()
    (place / "bin").chmod(0o755)
    (place / "bin" / "python").symlink_to("python3")
    (place / "bin" / "python3").symlink_to("../closed/python")
    barrier = find_barrier(str(place / "bin" / "python"), OTHER, EXECUTE)
    assert barrier is not None
    assert barrier.place == str(place / "closed")
    (place / "closed").chmod(0o711)
    assert find_barrier(str(place / "bin" / "python"), OTHER, EXECUTE) is None


def test_a_loop_of_links_ends(place: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    find_barrier(str(place / "a"), OTHER, READ)  # must return


def test_users() -> None:
    root = named_user("root")
    assert root is not None
    assert (root.uid, root.name) == (0, "root")
    assert named_user("no-such-user-here") is None
    assert named_user("root", "no-such-group-here") is None


@ROOT_ONLY
def test_trying_it() -> None:
    assert run_as(OTHER, lambda: [os.getuid(), os.getgid(), os.getgroups()]) == [65000, 65001, [65002]]
    with pytest.raises(RuntimeError, match="PermissionError"):
        run_as(OTHER, lambda: os.setuid(0))
    with pytest.raises(RuntimeError, match="without a result"):
        run_as(OTHER, lambda: os._exit(0))
    with pytest.raises(RuntimeError, match="TypeError"):
        run_as(OTHER, lambda: object())


@ROOT_ONLY
def test_trying_and_mode_bits_agree(place: Path) -> None:
    file = place / "f"
    file.write_text("x")
    for mode in (0o600, 0o640, 0o604, 0o644, 0o060):
        for group in (0, OTHER.gid, OTHER.groups[0]):
            os.chown(file, 0, group)
            file.chmod(mode)
            tried = run_as(OTHER, lambda: os.access(file, os.R_OK))
            assert tried == (find_barrier(str(file), OTHER, READ) is None), (oct(mode), group)
            assert tried == (check_access(str(file), OTHER, READ, may_try=True) is None)


@ROOT_ONLY
def test_what_mode_bits_do_not_tell(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An access control list may give or take what the mode does not: what is tried counts."""
    file = place / "f"
    file.write_text("x")
    file.chmod(0o600)
    monkeypatch.setattr(access, "run_as", lambda user, action: True)
    assert check_access(str(file), OTHER, READ, may_try=True) is None
    assert check_access(str(file), OTHER, READ, may_try=False) is not None
    file.chmod(0o644)
    monkeypatch.setattr(access, "run_as", lambda user, action: False)
    barrier = check_access(str(file), OTHER, READ, may_try=True)
    assert barrier is not None
    assert "though its mode 0644 allows it" in refusal(barrier, OTHER, "key", private=True).text
    missing = check_access(str(place / "none"), OTHER, READ, may_try=True)
    assert missing is not None
    assert missing.status is None
