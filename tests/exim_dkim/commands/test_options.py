"""exim-dkim options, and the part of exim-dkim check that shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exim_dkim.commands.option_values import HIDDEN, assignment, quoted
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.options import OPTIONS
from exim_dkim.config.settings import Settings
from tests.support.cli import MESSAGE, run_cli

CONFIGURATION = """\
dkim_domain = ${domain:$rh_from:} : example.net
dkim_selector = ${if eq{$dkim_domain}{example.org}{a : b}{c}}
hide dkim_identity = secret@$dkim_domain
dkim_private_key = ${if eq{$dkim_selector}{a}{/keys/a.pem}{-----BEGIN PRIVATE KEY-----\\nSECRET}}
dkim_hash = ${if eq{$dkim_selector}{b}{$nothing_x}}
begin profiles
other:
  dkim_domain = profile.example
"""


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(CONFIGURATION.replace("$nothing_x", "${extract{}{}}"))
    return file


@pytest.fixture(name="message")
def _message(tmp_path: Path) -> Path:
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    return file


def test_every_option(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    lines = run_cli("options", "-C", tmp_path / "empty").stdout.splitlines()
    assert [line.split(" = ")[0].removesuffix(" =") for line in lines] == list(OPTIONS)
    assert {"dkim_canon = relaxed", "lookup_timeout = 4s", "lookup_socket_mode = 0660", "dkim_domain ="} <= set(lines)


def test_what_is_set(config: Path) -> None:
    output = run_cli("options", "-C", config, "--only-set").stdout
    assert output.splitlines()[0] == "dkim_domain = ${domain:$rh_from:} : example.net"
    assert f"dkim_identity = {HIDDEN}\n" in output
    assert len(output.splitlines()) == 5
    assert (
        run_cli("options", "-C", config, "--profile", "other", "dkim_domain").stdout
        == "dkim_domain = profile.example\n"
    )


def test_what_it_gives_for_a_message(config: Path, message: Path) -> None:
    result = run_cli("options", "-C", config, "--only-set", "--message", message)
    assert result.exit_code == 1
    assert "SECRET" not in result.output.replace(CONFIGURATION.splitlines()[3], "")
    assert "secret" not in result.output
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("    ->")] == [
        "    -> example.org : example.net",
        "    -> (example.org) a : b",
        "    -> (example.net) c",
        "    -> (example.org a) /keys/a.pem",
        "    -> (example.org b) a private key, which is not shown",
        "    -> (example.net c) a private key, which is not shown",
        "    -> (example.org a)",
        '    -> (example.org b) Failed: first argument of "extract" must not be empty',
        "    -> (example.net c)",
        "    -> (example.org a) not shown",
        "    -> (example.org b) not shown",
        "    -> (example.net c) not shown",
    ]
    assert run_cli("options", "-C", config, "dkim_domain", "--message", message).exit_code == 0


def test_unknown_names(config: Path) -> None:
    result = run_cli("options", "-C", config, "dkim_foo")
    assert (result.exit_code, '"dkim_foo" is not a known option' in result.stderr) == (2, True)
    result = run_cli("options", "-C", config, "--profile", "third")
    assert (result.exit_code, 'profile "third" unknown (there are: other)' in result.stderr) == (78, True)


def test_check_shows_them_too(config: Path, message: Path) -> None:
    config.write_text(config.read_text().replace("dkim_hash", "# "))
    output = run_cli("check", "-C", config, "--message", message, "--filter", "/none").stdout
    assert "ok     dkim_domain = ${domain:$rh_from:} : example.net\n       -> example.org : example.net\n" in output
    assert "ok     lookup_timeout = 4s\n" in output


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=30).filter(lambda value: b"\0" not in value))
@example(b"+X:_DKIM_SIGN_HEADERS")
@example(b"a\\")
def test_what_is_printed_can_be_read(value: bytes) -> None:
    printed = quoted(value)
    assert "\n" not in printed
    line = f"dkim_identity = {printed}".encode("utf-8", "surrogateescape")
    assert parse_configuration(line).text("dkim_identity") == value


def test_defaults_are_printed_as_they_are_written() -> None:
    lines = [assignment(Settings(), name) for name, option in OPTIONS.items() if option.default is not None]
    again = parse_configuration("\n".join(lines).encode())
    assert [assignment(again, name) for name, option in OPTIONS.items() if option.default is not None] == lines


def test_domainkeys(tmp_path: Path, message: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "domainkeys_domain = example.net : example.org\ndomainkeys_selector = dk-$domainkeys_domain\n"
        "domainkeys_private_key = ${if eq{$domainkeys_domain}{example.net}{0}{-----BEGIN PRIVATE KEY-----\\nSECRET}}\n"
    )
    result = run_cli("options", "-C", config, "--only-set", "--message", message)
    assert result.exit_code == 0
    assert "-> (example.org) dk-example.org" in result.stdout
    assert "-> (example.org dk-example.org) a private key, which is not shown" in result.stdout
    assert "-> (example.net dk-example.net) 0" in result.stdout


def test_an_option_that_is_misspelt() -> None:
    result = run_cli("options", "dkim_domian")
    assert result.exit_code == 2
    assert '"dkim_domian" is not a known option (did you mean "dkim_domain"?)' in result.stderr
