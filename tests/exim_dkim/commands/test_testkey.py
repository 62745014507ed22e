"""exim-dkim testkey: every state that a key record can be in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exim_dkim.commands.findings import Level
from exim_dkim.commands.keystate import NamedKey, compare
from exim_dkim.crypto import generate_private_key, load_private_key
from exim_dkim.keyrecord import format_key_record
from exim_dkim.memory import MemoryResolver
from exim_dkim.resolver import Answer, Question, RecordType, Trouble
from tests.support.cli import Material, make_material, run_cli


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("testkey"))


@pytest.mark.parametrize(
    ("selector", "status", "word", "text"),
    [
        ("s", 0, "ok", "the published key matches the private key (rsa, 1024 bits)"),
        ("testing", 0, "ok", "matches"),
        ("other", 1, "fail", "mismatch: another key is published"),
        ("revoked", 1, "fail", "revoked"),
        ("junk", 1, "fail", "not a key record"),
        ("nothing", 1, "fail", "not published: the name does not exist in DNS"),
        ("slow", 75, "defer", "did not answer in time"),
    ],
)
def test_states_in_a_zone(material: Material, selector: str, status: int, word: str, text: str) -> None:
    result = run_cli("testkey", "example.org", selector, "--key", material.key_file, "--dns-zone", material.zone)
    first = result.stdout.splitlines()[0]
    assert (result.exit_code, first.split()[0]) == (status, word)
    assert f"{selector}._domainkey.example.org: " in first
    assert text in first


def test_the_right_record_is_printed_when_none_is_there(material: Material) -> None:
    result = run_cli("testkey", "example.org", "nothing", "--key", material.key_file, "--dns-zone", material.zone)
    assert "nothing._domainkey.example.org. 3600 IN TXT" in result.stdout
    assert "".join(re.findall(r'"(.*)"', result.stdout)) == format_key_record("rsa", material.key.public_der())


def test_a_revoked_key_is_not_published_again(material: Material) -> None:
    result = run_cli("testkey", "example.org", "revoked", "--key", material.key_file, "--dns-zone", material.zone)
    assert "exim-dkim genkey example.org NEW-SELECTOR" in result.stdout
    assert "Publish" not in result.stdout


def test_warnings(material: Material) -> None:
    result = run_cli("testkey", "example.org", "testing", "--key", material.key_file, "--dns-zone", material.zone)
    assert "warn   testing._domainkey.example.org: the record says t=y" in result.stdout
    assert "the key has only 1024 bits" in result.stdout


ED = NamedKey("example.org", "ed", load_private_key(generate_private_key("ed25519", 0)))
RECORD = ED.record_text
QUESTION = Question(ED.record_name, RecordType.TXT)


@pytest.mark.parametrize(
    ("records", "level", "text"),
    [
        ([RECORD], Level.OK, "matches"),
        (["k=ed25519; p=" + RECORD.partition("p=")[2]], Level.OK, "matches"),
        ([RECORD + "; t=s"], Level.OK, "matches"),
        (["v=spf1 -all", RECORD], Level.OK, "matches"),
        ([RECORD.replace("DKIM1", "DKIM2")], Level.FAIL, "unknown version"),
        ([RECORD.replace("k=ed25519", "k=rsa")], Level.FAIL, "of type rsa"),
        ([RECORD + "; h=sha1"], Level.FAIL, "permits other hashes only"),
        ([RECORD + "; s=tlsrpt"], Level.FAIL, "not for mail"),
        (["v=DKIM1; k=ed25519; p=AAAA"], Level.FAIL, "damaged"),
    ],
)
def test_states_of_records(records: list[str], level: Level, text: str) -> None:
    findings = compare(ED, Answer(QUESTION, tuple(record.encode() for record in records)))
    assert findings[0].level is level
    assert text in findings[0].text
    assert any("2 TXT records" in finding.text for finding in findings) == (len(records) == 2)


@pytest.mark.parametrize(
    ("trouble", "level"),
    [
        (Trouble.NXDOMAIN, Level.FAIL),
        (Trouble.NO_DATA, Level.FAIL),
        (Trouble.SERVFAIL, Level.DEFER),
        (Trouble.TIMEOUT, Level.DEFER),
    ],
)
def test_troubles(trouble: Trouble, level: Level) -> None:
    assert [finding.level for finding in compare(ED, Answer(QUESTION, trouble=trouble))] == [level]


def test_memory_resolver_is_asked_once_a_key() -> None:
    from exim_dkim.commands.keystate import examine
    from exim_dkim.system.blocking import run

    resolver = MemoryResolver({ED.record_name: RECORD})
    assert run(examine(ED, resolver))[0].level is Level.OK
    assert resolver.asked == [QUESTION]


class TestConfiguration:
    """Keys that the configuration leads to."""

    @pytest.fixture
    def config(self, material: Material, tmp_path: Path) -> Path:
        keys = tmp_path / "keys"
        keys.mkdir()
        (keys / "example.org.pem").write_bytes(material.key_file.read_bytes())
        (tmp_path / "domains").write_text("# our domains\nexample.org: s\nexample.net: s\n*.wild.example: x\n")
        file = tmp_path / "config"
        file.write_text(
            f"TABLE = {tmp_path}/domains\n"
            "dkim_domain = ${lookup {${lc:${domain:$rh_from:}}} lsearch,ret=key {TABLE}}\n"
            "dkim_selector = ${lookup {$dkim_domain} lsearch {TABLE}}\n"
            f"dkim_private_key = ${{lookup {{$dkim_domain.pem}} dsearch,ret=full {{{keys}}} {{$value}}{{0}}}}\n"
            f"dns_zone_file = {material.zone}\n"
        )
        return file

    def test_every_domain_of_the_tables(self, config: Path) -> None:
        result = run_cli("testkey", "-C", config)
        assert result.exit_code == 0
        assert result.stdout.startswith("ok     s._domainkey.example.org:")
        assert "mail from example.net: not signed for example.net with s" in result.stderr

    def test_one_domain(self, config: Path) -> None:
        assert run_cli("testkey", "-C", config, "example.org").exit_code == 0
        result = run_cli("testkey", "-C", config, "example.com")
        assert result.exit_code == 1
        assert "no key signs mail from example.com" in result.stderr
        result = run_cli("testkey", "-C", config, "example.org", "t")
        assert "no key signs mail from example.org with selector t" in result.stderr

    def test_a_broken_key_does_not_hide_the_others(self, config: Path) -> None:
        (config.parent / "keys" / "example.net.pem").write_text("nonsense")
        result = run_cli("testkey", "-C", config)
        assert result.exit_code == 1
        assert result.stdout.startswith("ok     s._domainkey.example.org:")
        assert "fail   mail from example.net cannot be signed: " in result.stdout

    def test_names_of_key_files_are_guesses(self, config: Path, material: Material) -> None:
        """As with `genkey`, which names the file after domain and selector."""
        keys = config.parent / "keys"
        (keys / "example.org.pem").rename(keys / "example.org.s.pem")
        (config.parent / "domains").unlink()
        config.write_text(
            "dkim_domain = ${if match_domain{${domain:$h_from:}}{example.org}{example.org}}\n"
            "dkim_selector = s\n"
            f"dkim_private_key = ${{lookup {{$dkim_domain.s.pem}} dsearch,ret=full {{{keys}}} {{$value}}{{0}}}}\n"
            f"dns_zone_file = {material.zone}\n"
        )
        result = run_cli("testkey", "-C", config)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith("ok     s._domainkey.example.org:")

    def test_a_plain_configuration(self, material: Material, tmp_path: Path) -> None:
        config = tmp_path / "plain"
        config.write_text(
            f"dkim_domain = example.org\ndkim_selector = s : other\ndkim_private_key = {material.key_file}\n"
        )
        result = run_cli("testkey", "-C", config, "--dns-zone", material.zone)
        assert result.exit_code == 1
        assert [line.split()[0] for line in result.stdout.splitlines() if "_domainkey.example.org: " in line] == [
            "ok",
            "warn",
            "fail",
            "warn",
        ]

    def test_missing_options(self, tmp_path: Path) -> None:
        config = tmp_path / "empty"
        config.write_text("dkim_domain = example.org\n")
        result = run_cli("testkey", "-C", config)
        assert result.exit_code == 1
        assert "dkim_selector and dkim_private_key not set" in result.stderr


@pytest.mark.parametrize("arguments", [("--key", "k"), ("example.org", "--key", "k"), ("example..org",)])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run_cli("testkey", *arguments).exit_code == 2


def test_unusable_keys(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("nonsense")
    result = run_cli("testkey", "example.org", "s", "--key", file)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"exim-dkim: {file}: this is not a private key")
    result = run_cli("testkey", "example.org", "s", "--key", tmp_path / "none")
    assert "No such file" in result.stderr
