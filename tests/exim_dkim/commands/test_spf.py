"""exim-dkim spf."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import run_cli

ZONE = """\
$ORIGIN example.org.
@ TXT "v=spf1 ip4:192.0.2.0/24 include:_spf.example.net mx ~ip4:192.88.99.1 -all exp=why.example.org"
why TXT "%{c} may not send mail for %{d}"
@ MX 10 mail
mail A 198.51.100.7
mail TXT "v=spf1 a -all"
plain A 192.0.2.1
bad TXT "v=spf1 a:%{x} -all"
odd TXT "v=spf1 ?all"
;! TIMEOUT slow
$ORIGIN example.net.
_spf TXT "v=spf1 ip4:203.0.113.5 -all"
"""


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("spf") / "zone"
    file.write_text(ZONE)
    return file


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


@pytest.mark.parametrize(
    ("ip", "sender", "row", "status"),
    [
        ("192.0.2.4", "a@example.org", ["pass", "mailfrom", "example.org", "ip4:192.0.2.0/24", "0"], 0),
        ("203.0.113.5", "a@example.org", ["pass", "mailfrom", "example.org", "include:_spf.example.net", "1"], 0),
        ("::ffff:198.51.100.7", "a@example.org", ["pass", "mailfrom", "example.org", "mx", "2"], 0),
        ("192.88.99.1", "a@example.org", ["softfail", "mailfrom", "example.org", "~ip4:192.88.99.1", "2"], 1),
        ("2001:db8::1", "a@example.org", ["fail", "mailfrom", "example.org", "-all", "2"], 1),
        ("192.0.2.4", "a@odd.example.org", ["neutral", "mailfrom", "odd.example.org", "?all", "0"], 1),
        ("192.0.2.4", "a@bad.example.org", ["permerror", "mailfrom", "bad.example.org", "-", "0"], 1),
        ("192.0.2.4", "a@plain.example.org", ["none", "mailfrom", "plain.example.org", "-", "0"], 3),
        ("192.0.2.4", "a@slow.example.org", ["temperror", "mailfrom", "slow.example.org", "-", "0"], 75),
    ],
)
def test_results_and_statuses(zone: Path, ip: str, sender: str, row: list[str], status: int) -> None:
    result = run_cli("spf", "--dns-zone", zone, "--ip", ip, "--sender", sender)
    ((*found, reason, text),) = rows(result.stdout)
    assert (found, result.exit_code) == (row, status)
    assert reason
    assert text == ("2001:db8::1 may not send mail for example.org" if row[0] == "fail" else "-")


def test_both_identities_and_the_trace(zone: Path) -> None:
    result = run_cli(
        "spf", "--dns-zone", zone, "--ip", "203.0.113.5", "--sender", "a@example.org", "--helo", "mail.example.org",
        "--trace",
    )  # fmt: skip
    helo, mailfrom, *trace = rows(result.stdout)
    assert (helo[:2], mailfrom[:2], result.exit_code) == (["fail", "helo"], ["pass", "mailfrom"], 0)
    assert [row[1:3] for row in trace] == [
        ["mail.example.org", "TXT"],
        ["mail.example.org", "A"],
        ["example.org", "TXT"],
        ["_spf.example.net", "TXT"],
        ["example.org", "MX"],
    ]
    assert trace[1][3] == "198.51.100.7"
    assert trace[3][3] == '"v=spf1 ip4:203.0.113.5 -all"'


def test_the_null_sender_is_that_of_the_helo_name(zone: Path) -> None:
    result = run_cli("spf", "--dns-zone", zone, "--ip", "198.51.100.7", "--sender", "", "--helo", "mail.example.org")
    assert [row[:3] for row in rows(result.stdout)] == [
        ["pass", "helo", "mail.example.org"],
        ["pass", "mailfrom", "mail.example.org"],
    ]


def test_a_record_that_is_not_published(zone: Path) -> None:
    arguments = ("spf", "--dns-zone", zone, "--ip", "192.0.2.9", "--sender", "a@plain.example.org", "--record")
    assert rows(run_cli(*arguments, "v=spf1 ip4:192.0.2.9 -all").stdout)[0][0] == "pass"
    assert rows(run_cli(*arguments, "v=spf1 a -all").stdout)[0][0] == "fail"
    wrong = run_cli(*arguments, "v=spf1 ipv4:192.0.2.9 -all")
    assert rows(wrong.stdout)[0][0] == "permerror"
    assert "ipv4:192.0.2.9" in wrong.stdout


def test_json(zone: Path) -> None:
    arguments = ("spf", "--dns-zone", zone, "--ip", "198.51.100.7", "--sender", "a@example.org", "--json")
    found = json.loads(run_cli(*arguments, "--trace").stdout)
    assert (found["result"], found["reason"], found["mechanism"]) == ("pass", "matched_pass", "mx")
    assert (found["lookups"], found["void_lookups"]) == (2, 0)
    assert found["dns"][-1] == {"name": "mail.example.org", "type": "A", "answer": "198.51.100.7"}
    assert "dns" not in json.loads(run_cli(*arguments).stdout)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--ip", "192.0.2.1"], "name a --sender or a --helo name"),
        (["--ip", "localhost", "--helo", "x"], "'localhost' is not an IP address"),
        (["--helo", "x"], "--ip"),
    ],
)
def test_wrong_usage(arguments: list[str], text: str) -> None:
    result = run_cli("spf", *arguments)
    assert result.exit_code == 2
    assert text in result.stderr


def test_options_of_the_configuration(zone: Path, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("spf_max_void_lookups = 0\n")
    result = run_cli(
        "spf", "--config", file, "--dns-zone", zone, "--ip", "192.0.2.1", "--sender", "a@example.org",
        "--record", "v=spf1 a:gone.example.org ?all",
    )  # fmt: skip
    assert rows(result.stdout)[0][0] == "permerror"


LINES = """\
# client sender helo
192.0.2.4 <a@example.org>

