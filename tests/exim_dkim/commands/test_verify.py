"""exim-dkim verify."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exim_dkim.commands import output, verify
from exim_dkim.commands.program import SUBCOMMANDS
from exim_dkim.resolver import Answer, Question, Trouble
from tests.support import samples
from tests.support.cli import MESSAGE, Material, make_material, run_cli

SEPARATOR = b"From alice@example.org Sun Nov 22 02:45:25 2026\n"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    made = make_material(tmp_path_factory.mktemp("verify"))
    made.write("good", made.signed())
    made.write("bad", made.signed() + b"more\n")
    made.write("plain", MESSAGE)
    made.write("defer", made.signed(selector="slow"))
    made.write("testing", made.signed(selector="testing") + b"more\n")
    return made


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_a_file_that_is_no_message(tmp_path: Path) -> None:
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0:root:/root:/bin/bash\n")
    result = run_cli("verify", file)
    assert result.stdout == f"unsigned\t{file}\t-\t-\tthe message has no signature, and no From: is this a message?\n"


@pytest.mark.parametrize(
    ("names", "words", "status"),
    [
        (["good"], ["good"], 0),
        (["good", "good"], ["good", "good"], 0),
        (["bad"], ["bad"], 1),
        (["plain"], ["unsigned"], 1),
        (["defer"], ["defer"], 75),
        (["good", "defer"], ["good", "defer"], 75),
        (["bad", "defer"], ["bad", "defer"], 1),
        (["testing"], ["unsigned"], 1),
        (["good", "missing"], ["good", "error"], 1),
    ],
)
def test_words_and_statuses(material: Material, names: list[str], words: list[str], status: int) -> None:
    files = [material.directory / name for name in names]
    result = run_cli("verify", "--dns-zone", material.zone, *files)
    assert [row[0] for row in rows(result.stdout)] == words
    assert [row[1] for row in rows(result.stdout)] == [str(file) for file in files]
    assert result.exit_code == status


def test_a_row_has_five_fields_and_a_reason(material: Material) -> None:
    result = run_cli("verify", "--dns-zone", material.zone, material.directory / "bad")
    ((word, _, domain, selector, reason),) = rows(result.stdout)
    assert (word, domain, selector) == ("bad", "example.org", "s")
    assert "the body was changed" in reason


def test_standard_input_and_line_ends(material: Material) -> None:
    for message in (material.signed(), material.signed().replace(b"\n", b"\r\n")):
        result = run_cli("verify", "--dns-zone", material.zone, "-", stdin=message)
        assert (result.exit_code, rows(result.stdout)[0][:2]) == (0, ["good", "stdin"])


def test_standard_input_twice(material: Material) -> None:
    result = run_cli("verify", "-", "-", stdin=b"")
    assert result.exit_code == 2
    assert "only once" in result.stderr


def test_mbox_and_maildir(material: Material, tmp_path: Path) -> None:
    mbox = material.write("mbox", b"".join(SEPARATOR + text + b"\n" for text in (material.signed(), MESSAGE)))
    result = run_cli("verify", "--dns-zone", material.zone, mbox)
    assert [row[:2] for row in rows(result.stdout)] == [["good", f"{mbox}:1"], ["unsigned", f"{mbox}:2"]]
    assert result.stderr == "1 good, 1 unsigned\n"
    for folder in ("cur", "new"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new" / "1").write_bytes(material.signed())
    assert run_cli("verify", "--dns-zone", material.zone, tmp_path).exit_code == 0
    result = run_cli("verify", "--dns-zone", material.zone, material.directory)
    assert "neither a Maildir" in result.stdout
    assert result.exit_code == 1


def test_from_lines_of_an_mbox(material: Material) -> None:
    text = material.signed(MESSAGE + b"From me\n").replace(b"\nFrom me", b"\n>From me")
    mbox = material.write("quoted", SEPARATOR + text + b"\n")
    assert run_cli("verify", "--dns-zone", material.zone, mbox).exit_code == 0
    assert run_cli("verify", "--dns-zone", material.zone, mbox, "--mbox-quoting", "none").exit_code == 1


def test_json(material: Material) -> None:
    files = [material.directory / name for name in ("good", "plain", "missing")]
    result = run_cli("verify", "--json", "--dns-zone", material.zone, *files)
    good, plain, missing = map(json.loads, result.stdout.splitlines())
    assert (good["message"], good["result"], good["error"]) == (str(files[0]), "good", None)
    (signature,) = good["signatures"]
    assert signature["result"] == "pass"
    assert signature["reason"] == "good"
    assert signature["domain"] == "example.org"
    assert signature["key_bits"] == 1024
    assert (plain["result"], plain["signatures"]) == ("unsigned", [])
    assert (missing["result"], missing["error"]) == ("error", "no such file or directory")
    assert result.stderr == ""
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("key", "status"),
    [("example.org", 0), ("EXAMPLE.org", 0), ("@example.org", 0), ("alice@example.org", 1), ("example.net", 1)],
)
def test_key(material: Material, key: str, status: int) -> None:
    result = run_cli("verify", "--dns-zone", material.zone, "--key", key, material.directory / "good")
    assert result.exit_code == status
    assert status == 0 or "no signature of the 1 that the message has is for the key" in result.stdout


def test_allow_unsigned(material: Material) -> None:
    arguments = ("--dns-zone", material.zone, material.directory / "good", material.directory / "plain")
    assert run_cli("verify", *arguments).exit_code == 1
    assert run_cli("verify", "--allow-unsigned", *arguments).exit_code == 0


def test_quiet(material: Material) -> None:
    files = [material.directory / name for name in ("good", "bad", "good")]
    result = run_cli("verify", "-q", "--dns-zone", material.zone, *files)
    assert [row[0] for row in rows(result.stdout)] == ["bad"]
    assert result.stderr == "1 bad, 2 good\n"
    assert run_cli("verify", "-q", "--dns-zone", material.zone, files[0]).stdout == ""


@pytest.mark.parametrize("window", [1, 3, 32])
def test_reports_keep_their_order(material: Material, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """Small messages wait for DNS side by side, large ones are streamed; nobody sees a difference."""
    monkeypatch.setattr(verify, "WINDOW", window)
    monkeypatch.setattr(verify, "SMALL", 400)
    texts = [material.signed(MESSAGE + b"x" * size + b"\n") for size in (10, 500, 20, 900, 30, 40, 200_000, 50)]
    mbox = material.write("mixed", b"".join(SEPARATOR + text + b"\n" for text in texts))
    result = run_cli("verify", "--dns-zone", material.zone, mbox)
    assert [row[:2] for row in rows(result.stdout)] == [["good", f"{mbox}:{n}"] for n in range(1, len(texts) + 1)]


def test_messages_wait_for_dns_side_by_side(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    everybody = asyncio.Event()

    class Slow:
        """Answers nobody before five have asked."""

        async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
            asked.append(questions)
            if len(asked) == 5:
                everybody.set()
            await asyncio.wait_for(everybody.wait(), 10)
            return tuple(Answer(question, trouble=Trouble.NXDOMAIN) for question in questions)

    monkeypatch.setattr(verify, "make_resolver", lambda *arguments: Slow())
    mbox = material.write("five", (SEPARATOR + material.signed() + b"\n") * 5)
    assert [row[0] for row in rows(run_cli("verify", mbox).stdout)] == ["bad"] * 5


def test_now(material: Material) -> None:
    signed = material.write("dated", material.signed().replace(b"q=dns/txt;", b"q=dns/txt; t=2000000000;"))
    early = run_cli("verify", "--dns-zone", material.zone, "--now", "1000000000", signed)
    late = run_cli("verify", "--dns-zone", material.zone, "--now", "2000000001", signed)
    assert "made in the future" in early.stdout
    assert "does not fit" in late.stdout


def test_options_of_the_configuration_count(material: Material) -> None:
    config = material.write("config", b"dkim_verify_min_keysizes = rsa=2048\n")
    result = run_cli("verify", "-C", config, "--dns-zone", material.zone, material.directory / "good")
    assert "the key is too small" in result.stdout
    config = material.write("config", b"dns_zone_file = ZONE\n")
    result = run_cli("verify", "-C", config, "-D", f"ZONE={material.zone}", material.directory / "good")
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            b"# first\ndkim_verify_min_keysizes = rsa:2048\n",
            ":2: dkim_verify_min_keysizes: 'rsa:2048' is not TYPE=BITS",
        ),
        (b"nonsense = 1\n", ":1: "),
        (None, "there is no such file"),
    ],
)
def test_wrong_configuration(material: Material, text: bytes | None, complaint: str) -> None:
    config = material.directory / "wrong"
    config.unlink(missing_ok=True)
    if text is not None:
        config.write_bytes(text)
    result = run_cli("verify", "-C", config, material.directory / "good")
    assert result.exit_code == 78
    assert result.stderr.startswith(f"exim-dkim: {config}:")
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_file_gets_a_result(material: Material, data: st.DataObject) -> None:
    """Random bytes, and a signed message or mailbox that was cut, spoilt or repeated somewhere."""
    base = data.draw(st.sampled_from([b"", material.signed(), (SEPARATOR + material.signed() + b"\n") * 2]))
    start = data.draw(st.integers(0, len(base)))
    end = data.draw(st.integers(start, len(base)))
    text = base[:start] + data.draw(st.binary(max_size=30)) + base[end:]
    result = run_cli("verify", "--diagnose", "--dns-zone", material.zone, "-", stdin=text)
    assert result.exit_code in (0, 1, 75), result.stderr
    assert all(row[0] in ("good", "bad", "defer", "unsigned", "error") and len(row) == 5 for row in rows(result.stdout))
    assert result.stdout


def test_mail_cannot_write_to_the_terminal(material: Material) -> None:
    text = b"DKIM-Signature: v=\x1b[31m; d=example.org; s=\xc2\x9b1m\n" + MESSAGE
    file = material.write("evil\x1b[2Jname", text)
    for arguments in ((), ("--json",)):
        result = run_cli("verify", *arguments, "--dns-zone", material.zone, file)
        assert "\x1b" not in result.stdout
        assert "\x9b" not in result.stdout


def test_no_escape_codes_off_a_terminal(material: Material) -> None:
    assert "\x1b" not in run_cli("verify", "--dns-zone", material.zone, material.directory / "good").stdout


def test_a_table_on_a_terminal(
    material: Material, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda stream=None: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(output, "TABLE_ROWS", 2)
    table = output.TableWriter((output.Column("word"), output.Column("reason")))
    for number in range(3):
        table.add("good", f"reason {number}\x07")
        if table.full:
            table.flush()
    table.flush()
    shown = capsys.readouterr().out
    assert shown.count("word") == 2
    assert "reason 2\\x07" in shown
    assert "\x1b" not in shown


def test_every_command_has_help_with_examples() -> None:
    for name in SUBCOMMANDS:
        result = run_cli(name, "--help")
        assert result.exit_code == 0, name
        assert "Examples:" in result.stdout, name
        assert "Exit status" in result.stdout, name


SPF_ZONE = b"""\
example.org. TXT "v=spf1 ip4:192.0.2.1 -all"
mail.example.org. TXT "v=spf1 -all"
"""


@pytest.fixture(scope="module", name="spf_zone")
def zone_with_spf(material: Material) -> Path:
    return material.write("spf.zone", material.zone.read_bytes() + SPF_ZONE)


def test_other_methods_are_shown_where_there_is_an_envelope(material: Material, spf_zone: Path) -> None:
    envelope = ("--ip", "192.0.2.1", "--sender", "alice@example.org", "--helo", "mail.example.org")
    file = material.directory / "good"
    result = run_cli("verify", "--dns-zone", spf_zone, *envelope, file)
    shown = rows(result.stdout)
    assert [(row[0], row[2], row[4].partition(":")[0]) for row in shown] == [
        ("good", "example.org", "the signature is good"),
        ("fail", "mail.example.org", "spf"),
        ("pass", "example.org", "spf"),
        ("pass", "example.org", "sender-id"),
    ]
    assert {len(row) for row in shown} == {5}
    assert shown[1][4].startswith("spf: helo mail.example.org: the domain says")
    assert result.exit_code == 0  # which is about the signatures
    one = run_cli("verify", "--dns-zone", spf_zone, "--ip", "192.0.2.9", "--sender", "", material.directory / "plain")
    assert [row[0] for row in rows(one.stdout)] == ["unsigned", "none", "fail"]
    assert one.exit_code == 1


def test_other_methods_in_json(material: Material, spf_zone: Path) -> None:
    file = material.directory / "good"
    arguments = ("verify", "--json", "--dns-zone", spf_zone, file)
    assert json.loads(run_cli(*arguments).stdout).keys() == {"message", "result", "error", "signatures"}
    told = json.loads(run_cli(*arguments, "--ip", "192.0.2.1", "--sender", "a@example.org").stdout)
    assert (told["spf"]["result"], told["senderid"]["result"]) == ("pass", "pass")
    assert "spf_helo" not in told


def test_domainkeys_where_it_is_verified(material: Material) -> None:
    signed = run_cli("sign", "--method", "domainkeys", "--domain", "example.org", "--selector", "s", "--key",
                     material.key_file, "-", stdin=MESSAGE)  # fmt: skip
    file = material.write("domainkeys", signed.stdout.encode())
    config = material.write("domainkeys.conf", b"domainkeys_verify = true\n")
    result = run_cli("verify", "-C", config, "--dns-zone", material.zone, file)
    assert [row[0] for row in rows(result.stdout)] == ["unsigned", "good"]
    assert rows(result.stdout)[1][2:] == ["example.org", "s", "domainkeys: 1024-bit key"]
    told = json.loads(run_cli("verify", "--json", "-C", config, "--dns-zone", material.zone, file).stdout)
    assert [each["result"] for each in told["domainkeys"]] == ["pass"]
    assert [row[0] for row in rows(run_cli("verify", "--dns-zone", material.zone, file).stdout)] == ["unsigned"]


def test_an_envelope_without_a_client(material: Material) -> None:
    result = run_cli("verify", "--sender", "a@b.example", material.directory / "good")
    assert result.exit_code == 2
    assert "--ip ADDRESS" in result.stderr


def test_a_profile_judges_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("begin profiles\nstrict:\n  dkim_verify_min_keysizes = rsa=4096\n")
    (tmp_path / "zone").write_text(samples.RECORDS_ZONE)
    (tmp_path / "m").write_bytes(samples.signed(samples.message()))
    arguments = ("verify", tmp_path / "m", "--config", tmp_path / "c", "--dns-zone", tmp_path / "zone")
    assert run_cli(*arguments).exit_code == 0
    assert "4096" in run_cli(*arguments, "--profile", "strict").stdout
    assert run_cli(*arguments, "--profile", "none").exit_code == 78
