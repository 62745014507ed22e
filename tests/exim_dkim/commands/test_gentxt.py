"""exim-dkim gentxt, and the command gentxt."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from exim_dkim.crypto import load_private_key
from exim_dkim.keyrecord import parse_key_record
from exim_dkim.resolver import Question, RecordType
from exim_dkim.system.blocking import run
from exim_dkim.system.zone import ZoneResolver
from tests.support.cli import run_cli

LINE = re.compile(
    r'key1\._domainkey IN TXT "k=rsa\\; t=y\\; p=[^"]+"(?: "[^"]+")* ; ----- DomainKey key1 for example\.com'
)


def test_the_layout_and_the_files_of_2005(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_cli("gentxt", "key1", "example.com")
    assert result.exit_code == 0
    assert LINE.fullmatch(result.stdout.strip())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key1.private", "key1.public"]
    assert stat.S_IMODE((tmp_path / "key1.private").stat().st_mode) == 0o600
    key = load_private_key((tmp_path / "key1.private").read_bytes())
    assert key.bits == 2048
    load_pem_public_key((tmp_path / "key1.public").read_bytes())
    zone = f"$ORIGIN example.com.\n$TTL 60\n{result.stdout}"
    (answer,) = run(ZoneResolver(zone).resolve(Question("key1._domainkey.example.com", RecordType.TXT)))
    assert parse_key_record(answer.records[0]).data == key.public_der()


def test_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "t=y" not in run_cli("gentxt", "key1", "example.com", "--in-use", "--bits", "1024").stdout


@pytest.mark.parametrize("existing", ["key1.private", "key1.public"])
def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / existing).write_text("precious")
    result = run_cli("gentxt", "key1", "example.com", "--bits", "1024")
    assert result.exit_code == 1
    assert f"{existing}: exists already" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [existing]
    assert (tmp_path / existing).read_text() == "precious"


def test_the_command_gentxt(tmp_path: Path) -> None:
    start = "from exim_dkim.commands.gentxt import main; main()"
    command = [sys.executable, "-c", start, "key1", "example.com"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert LINE.fullmatch(done.stdout.strip())
