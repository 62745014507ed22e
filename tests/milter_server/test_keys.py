"""milter_server.keys: private keys that are read at the start, and those that are read later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.files import FileAccessError
from milter_server.keys import Keys
from tests.support.samples import KEY_DIRECTORY

SETTINGS = parse_configuration(b"\ndkim_private_key = /x\n", "test.conf")
PEM = (KEY_DIRECTORY / "rsa2048.pem").read_bytes()


def test_a_key_of_the_start_stays_known(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(PEM)
    keys = Keys()
    keys.read_now(str(path), SETTINGS, "dkim_private_key")
    path.unlink()
    assert keys.read(str(path)) == PEM
    keys.read_now(str(path), SETTINGS, "dkim_private_key")  # a reload, by a user that may not read it
    assert keys.read(str(path)) == PEM


def test_a_reload_reads_a_key_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(PEM)
    keys = Keys()
    keys.read_now(str(path), SETTINGS, "dkim_private_key")
    other = (KEY_DIRECTORY / "ed25519.pem").read_bytes()
    path.write_bytes(other)
    assert keys.read(str(path)) == PEM
    keys.read_now(str(path), SETTINGS, "dkim_private_key")
    assert keys.read(str(path)) == other


def test_other_keys_are_read_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"one")
    keys = Keys()
    assert keys.read(str(path)) == b"one"
    path.write_bytes(b"another")
    assert keys.read(str(path)) == b"another"


def test_a_hash_that_the_key_does_not_have_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes((KEY_DIRECTORY / "ed25519.pem").read_bytes())
    settings = parse_configuration(b"\ndkim_private_key = /x\ndkim_hash = sha1\n", "test.conf")
    with pytest.raises(ConfigurationError, match=r"test\.conf:2: .*ed25519 key signs with sha256, not sha1"):
        Keys().read_now(str(path), settings, "dkim_private_key")
    path.write_bytes(PEM)
    Keys().read_now(str(path), settings, "dkim_private_key")


@pytest.mark.parametrize("content", [None, b"", b"hello", (KEY_DIRECTORY / "rsa768.pem").read_bytes()])
def test_what_is_no_key_is_found_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Keys().read_now(str(path), SETTINGS, "dkim_private_key")
    assert (caught.value.file, caught.value.line) == ("test.conf", 2)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("path", ["relative", "/a/../b", "/nonexistent"])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(FileAccessError):
        Keys().read(path)


def test_keys_must_lie_below_the_key_directory(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/key", "out"):
        (tmp_path / name).write_bytes(PEM)
    os.symlink(tmp_path / "out", tmp_path / "in" / "link")
    keys = Keys(str(tmp_path / "in"))
    assert keys.read(str(tmp_path / "in" / "key")) == PEM
    for name in ("out", "in/link"):
        with pytest.raises(FileAccessError, match="not below key_directory"):
            keys.read(str(tmp_path / name))
