"""exim-dkim expand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import MESSAGE, make_material, run_cli


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


def test_lines_that_go_on() -> None:
    lines = b"${if eq{a}{b}\\\n   {yes}\\\n{no}}  \n\\\nlast\\"
    assert run_cli("expand", stdin=lines).stdout == "no\nlast\n"


def test_macros(tmp_path: Path) -> None:
    """What `exim -be` printed for these lines, except that it takes `Text` for a wrong definition."""
    config = tmp_path / "config"
    config.write_text("AB = lower\nX_Y = ${lc:QQ}\n")
    lines = ["xABx", "${lc:X_Y}", " AB", "QX=5", "QX", "QX==6 AB", "QX", "NEW = a b  ", "[NEW]", "bad =3", "ZZ", "Text"]
    result = run_cli("expand", "-C", config, "-D", "ZZ=9", stdin="\n".join(lines).encode())
    assert result.stdout.splitlines() == [
        "xlowerx",
        "qq",
        " lower",
        "Defined macro 'QX'",
        "5",
        "Defined macro 'QX'",
        "6 lower",
        "Defined macro 'NEW'",
        "[a b]",
        "bad =3",
        "9",
        "Text",
    ]


def test_wrong_macros(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("AB = lower\n")
    result = run_cli("expand", "-C", config, "AB=2", "NO==3", "XAB=4", "AB")
    assert result.exit_code == 1
    assert result.stdout == "lower\n"
    assert result.stderr.splitlines() == [
        'Failed: macro "AB" is already defined (use "==" if you want to redefine it)',
        'Failed: can\'t redefine an undefined macro "NO"',
        'Failed: "XAB" cannot be defined as a macro because previously defined macro "AB" is a substring',
    ]


def test_macros_without_a_configuration() -> None:
    assert run_cli("expand", "-D", "AB=x", "AB", "${listcount:_DKIM_SIGN_HEADERS}").stdout.startswith("x\n")


def test_marks_of_taint() -> None:
    assert run_cli("expand", "--tainted", "$h_subject:", "x").stdout == "untainted: \nuntainted: x\n"


def test_look_ups_in_a_zone_file(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("$ORIGIN example.org.\n@ 300 IN MX 10 mail\n")
    result = run_cli("expand", "--dns-zone", tmp_path / "zone", "${lookup dnsdb{mxh=example.org}}")
    assert result.stdout == "mail.example.org\n"


def test_the_lookup_of_2008(tmp_path: Path) -> None:
    material = make_material(tmp_path)
    file = tmp_path / "signed"
    file.write_bytes(material.signed())
    strings = ("${lookup dkim{example.org}}", "${lookup dkim{example.com}}", "${lookup dkim{@}}")
    result = run_cli("expand", "--dns-zone", tmp_path / "zone", "--message", file, *strings)
    assert result.stdout == "good\nunsigned\n"
    assert 'Failed: lookup of "@" gave DEFER: neither a domain nor an identity' in result.stderr
    file.write_bytes(file.read_bytes().replace(b"Hello", b"HELLO"))
    assert run_cli("expand", "--dns-zone", tmp_path / "zone", "-m", file, strings[0]).stdout == "bad\n"


def test_nothing_is_verified_without_a_file() -> None:
    result = run_cli("expand", "${lookup dkim{example.org}}")
    assert 'lookup of "example.org" gave DEFER: nothing is verified here' in result.stderr
    result = run_cli("expand", "-m", "-", "${lookup dkim{example.org}}", stdin=MESSAGE)
    assert "standard input is verified by: exim-dkim verify -" in result.stderr
