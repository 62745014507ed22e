"""exim-dkim expand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import MESSAGE, run_cli


def test_strings_and_lines() -> None:
    assert run_cli("expand", "${lc:ABC}", "${uc:x}").stdout == "abc\nX\n"
    assert run_cli("expand", stdin=b"${lc:ABC}\n${uc:x}\r\nlast").stdout == "abc\nX\nlast\n"


def test_a_message_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(MESSAGE)
    strings = ("${domain:$rh_from:}", "$dkim_domain", "$sender_address")
    options = ("--message", file, "--set", "dkim_domain=example.net", "--sender", "bob@example.com", "--show-taint")
    result = run_cli("expand", *options, *strings)
    assert result.stdout == "tainted: example.org\nuntainted: example.net\ntainted: bob@example.com\n"


def test_named_lists_come_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("primary_hostname = mail.example.org\n")
    assert run_cli("expand", "-C", config, "$primary_hostname").stdout == "mail.example.org\n"


def test_a_caret_shows_the_place() -> None:
    result = run_cli("expand", "good", "a ${if eq{a}{b}", "after")
    assert result.exit_code == 1
    assert result.stdout == "good\nafter\n"
    failed, *_, source, caret = result.stderr.splitlines()
    assert failed.startswith("Failed: ")
    assert source == "  a ${if eq{a}{b}"
    assert caret.strip(" ") == "^"


@pytest.mark.parametrize("assignment", ["x", "=y", "a b=c"])
def test_wrong_assignments(assignment: str) -> None:
    result = run_cli("expand", "--set", assignment, "x")
    assert result.exit_code == 2
    assert "write NAME=VALUE" in result.stderr


def test_bytes_go_through_a_pipe_as_they_are() -> None:
    assert run_cli("expand", stdin=b"caf\xe9\n").stdout_bytes == b"caf\xe9\n"
