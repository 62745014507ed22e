"""Files that an administrator names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exim_dkim.errors import ConfigurationError
from exim_dkim.system.files import (
    MAX_PRIVATE_KEY,
    FileAccessError,
    path_fault,
    read_configuration,
    read_private_key,
    read_small_file,
)

NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def test_a_small_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_small_file(str(tmp_path / "x"), 5) == b"12345"
    with pytest.raises(FileAccessError, match="5 bytes are more than the 4 allowed"):
        read_small_file(str(tmp_path / "x"), 4)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/nonexistent/x", "No such file or directory"), ("/dev/null", "not a regular file"), ("/", "not a regular file")],
)
def test_what_cannot_be_read(path: str, reason: str) -> None:
    with pytest.raises(FileAccessError) as caught:
        read_small_file(path, 100)
    assert str(caught.value) == f"{path}: {reason}"


def test_a_fifo_does_not_make_us_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileAccessError, match="not a regular file"):
        read_small_file(str(tmp_path / "fifo"), 100)


def test_files_without_end_are_not_read(tmp_path: Path) -> None:
    """A file in /proc says that it has no bytes, and has some."""
    assert len(read_small_file("/proc/self/status", 1 << 20)) > 100
    with pytest.raises(FileAccessError, match="more than the 10 bytes allowed"):
        read_small_file("/proc/self/status", 10)


def test_names_with_nul() -> None:
    with pytest.raises(FileAccessError, match="a NUL byte in a file name"):
        read_small_file("/a\0b", 10)


def test_a_configuration_with_includes(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text("A = x\n.include inner.conf\n.include_if_exists /nonexistent/x\nuser = A\n")
    (tmp_path / "inner.conf").write_text("group = A\n")
    settings = read_configuration(str(tmp_path / "main.conf"))
    assert (settings.string("user"), settings.string("group")) == ("x", "x")
    assert settings.place("group") == (f"{tmp_path}/inner.conf", 1)
    assert read_configuration(str(tmp_path / "main.conf"), {"A": "y"}).string("user") == "y"


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"failed to open {tmp_path}/none: No such file or directory"):
        read_configuration(f"{tmp_path}/none")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        read_configuration(str(tmp_path))


def test_an_include_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "main.conf").write_text(f".include {tmp_path}\n")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        read_configuration(str(tmp_path / "main.conf"))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    (directory / "sub").mkdir(parents=True)
    (directory / "a.pem").write_bytes(b"a")
    (directory / "sub" / "b.pem").write_bytes(b"b")
    (directory / "inner.pem").symlink_to("sub/b.pem")
    (directory / "outer.pem").symlink_to(tmp_path / "secret")
    (directory / "up").symlink_to(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "keys2").mkdir()
    (tmp_path / "keys2" / "c.pem").write_bytes(b"c")
    (tmp_path / "alias").symlink_to(directory)
    return directory


@pytest.mark.parametrize(
    ("name", "content"), [("a.pem", b"a"), ("sub/b.pem", b"b"), ("inner.pem", b"b"), ("sub//b.pem", b"b")]
)
def test_keys_below_the_key_directory(keys: Path, name: str, content: bytes) -> None:
    assert read_private_key(f"{keys}/{name}", str(keys)) == content
    assert read_private_key(f"{keys}/{name}", f"{keys}/") == content
    assert read_private_key(f"{keys}/{name}", "/") == content
    assert read_private_key(f"{keys}/{name}", f"{keys.parent}/alias") == content
    assert read_private_key(f"{keys}/{name}") == content


@pytest.mark.parametrize("name", ["outer.pem", "up/secret", "up/keys2/c.pem"])
def test_keys_that_lead_out_of_the_key_directory(keys: Path, name: str) -> None:
    with pytest.raises(FileAccessError, match="not below key_directory"):
        read_private_key(f"{keys}/{name}", str(keys))
    assert read_private_key(f"{keys}/{name}")


def test_a_directory_with_the_same_beginning(keys: Path) -> None:
    with pytest.raises(FileAccessError, match="not below key_directory"):
        read_private_key(f"{keys}2/c.pem", str(keys))
    with pytest.raises(FileAccessError, match="not below key_directory"):
        read_private_key(str(keys), str(keys))


@pytest.mark.parametrize("name", ["nope.pem", "a.pem/x", "sub"])
def test_keys_that_are_not_there(keys: Path, name: str) -> None:
    with pytest.raises(FileAccessError, match=r"No such file|Not a directory|not a regular file"):
        read_private_key(f"{keys}/{name}", str(keys))


def test_a_link_that_appears_after_the_check_is_not_followed(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.path.realpath(keys / "a.pem")
    (keys / "a.pem").unlink()
    (keys / "a.pem").symlink_to("../secret")
    monkeypatch.setattr(os.path, "realpath", lambda path: real if str(path).endswith("a.pem") else str(path))
    with pytest.raises(FileAccessError, match="symbolic links"):
        read_private_key(f"{keys}/a.pem", str(keys))


@pytest.mark.parametrize("path", ["", "a.pem", "/x/../y", "/a\nb", "/a\0", "/" + "a" * 5000, "[1.2.3.4]"])
def test_paths_that_are_refused(path: str) -> None:
    assert path_fault(path)
    with pytest.raises(FileAccessError) as caught:
        read_private_key(path)
    assert str(caught.value).isprintable()


def test_a_key_is_not_endless(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (MAX_PRIVATE_KEY + 1))
    with pytest.raises(FileAccessError, match="bytes are more than"):
        read_private_key(str(tmp_path / "big"))
