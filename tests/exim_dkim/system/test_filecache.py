"""Tables that are read once, and again when they changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exim_dkim.system import filecache
from exim_dkim.system.filecache import FileCache
from exim_dkim.system.files import FileAccessError, read_small_file
from tests.support.threads import in_threads


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were really read."""
    names: list[str] = []

    def read(path: str, limit: int) -> bytes:
        names.append(os.path.basename(path))
        return read_small_file(path, limit)

    monkeypatch.setattr(filecache, "read_small_file", read)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is old enough."""
    monkeypatch.setattr(filecache, "_SETTLED", -1e9)


def write(directory: Path, name: str, content: bytes) -> bytes:
    (directory / name).write_bytes(content)
    return os.fsencode(directory / name)


def test_one_reading(tmp_path: Path, reads: list[str], settled: None) -> None:
    cache, path = FileCache(), write(tmp_path, "a", b"one")
    assert [cache.read(path, 10) for _ in range(3)] == [b"one"] * 3
    assert reads == ["a"]


@pytest.mark.parametrize("how", ["written", "replaced", "touched"])
def test_what_changed_is_read_again(tmp_path: Path, reads: list[str], settled: None, how: str) -> None:
    cache, path = FileCache(), write(tmp_path, "a", b"one")
    cache.read(path, 10)
    if how == "written":
        write(tmp_path, "a", b"longer")
    elif how == "replaced":
        os.replace(write(tmp_path, "b", b"two"), path)
    else:
        os.utime(path, ns=(0, 1))
    assert cache.read(path, 10) == Path(os.fsdecode(path)).read_bytes()
    assert reads == ["a", "a"]


def test_what_has_just_been_written_is_not_kept(tmp_path: Path, reads: list[str]) -> None:
    cache, path = FileCache(), write(tmp_path, "a", b"one")
    os.utime(path)
    cache.read(path, 10)
    write(tmp_path, "a", b"two")
    assert cache.read(path, 10) == b"two"


def test_what_is_gone_is_gone(tmp_path: Path, settled: None) -> None:
    cache, path = FileCache(), write(tmp_path, "a", b"one")
    cache.read(path, 10)
    os.remove(path)
    with pytest.raises(FileAccessError, match="No such file"):
        cache.read(path, 10)


def test_bounds(tmp_path: Path, reads: list[str], settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filecache, "MAX_KEPT_FILES", 2)
    monkeypatch.setattr(filecache, "MAX_KEPT_BYTES", 10)
    cache = FileCache()
    a, b, c, large = (write(tmp_path, name, text) for name, text in
                      (("a", b"aaaa"), ("b", b"bbbb"), ("c", b"c"), ("large", b"x" * 11)))  # fmt: skip
    for path in (a, b, a, c, large, a, large, b):
        cache.read(path, 100)
    assert reads == ["a", "b", "c", "large", "large", "b"]


def test_several_threads(tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filecache, "MAX_KEPT_FILES", 3)
    cache = FileCache()
    paths = [write(tmp_path, str(number), b"%d" % number) for number in range(4)]

    def work(thread: int) -> None:
        for number in range(600):
            place = (number // (thread + 1)) % len(paths)
            assert cache.read(paths[place], 10) == b"%d" % place

    in_threads(work)
    assert cache._size == sum(len(content) for _, content in cache._kept.values()) == 3