198.51.100.7\t<>\tmail.example.org
"""


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ("", 0),
        ("192.0.2.4 a@plain.example.org\n", 3),
        ("192.0.2.4 a@plain.example.org\n192.0.2.4 a@slow.example.org\n", 75),
        ("192.0.2.4 a@slow.example.org\n192.0.2.4 a@odd.example.org\n", 1),
    ],
)
def test_many_lines(zone: Path, tmp_path: Path, more: str, status: int) -> None:
    file = tmp_path / "clients"
    file.write_text(LINES + more)
    for result in (
        run_cli("spf", "--dns-zone", zone, "--file", file),
        run_cli("spf", "--dns-zone", zone, "--file", "-", stdin=(LINES + more).encode()),
    ):
        found = rows(result.stdout)
        assert [row[:2] + row[7:] for row in found[:3]] == [
            ["pass", "mailfrom", "192.0.2.4 <a@example.org>"],
            ["pass", "helo", "198.51.100.7 <> mail.example.org"],
            ["pass", "mailfrom", "198.51.100.7 <> mail.example.org"],
        ]
        assert len(found) == 3 + more.count("\n")
        assert result.exit_code == status


def test_many_lines_as_json_and_in_order(zone: Path, tmp_path: Path) -> None:
    file = tmp_path / "clients"
    file.write_text("".join(f"192.0.2.{number} a@example.org\n" for number in range(200)))
    result = run_cli("spf", "--dns-zone", zone, "--file", file, "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["line"] for one in found] == [f"192.0.2.{number} a@example.org" for number in range(200)]
    assert {one["result"] for one in found} == {"pass"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1\n", ":1: want ADDRESS SENDER"),
        ("192.0.2.1 a b c\n", ":1: want ADDRESS SENDER"),
        ("\nlocalhost a@b\n", ":2: 'localhost' is not an IP address"),
    ],
)
def test_lines_that_cannot_be_read(zone: Path, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "clients"
    file.write_text(text)
    result = run_cli("spf", "--dns-zone", zone, "--file", file)
    assert result.exit_code == 2
    assert f"{file}{message}" in result.stderr


def test_a_file_that_is_not_there(zone: Path, tmp_path: Path) -> None:
    result = run_cli("spf", "--dns-zone", zone, "--file", tmp_path / "gone")
    assert result.exit_code == 1
    assert "No such file" in result.stderr
    assert run_cli("spf", "--file", "x", "--helo", "y").exit_code == 2


def test_a_record_for_an_internationalised_domain(zone: Path) -> None:
    result = run_cli(
        "spf", "--dns-zone", zone, "--ip", "192.0.2.9", "--sender", "a@bücher.example", "--record", "v=spf1 +all"
    )
    assert rows(result.stdout)[0][:3] == ["pass", "mailfrom", "xn--bcher-kva.example"]
