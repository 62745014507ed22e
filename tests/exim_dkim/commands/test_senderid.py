"""exim-dkim senderid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import run_cli

ZONE = """\
$ORIGIN example.org.
@ TXT "v=spf1 ip4:192.0.2.1 -all"
@ TXT "spf2.0/pra ip4:192.0.2.2 -all exp=why.example.org"
why TXT "%{i} may not send mail for %{s}"
list TXT "spf2.0/mfrom,pra a -all"
list A 192.0.2.9
plain TXT "v=spf1 ?all"
empty A 192.0.2.1
;! TIMEOUT slow
"""
MESSAGE = (
    b"Received: from x\nSender: list-owner@list.example.org\nFrom: Alice <alice@example.org>\nSubject: x\n\nbody\n"
)


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("senderid") / "zone"
    file.write_text(ZONE)
    return file


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


@pytest.mark.parametrize(
    ("ip", "header", "row", "status"),
    [
        ("192.0.2.2", "From: a@example.org", ["pass", "pra", "from", "a@example.org", "ip4:192.0.2.2", "0"], 0),
        ("192.0.2.1", "From: a@example.org", ["fail", "pra", "from", "a@example.org", "-all", "0"], 1),
        ("192.0.2.9", MESSAGE.decode(), ["pass", "pra", "sender", "list-owner@list.example.org", "a", "1"], 0),
        ("192.0.2.1", "From: a@plain.example.org", ["neutral", "pra", "from", "a@plain.example.org", "?all", "0"], 1),
        ("192.0.2.1", "From: a@empty.example.org", ["none", "pra", "from", "a@empty.example.org", "-", "0"], 3),
        ("192.0.2.1", "From: a@gone.example.org", ["fail", "pra", "from", "a@gone.example.org", "-", "0"], 1),
        ("192.0.2.1", "From: a@slow.example.org", ["temperror", "pra", "from", "a@slow.example.org", "-", "0"], 75),
        ("192.0.2.1", "Subject: x", ["permerror", "pra", "-", "-", "-", "0"], 1),
        ("192.0.2.1", "From: a, b", ["permerror", "pra", "from", "-", "-", "0"], 1),
    ],
)
def test_results_and_statuses(zone: Path, tmp_path: Path, ip: str, header: str, row: list[str], status: int) -> None:
    message = tmp_path / "message"
    message.write_text(header + "\n\nbody\n")
    result = run_cli("senderid", message, "--dns-zone", zone, "--ip", ip)
    ((*found, reason, text),) = rows(result.stdout)
    assert (found, result.exit_code) == (row, status)
    assert reason
    assert text == ("192.0.2.1 may not send mail for a@example.org" if row[4] == "-all" else "-")


def test_both_scopes_and_the_trace(zone: Path) -> None:
    result = run_cli(
        "senderid", "-", "--dns-zone", zone, "--ip", "192.0.2.1", "--scope", "pra", "--scope", "mfrom", "--sender",
        "b@example.org", "--trace", stdin=MESSAGE,
    )  # fmt: skip
    pra, mfrom, *trace = rows(result.stdout)
    assert pra[:4] == ["fail", "pra", "sender", "list-owner@list.example.org"]
    assert mfrom[:5] == ["pass", "mfrom", "-", "b@example.org", "ip4:192.0.2.1"]
    assert result.exit_code == 0
    assert [row[1:3] for row in trace] == [
        ["list.example.org", "TXT"],
        ["list.example.org", "A"],
        ["example.org", "TXT"],
    ]


def test_json(zone: Path) -> None:
    result = run_cli("senderid", "-", "--dns-zone", zone, "--ip", "192.0.2.9", "--json", "--trace", stdin=MESSAGE)
    found = json.loads(result.stdout)
    assert [answer["name"] for answer in found.pop("dns")] == ["list.example.org", "list.example.org"]
    assert found == {
        "result": "pass",
        "reason": "matched_pass",
        "explanation": "pra list.example.org (Sender): the domain permits this client (a)",
        "scope": "pra",
        "field": "sender",
        "address": "list-owner@list.example.org",
        "domain": "list.example.org",
        "mechanism": "a",
        "detail": None,
        "text": None,
        "lookups": 1,
        "void_lookups": 0,
    }


def test_records_that_are_not_published(zone: Path) -> None:
    arguments = ("senderid", "-", "--dns-zone", zone, "--ip", "192.0.2.7", "--record", "v=spf1 -all")
    assert rows(run_cli(*arguments, stdin=MESSAGE).stdout)[0][0] == "fail"
    both = run_cli(*arguments, "--record", "spf2.0/pra ip4:192.0.2.7 -all", "--trace", stdin=MESSAGE)
    assert rows(both.stdout)[0][:3] == ["pass", "pra", "sender"]
    assert rows(both.stdout)[1][3] == '"v=spf1 -all"; "spf2.0/pra ip4:192.0.2.7 -all"'
    assert rows(run_cli(*arguments, stdin=b"Subject: nobody\n").stdout)[0][0] == "permerror"


def test_without_records_for_spf(zone: Path, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("senderid_spf1 = false\n")
    result = run_cli(
        "senderid", "-", "--config", file, "--dns-zone", zone, "--ip", "192.0.2.1", stdin=b"From: a@plain.example.org\n"
    )
    assert rows(result.stdout)[0][0] == "none"


SPOOLED = Path(__file__).parents[2] / "vectors" / "spool" / "4.96-H"


def test_a_message_in_the_queue(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "1xUwUc-0005KI-1c-H").write_bytes(SPOOLED.read_bytes())
    (tmp_path / "config").write_text(f"spool_directory = {tmp_path}\n")
    (tmp_path / "zone").write_text('old.example. TXT "v=spf1 ip4:192.0.2.7 -all"\nfrom.example. TXT "v=spf1 ?all"\n')
    arguments = ("--config", tmp_path / "config", "--dns-zone", tmp_path / "zone", "--spool", "1xUwUc-0005KI-1c")
    result = run_cli("senderid", *arguments, "--scope", "mfrom", "--scope", "pra")
    assert [row[:4] for row in rows(result.stdout)] == [
        ["neutral", "mfrom", "-", "Env@From.example"],
        ["pass", "pra", "from", "joe@old.example"],
    ]
    assert rows(run_cli("senderid", *arguments, "--ip", "192.0.2.8").stdout)[0][0] == "fail"
    for claims, address in (
        (("--sender", "a@b.example"), "a@b.example"),
        (("--sender", "", "--helo", "b.example"), "postmaster@b.example"),
        (("--sender", ""), "postmaster@client.example"),
    ):
        result = run_cli("senderid", *arguments, "--scope", "mfrom", *claims)
        assert rows(result.stdout)[0][3] == address


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["-"], 2, "name the client that brought the message"),
        (["-", "--spool", "1xUw9H-00013Q-2i"], 2, "name one message"),
        (["--spool", "1xUw9H-00013Q-2i"], 1, "1xUw9H-00013Q-2i"),
        (["--spool", "../x"], 1, "is not a message id of Exim"),
        (["-", "--ip", "192.0.2.1", "--scope", "mfrom"], 2, "name a --sender or a --helo name"),
        (["-", "--ip", "192.0.2.1", "--scope", "helo"], 2, "helo"),
        (["--ip", "192.0.2.1"], 2, "name one message"),
        (["/nonexistent/message", "--ip", "192.0.2.1"], 1, "/nonexistent/message"),
    ],
)
def test_wrong_usage(arguments: list[str], status: int, text: str) -> None:
    result = run_cli("senderid", *arguments, stdin=b"From: a@example.org\n")
    assert result.exit_code == status
    assert text in result.stderr
    assert "Traceback" not in result.stderr
