"""exim-dkim sign: signed messages verify, and nothing else is changed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exim_dkim.system.files import FileAccessError
from tests.support.cli import MESSAGE, Material, make_material, run_cli


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("sign"))


def key_options(material: Material) -> tuple[str, ...]:
    return ("--domain", "example.org", "--selector", "s", "--key", str(material.key_file))


def result_of(material: Material, message: bytes, *arguments: str) -> str:
    result = run_cli("verify", "--dns-zone", material.zone, "-", *arguments, stdin=message)
    return result.stdout.partition("\t")[0]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("body", [b"", b"Hello\n", b"no final newline", b"\n\n\n", b"\0\xff\n", b".\nFrom x\n"])
@pytest.mark.parametrize("canon", ["relaxed", "simple", "relaxed/simple"])
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_only_a_field_is_added(material: Material, newline: bytes, body: bytes, canon: str, way: str) -> None:
    message = (b"From: a@example.org\nSubject: caf\xe9\n\n" + body).replace(b"\n", newline)
    file = material.write("message", message)
    options = (*key_options(material), "--canon", canon)
    result = run_cli("sign", *options, *([file] if way == "file" else ["-"]), stdin=message)
    assert result.exit_code == 0, result.stderr
    signed = result.stdout_bytes
    field = signed.removesuffix(message)
    assert signed == field + message
    assert field.startswith(b"DKIM-Signature: v=1;")
    assert field.endswith(newline)
    assert field.count(b"\r\n") == (field.count(b"\n") if newline == b"\r\n" else 0)
    assert result_of(material, signed) == "good"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_any_body_is_kept(material: Material, body: bytes) -> None:
    message = MESSAGE + body
    signed = run_cli("sign", *key_options(material), "-", stdin=message).stdout_bytes
    assert signed.endswith(message)
    assert result_of(material, signed) == "good"


def test_options_come_from_the_configuration(material: Material) -> None:
    config = material.write(
        "config",
        b"dkim_domain = ${lc:${domain:$h_from:}}\n"
        b"dkim_selector = ${if eq{$sender_address}{bounce@example.org}{s}{other}}\n"
        b"dkim_private_key = KEY\n",
    )
    options = ("-C", config, "-D", f"KEY={material.key_file}", "--sender", "bounce@example.org")
    result = run_cli("sign", *options, "-", stdin=MESSAGE.replace(b"org", b"ORG"))
    assert b"d=example.org; s=s;" in result.stdout_bytes
    overridden = run_cli("sign", *options, "--selector", "t", "-", stdin=MESSAGE)
    assert b"d=example.org; s=t;" in overridden.stdout_bytes


def test_identity_dates_and_names(material: Material) -> None:
    options = ("--identity", "alice@example.org", "--expire", "100", "--now", "1000", "--headers", "From:To")
    signed = run_cli("sign", *key_options(material), *options, "-", stdin=MESSAGE).stdout_bytes
    for tag in (b"i=alice@example.org;", b"t=1000;", b"x=1100;"):
        assert tag in signed
    assert result_of(material, signed, "--now", "1001", "--key", "alice@example.org") == "good"
    assert result_of(material, signed, "--now", "9999") == "bad"


def test_a_dollar_in_a_path_is_a_dollar(material: Material) -> None:
    key = material.write("k$h_from:", material.key_file.read_bytes())
    options = ("--domain", "example.org", "--selector", "s", "--key", key)
    assert run_cli("sign", *options, "-", stdin=MESSAGE).exit_code == 0


@pytest.mark.parametrize(
    ("message", "arguments", "complaint"),
    [
        (MESSAGE, ("--key", "/nonexistent"), "/nonexistent: No such file"),
        (MESSAGE, ("--domain", "example.org"), "name --domain, --selector and --key"),
        (b"Subject: x\n\n", (), "no From field"),
        (b"", (), "no From field"),
        (b"From alice Sun Nov 22 02:45:25 2026\n" + MESSAGE, (), "this is an mbox"),
        (b"A: " + b"x" * (1 << 20) + b"\n\n", (), "the header is longer than"),
        (MESSAGE, ("--identity", "alice@example.net"), "not under the signing domain"),
    ],
)
def test_what_cannot_be_signed(material: Material, message: bytes, arguments: tuple[str, ...], complaint: str) -> None:
    options = arguments if arguments[:1] == ("--domain",) else (*key_options(material), *arguments)
    config = material.write("empty", b"")
    result = run_cli("sign", "-C", config, *options, "-", stdin=message)
    assert result.exit_code == 1
    assert result.stdout_bytes == b""
    assert complaint in result.stderr
    assert "PRIVATE KEY" not in result.stderr


def test_a_key_of_others(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is not to open the key to whoever signs a test message."""

    def refuse(path: str, directory: str | None) -> bytes:
        raise FileAccessError(path, "Permission denied for user joe", errno.EACCES, "chgrp joe key")

    monkeypatch.setattr("exim_dkim.system.files.read_private_key", refuse)
    result = run_cli("sign", *key_options(material), "-", stdin=MESSAGE)
    assert result.exit_code == 1
    assert "Permission denied for user joe; run this as root or as Exim's user" in result.stderr
    assert "chgrp" not in result.stderr


def test_a_missing_file(material: Material) -> None:
    result = run_cli("sign", *key_options(material), "/nonexistent")
    assert (result.exit_code, result.stderr) == (1, "exim-dkim: /nonexistent: no such file or directory\n")


def test_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    (tmp_path / "message").write_bytes(b"From: alice@example.org\n\n")
    result = run_cli("sign", "-C", tmp_path / "config", "--profile", "none", tmp_path / "message")
    assert (result.exit_code, 'profile "none" unknown' in result.stderr) == (78, True)


@pytest.mark.parametrize(
    ("method", "names"), [("dkim", ["DKIM"]), ("domainkeys", ["DomainKey"]), ("both", ["DKIM", "DomainKey"])]
)
def test_method(material: Material, method: str, names: list[str]) -> None:
    result = run_cli("sign", "--method", method, *key_options(material), material.write("message", MESSAGE))
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert [line.partition("-")[0] for line in result.stdout.splitlines() if "-Signature:" in line] == names


def test_method_with_a_configuration(material: Material) -> None:
    """Without --method what is configured is signed; with it, nothing else is."""
    config = material.write(
        "config",
        f"""
dkim_domain = example.org
dkim_selector = s
dkim_private_key = {material.key_file}
domainkeys_domain = example.org
domainkeys_selector = s
domainkeys_private_key = {material.key_file}
""".encode(),
    )
    message = material.write("message", MESSAGE)
    both = run_cli("sign", "-C", config, message)
    assert "DKIM-Signature:" in both.stdout
    assert "DomainKey-Signature:" in both.stdout
    only = run_cli("sign", "-C", config, "--method", "domainkeys", message)
    assert "DKIM-Signature:" not in only.stdout
    assert "DomainKey-Signature:" in only.stdout


def test_a_key_that_is_named_may_be_anywhere(material: Material, tmp_path: Path) -> None:
    """key_directory is a fence around names that an expansion makes."""
    config = tmp_path / "config"
    config.write_text(f"key_directory = {tmp_path}\n")
    message = material.write("plain", MESSAGE)
    words = ("sign", "-C", config, "--domain", "example.org", "--selector", "s", "--key", material.key_file, message)
    assert run_cli(*words).exit_code == 0
