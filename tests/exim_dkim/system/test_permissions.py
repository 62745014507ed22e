"""Why a file is refused, and what mends it. Asked as another user, in a child process."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exim_dkim.system.permissions import key_warning
from tests.support.processes import shared_directory

ROOT = Path(__file__).parents[3]
CODE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from exim_dkim.system.files import FileAccessError, read_private_key
from exim_dkim.system.preload import preload
preload()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    read_private_key(sys.argv[2])
except FileAccessError as error:
    print(error)
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with shared_directory("permissions") as path:
        yield path


def refused(path: Path) -> str:
    """What nobody is told about a file."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT), str(path)], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def test_the_file_itself(directory: Path) -> None:
    key = directory / "a key.pem"
    key.write_bytes(b"x")
    key.chmod(0o600)
    group = subprocess.run(["id", "-gn", "nobody"], capture_output=True, text=True, check=True).stdout.strip()
    user = pwd.getpwuid(65534).pw_name
    assert refused(key) == (
        f"{key}: Permission denied for user {user} (mode 0600, owner root:root); "
        f"try: chgrp {group} '{key}' && chmod g+r '{key}'"
    )


def test_a_directory_on_the_way(directory: Path) -> None:
    inner = directory / "inner"
    inner.mkdir(mode=0o700)
    (inner / "key.pem").write_bytes(b"x")
    told = refused(inner / "key.pem")
    assert f"({inner} has mode 0700, owner root:root)" in told
    assert told.endswith(f"&& chmod g+x {inner}")


@pytest.mark.parametrize(
    ("mode", "warning"),
    [(0o600, ""), (0o640, ""), (0o400, ""), (0o644, "everybody"), (0o660, "its group"), (0o604, "everybody")],
)
def test_keys_that_are_open_to_others(tmp_path: Path, mode: int, warning: str) -> None:
    key = tmp_path / "key"
    key.touch()
    key.chmod(mode)
    told = key_warning(str(key))
    assert bool(told) == bool(warning)
    assert warning in told
    if told:
        assert told.endswith(f"try: chmod 0640 {key}")
        assert stat.S_IMODE(key.stat().st_mode) == mode


def test_no_warning_about_what_is_not_there() -> None:
    assert key_warning("/nonexistent/key") == ""
