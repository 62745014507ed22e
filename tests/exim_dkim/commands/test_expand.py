"""exim-dkim expand."""

from __future__ import annotations

import re
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


SPF_ZONE = """\
example.org. 300 IN TXT "v=spf1 ip4:192.0.2.1 -all"
example.org. 300 IN TXT "spf2.0/pra ip4:192.0.2.7 -all"
client.example. 300 IN TXT "v=spf1 ~all"
"""


def test_spf_of_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(SPF_ZONE)
    envelope = ("--ip", "192.0.2.1", "--helo", "client.example", "--sender", "a@example.org")
    strings = (
        "$sender_host_address",
        "$sender_helo_name",
        "${lookup spf{}} ${lookup spf{helo}} ${lookup senderid{mfrom}}",
        "${lookup {a@example.org} spf {192.0.2.2}}",
        "${lookup {$sender_address} spf {$sender_host_address}}",
    )
    result = run_cli("expand", "--show-taint", "--dns-zone", tmp_path / "zone", *envelope, *strings)
    assert result.stdout.splitlines() == [
        "untainted: 192.0.2.1",
        "tainted: client.example",
        "untainted: pass softfail pass",
        "untainted: fail",
        "untainted: pass",
    ]
    wrong = run_cli("expand", "--ip", "here", "x")
    assert wrong.exit_code == 2
    assert "'here' is not an IP address" in wrong.stderr


def test_sender_id_of_a_message(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(SPF_ZONE)
    options = ("--dns-zone", tmp_path / "zone", "--message", "-", "--ip", "192.0.2.7")
    result = run_cli("expand", *options, "${lookup senderid{}}", stdin=b"Sender: b@example.org\nFrom: x\n\n")
    assert result.stdout == "pass\n"


SPOOL = Path(__file__).parents[2] / "vectors" / "spool"


def spooled(directory: Path, message: bytes) -> tuple[str, Path]:
    """A queue with one message of Exim's that has the header and body of `message`; its id, and a configuration."""
    fields, _, body = message.partition(b"\n\n")
    envelope = (SPOOL / "4.96-H").read_bytes().partition(b"\n\n")[0].replace(b"<Env@From.example>", b"<a@example.org>")
    header = b"".join(b"%03d  %s" % (len(field), field) for field in split_fields(fields + b"\n"))
    message_id = envelope.partition(b"-H\n")[0].decode()
    (directory / "input").mkdir()
    (directory / "input" / f"{message_id}-H").write_bytes(envelope + b"\n\n" + header)
    (directory / "input" / f"{message_id}-D").write_bytes(f"{message_id}-D\n".encode() + body)
    config = directory / "config"
    config.write_text(f"spool_directory = {directory}\n")
    return message_id, config


def split_fields(header: bytes) -> list[bytes]:
    return [field + b"\n" for field in re.split(rb"\n(?![ \t])", header[:-1])]


def test_a_message_in_the_queue(tmp_path: Path) -> None:
    material = make_material(tmp_path)
    with material.zone.open("a") as zone:
        zone.write(SPF_ZONE)
    message_id, config = spooled(tmp_path, material.signed())
    options = ("expand", "-C", config, "--dns-zone", material.zone, "--spool", message_id)
    strings = ("${lookup dkim{example.org}}", "${lookup spf{}} ${lookup spf{helo}} ${lookup senderid{}}")
    assert run_cli(*options, *strings).stdout.splitlines() == ["good", "fail softfail pass"]
    assert run_cli(*options, "--ip", "192.0.2.1", strings[1]).stdout == "pass softfail fail\n"
    split = tmp_path / "input" / message_id[5]
    split.mkdir()
    for suffix in ("-H", "-D"):
        (tmp_path / "input" / f"{message_id}{suffix}").rename(split / f"{message_id}{suffix}")
    assert run_cli(*options, strings[0]).stdout == "good\n"
    (split / f"{message_id}-D").unlink()
    gone = run_cli(*options, strings[0])
    assert gone.exit_code == 1
    assert "gave DEFER" in gone.stderr
    assert "-D: No such file" in gone.stderr


def test_a_message_that_is_not_in_the_queue(tmp_path: Path) -> None:
    for message_id in ("1xUw9H-00013Q-2i", "../../etc/passwd"):
        result = run_cli("expand", "--spool", message_id, "x")
        assert result.exit_code == 1
        assert message_id in result.stderr


def test_trouble_of_ours_is_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*arguments: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("exim_dkim.dkim.verify.verify_header", broken)
    (tmp_path / "m").write_bytes(MESSAGE)
    result = run_cli("expand", "--dns-zone", "/dev/null", "-m", tmp_path / "m", "${lookup dkim{example.org}}")
    assert result.exit_code == 1
    assert "gave DEFER: internal error" in result.stderr


def test_domainkeys_as_in_2008(tmp_path: Path) -> None:
    material = make_material(tmp_path)
    unsigned, file, config = material.write("unsigned", MESSAGE), tmp_path / "signed", tmp_path / "config"
    signing = ("--method", "domainkeys", "--domain", "example.org", "--selector", "s", "--key", material.key_file)
    file.write_bytes(run_cli("sign", *signing, unsigned).stdout_bytes)
    config.write_text("domainkeys_verify = true\n")
    options = ("expand", "--dns-zone", material.zone, "--message", file)
    string = "${lookup domainkeys{example.org}}"
    assert run_cli(*options, "-C", config, string, "${lookup domainkeys{example.com}}").stdout == "good\nunsigned\n"
    assert run_cli(*options, string).stdout == "unverified\n"
