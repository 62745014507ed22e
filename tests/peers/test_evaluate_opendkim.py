"""-t FILE -F TIME of dkim-filter beside OpenDKIM's, which is the same program's successor."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from milter_server import dkim_filter
from tests.support import peers, samples
from tests.support.milter_filters import KEY

pytestmark = pytest.mark.peer("opendkim")

FIXED = "1000000000"
SIGNER = f"Domain example.org\nSelector rsa\nKeyFile {KEY}\nCanonicalization relaxed/relaxed\nSignatureTTL 60\n"


def opendkim(directory: Path, configuration: str, *arguments: str) -> str:
    """What it prints. One that only verifies must not have the domain: such mail it leaves alone, and says nothing."""
    records = "".join(f"{name} {text}\n" for name, text in samples.RECORDS.items())
    (directory / "records").write_text(records)
    file = directory / "opendkim.conf"
    file.write_text(f"{configuration}RequireSafeKeys no\nTestDNSData file:{directory / 'records'}\n")
    command = [str(peers.program("opendkim", "opendkim")), "-x", str(file), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def ours(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What dkim-filter prints."""
    key = ("-d", "example.org", "--key", str(KEY), "--selector", "rsa", "--set", "dkim_timestamps=60")
    dkim_filter.main([*key, *arguments])
    return capfd.readouterr().out


def tags(text: str) -> dict[str, str]:
    """The tags of the signature in an output."""
    found = re.search(r"^DKIM-Signature:(.*\n(?:[ \t].*\n)*)", text, re.MULTILINE)
    assert found is not None, text
    pairs = (tag.partition("=") for tag in re.sub(r"\s", "", found[1]).split(";"))
    return {name: value for name, _, value in pairs}


def test_the_same_message_at_the_same_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m").write_bytes(samples.message())
    theirs = tags(opendkim(tmp_path, SIGNER, "-b", "sv", "-F", FIXED, "-t", str(tmp_path / "m")))
    mine = tags(ours(capfd, "-F", FIXED, "-t", str(tmp_path / "m")))
    assert [mine[name] for name in ("a", "c", "d", "s", "t", "x", "bh")] == [
        theirs[name] for name in ("a", "c", "d", "s", "t", "x", "bh")
    ]


def test_a_signature_that_is_printed_is_good(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m").write_bytes(samples.message())
    printed = ours(capfd, "-t", str(tmp_path / "m")).partition("\n")[2]
    (tmp_path / "signed").write_bytes(printed.replace("\n", "\r\n").encode() + samples.message())
    assert "(s=rsa, d=example.org, 2048-bit key) succeeded" in opendkim(
        tmp_path, "", "-b", "v", "-t", f"{tmp_path}/signed"
    )


def test_neither_verifies_at_a_fixed_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old = samples.signed(samples.message(), timestamp=int(FIXED), expiration=int(FIXED) + 60)
    (tmp_path / "m").write_bytes(old)
    assert "failed: signature expired" in opendkim(tmp_path, "", "-b", "v", "-F", FIXED, "-t", str(tmp_path / "m"))
    (tmp_path / "zone").write_text(samples.RECORDS_ZONE)
    verifying = ("-b", "v", "--set", f"dns_zone_file={tmp_path / 'zone'}", "-F", FIXED)
    assert "dkim=pass" not in ours(capfd, *verifying, "-t", str(tmp_path / "m"))
