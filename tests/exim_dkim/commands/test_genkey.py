"""exim-dkim genkey."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path

import pytest

from exim_dkim.crypto import load_private_key
from exim_dkim.keyrecord import parse_key_record
from exim_dkim.resolver import Question, RecordType
from exim_dkim.system.blocking import run
from exim_dkim.system.zone import ZoneResolver
from tests.support.cli import run_cli


@pytest.mark.parametrize("arguments", [("--bits", "1024"), ("--type", "ed25519"), ("--bits", "3072")])
def test_key_and_record_fit(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "key.pem"
    result = run_cli("genkey", "Example.ORG", "mail2026", "-o", file, *arguments)
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = load_private_key(file.read_bytes())
    blocks = result.stdout.split("\n\n")
    record = parse_key_record(next(block for block in blocks if block.startswith("v=DKIM1")).encode())
    assert (record.type, record.data) == (key.type, key.public_der())
    zone = next(block for block in blocks if block.startswith("mail2026._domainkey.example.org. 3600 IN TXT"))
    assert max(map(len, zone.splitlines())) <= 72
    question = Question("mail2026._domainkey.example.org", RecordType.TXT)
    (answer,) = run(ZoneResolver(zone + "\n").resolve(question))
    assert parse_key_record(answer.records[0]) == record
    assert f"exim-dkim testkey example.org mail2026 --key {file}" in result.stdout


def test_the_usual_key_is_rsa_2048_beside_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = os.umask(0)
    try:
        result = run_cli("genkey", "example.org", "mail2026")
    finally:
        os.umask(old)
    file = tmp_path / "example.org.mail2026.pem"
    assert result.exit_code == 0
    assert result.stderr == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_private_key(file.read_bytes()).bits == 2048


def test_json(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    result = run_cli(
        "genkey", "example.org", "s", "--type", "ed25519", "-o", file, "--json", "--testing", "--ttl", "60"
    )
    made = json.loads(result.stdout)
    assert (made["file"], made["name"], made["ttl"]) == (str(file), "s._domainkey.example.org", 60)
    assert parse_key_record(made["record"].encode()).testing


def test_standard_output_gets_the_key_and_nothing_else() -> None:
    result = run_cli("genkey", "example.org", "s", "--type", "ed25519", "-o", "-")
    assert load_private_key(result.stdout.encode()).type == "ed25519"
    assert "IN TXT" in result.stderr


def test_small_keys_are_warned_of(tmp_path: Path) -> None:
    result = run_cli("genkey", "example.org", "s", "--bits", "1024", "-o", tmp_path / "k")
    assert result.exit_code == 0
    assert "warning: RSA keys below 2048 bits" in result.stderr


@pytest.mark.parametrize("kind", ["file", "link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "key.pem"
    if kind == "file":
        file.write_text("precious")
    else:
        file.symlink_to(tmp_path / "elsewhere")
    result = run_cli("genkey", "example.org", "s", "--type", "ed25519", "-o", file)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"exim-dkim: {file}: exists already")
    assert result.stdout == ""
    assert not (tmp_path / "elsewhere").exists()
    assert kind == "link" or file.read_text() == "precious"


def test_a_missing_directory(tmp_path: Path) -> None:
    result = run_cli("genkey", "example.org", "s", "--type", "ed25519", "-o", tmp_path / "no" / "key")
    assert result.exit_code == 1
    assert f"mkdir -p -m 0750 {tmp_path}/no" in result.stderr


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file = tmp_path / "key"
    result = run_cli("genkey", "example.org", "s", "--type", "ed25519", "-o", file)
    assert result.exit_code == 1
    assert "the key could not be written: no space left" in result.stderr
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("example..org", "s"), "not a domain name"),
        (("_dmarc.example.org", "s"), "not a domain name that mail can have"),
        (("example.org", "a b"), "is not a selector"),
        (("example.org", "s", "--bits", "512"), "1024<=x<=8192"),
        (("example.org", "s", "--type", "dsa"), "dsa"),
        (("example.org",), "SELECTOR"),
        (("example.org", "s", "--json", "-o", "-"), "cannot go together"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], complaint: str) -> None:
    result = run_cli("genkey", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_internationalised_domain(tmp_path: Path) -> None:
    result = run_cli("genkey", "bücher.example", "s", "--type", "ed25519", "-o", tmp_path / "k")
    assert "s._domainkey.xn--bcher-kva.example." in result.stdout


@pytest.mark.parametrize("testing", [False, True])
def test_domainkeys(tmp_path: Path, testing: bool) -> None:
    file = tmp_path / "key.pem"
    flags = ("--domainkeys", "--testing") if testing else ("--domainkeys",)
    result = run_cli("genkey", "example.org", "dk", "-o", file, *flags)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "IN TXT" in line]
    assert re.fullmatch(r'dk\._domainkey IN TXT ("[^"]+" ?)+; ----- DomainKey dk for example\.org', line)
    assert line.startswith(
        r'dk._domainkey IN TXT "k=rsa\; t=y\; p=' if testing else r'dk._domainkey IN TXT "k=rsa\; p='
    )
    question = Question("dk._domainkey.example.org", RecordType.TXT)
    (answer,) = run(ZoneResolver(f"$ORIGIN example.org.\n$TTL 60\n{line}\n").resolve(question))
    record = parse_key_record(answer.records[0])
    assert record.data == load_private_key(file.read_bytes()).public_der()
    assert record.testing is testing
    assert record.permits(b"anybody")
    assert "domainkeys_private_key" in result.stdout


def test_domainkeys_have_rsa_keys_only(tmp_path: Path) -> None:
    result = run_cli("genkey", "example.org", "dk", "-o", tmp_path / "key.pem", "--domainkeys", "--type", "ed25519")
    assert result.exit_code == 2
    assert "RSA keys only" in result.stderr
