"""-t FILES: what the filter does with messages in files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exim_dkim.api import verify
from exim_dkim.memory import MemoryResolver
from exim_dkim.system.mailbox import MAX_HEADER
from milter_server import dk_filter, dkim_filter
from milter_server.evaluate import Status
from tests.support import samples
from tests.support.milter_filters import KEY
from tests.support.run import run

SIGNER = ("-d", "example.org", "--key", str(KEY), "--selector", "rsa")
PLAIN = samples.message()
SIGNED = samples.signed(PLAIN)
FORGED = b"Authentication-Results: mx.example; none\r\n"
FOREIGN = b"From: c@other.example\r\n\r\ntext\r\n"


class Told(NamedTuple):
    status: int
    out: str
    error: str


Tell = Callable[..., Told]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "zone").write_text(samples.RECORDS_ZONE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def told(directory: Path, capfd: pytest.CaptureFixture[str]) -> Tell:
    """Calls dkim-filter."""

    def call(*arguments: str, main: Callable[[Sequence[str]], int] = dkim_filter.main) -> Told:
        status = main(["--set", "dns_zone_file=zone", "--authserv-id", "mx.example", *arguments])
        read = capfd.readouterr()
        return Told(status, read.out, read.err)

    return call


def signature_of(text: str) -> str:
    """The signature field in an output, with wire line ends."""
    (field,) = re.findall(r"^DKIM-Signature:.*\n(?:[ \t].*\n)*", text, re.MULTILINE)
    return str(field).replace("\n", "\r\n")


def test_what_it_prints_for_a_message_of_ours_is_its_signature(directory: Path, told: Tell) -> None:
    (directory / "m").write_bytes(PLAIN)
    answer = told("-t", "m", *SIGNER)
    assert (answer.status, answer.error) == (0, "")
    assert answer.out.startswith("dkim-filter: m: signed d=example.org s=rsa\nDKIM-Signature: ")
    (verdict,) = run(verify(signature_of(answer.out).encode() + PLAIN, MemoryResolver(dict(samples.RECORDS)), now=1e9))
    assert verdict.result.value == "pass"


CASES: list[tuple[str, bytes, Sequence[str], Status, str]] = [
    ("good", SIGNED, (), Status.GOOD, r"dkim-filter: m: dkim=pass\nAuthentication-Results: mx.example;\n\tdkim=pass "),
    ("changed", SIGNED.replace(b"Hello", b"Hallo"), (), Status.BAD, r"m: dkim=fail\n"),
    ("unsigned", PLAIN, (), Status.BAD, r"m: dkim=none\n"),
    ("foreign", FOREIGN, SIGNER, Status.BAD, r"m: not signed \(internal host\): other.example .*\n.* dkim=none"),
    ("mode v", SIGNED, (*SIGNER, "-b", "v"), Status.GOOD, r"m: dkim=pass\n"),
    ("mode s", FOREIGN, (*SIGNER, "-b", "s"), Status.BAD, r"not signed \(internal host\).*\n\Z"),
    ("refused", PLAIN, ("-C", "nosignature=reject"), Status.BAD, r"m: answers: 550 5\.7\.20 the message is not"),
    ("held", PLAIN, ("-C", "nosignature=quarantine"), Status.BAD, r"m: quarantines the message: .* not signed\n"),
    ("dropped", PLAIN, ("-C", "nosignature=discard"), Status.BAD, r"m: answers: discard\n"),
    ("deferred", PLAIN, ("-C", "nosignature=tempfail"), Status.DEFERRED, r"m: answers: 451 4\.7\.20 "),
    ("silent", samples.signed(PLAIN, selector="silent"), (), Status.DEFERRED, r"dkim=temperror"),
    ("forged", FORGED + SIGNED, (), Status.GOOD, r"m: removes field 1 of the name Authentication-Results"),
    ("i", PLAIN, (*SIGNER, "-i", "192.0.2.1"), Status.GOOD, "signed"),
    ("a", PLAIN, (*SIGNER, "-a", "127.0.0.1"), Status.GOOD, "signed"),
    ("quiet", PLAIN, (*SIGNER, "--quiet"), Status.GOOD, "signed"),
    ("verbose", PLAIN, ("-v",), Status.BAD, r"m: EndOfHeaders: continue\ndkim-filter: m: Body: continue\n"),
    ("no key", PLAIN, (*SIGNER, "--key", "/nonexistent/$x"), Status.DEFERRED, "could not"),
    ("no header", b"\r\ntext\r\n", (), Status.BAD, "dkim=none"),
    ("empty", b"", (), Status.BAD, "dkim=none"),
    ("no field", b"From: a@example.org\r\nnonsense\r\n\r\n", (), Status.MALFORMED, "m: header malformed"),
    ("NUL", b"From: a@example.org\r\nTo: a\0b\r\n\r\n", (), Status.MALFORMED, "m: header malformed"),
    ("long", b"From: a@example.org\r\n" + b"X: y\r\n" * (MAX_HEADER // 6), (), Status.MALFORMED, "longer than"),
    ("long field", b"X: " + b"y" * (MAX_HEADER - 4) + b"\r\n\r\n", (), Status.MALFORMED, "m: no MTA could pass it on"),
    ("cut header", b"X: " + b"y" * (MAX_HEADER - 24) + b"\r\n\r\n", (), Status.DEFERRED, "header is longer"),
    ("mbox", b"From a Thu Jan  1 00:00:00 1970\n" + PLAIN.replace(b"\r", b""), SIGNER, Status.GOOD, r"m:1: signed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "options", "status", "pattern"), [row[1:] for row in CASES], ids=[r[0] for r in CASES]
)
def test_cases(
    message: bytes, options: Sequence[str], status: Status, pattern: str, directory: Path, told: Tell
) -> None:
    (directory / "m").write_bytes(message)
    answer = told("-t", "m", *options)
    assert re.search(pattern, answer.out), answer
    assert answer.status == status
    assert answer.error == ""


def test_several_files_and_standard_input(directory: Path, told: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "m").write_bytes(SIGNED)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PLAIN)))
    answer = told("-t", "m,missing,-,m")
    assert re.findall(r"^dkim-filter: (\w+): (\S+)", answer.out, re.MULTILINE) == [
        ("m", "dkim=pass"), ("stdin", "dkim=none"), ("m", "dkim=pass"),
    ]  # fmt: skip
    assert answer.error == "dkim-filter: missing: no such file or directory\n"
    assert answer.status == Status.UNREADABLE


def test_a_fixed_time_is_that_of_signatures(directory: Path, told: Tell) -> None:
    (directory / "m").write_bytes(PLAIN)
    one, two = (signature_of(told("-t", "m", *SIGNER, "-F", "1000000000").out) for _ in range(2))
    assert one == two
    assert " t=1000000000;" in one
    assert "x=" not in one
    text = signature_of(told("-t", "m", *SIGNER, "-F", "1000000000", "--set", "dkim_timestamps=100").out)
    assert re.search(r"t=1000000000;\s+x=1000000100;", text)
    text = signature_of(told("-t", "m", *SIGNER, "-F", "5", "--set", "dkim_identity=t$tod_epoch@example.org").out)
    assert "i=t5@example.org" in text


def test_what_is_verified_is_verified_now(directory: Path, told: Tell) -> None:
    (directory / "m").write_bytes(samples.signed(PLAIN, timestamp=1_000_000_000, expiration=1_000_000_100))
    answer = told("-t", "m", "-b", "v", "-F", "1000000010")
    assert answer.status == Status.BAD
    assert "dkim=" in answer.out
    assert "dkim=pass" not in answer.out


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (b"", "alice@example.org"),
        (b"Return-Path: <bounce@example.org>\r\n", "bounce@example.org"),
        (b"Return-Path: <>\r\n", ""),
    ],
)
def test_the_sender(header: bytes, sender: str, directory: Path, told: Tell) -> None:
    (directory / "m").write_bytes(header + PLAIN)
    options = ("--set", "dkim_selector=${if eq{$sender_address}{" + sender + "}{right}{wrong}}")
    assert "s=right" in told("-t", "m", *SIGNER, *options).out


def test_a_profile_of_a_file(directory: Path, told: Tell) -> None:
    text = "begin profiles\ndkim-filter:\n  milter_domains = example.org\n  dkim_selector = rsa\n"
    text += f"  dkim_private_key = {KEY}\n"
    (directory / "c").write_text(text)
    (directory / "m").write_bytes(PLAIN)
    assert told("-t", "m", "-x", "c").status == Status.GOOD
    (directory / "c").write_text("dkim_verify_signatures = 0\n")
    answer = told("-t", "m", "-x", "c")
    assert (answer.status, answer.error) == (
        78,
        f"dkim-filter: {directory}/c:1: dkim_verify_signatures must be at least 1\n",
    )


def test_domainkeys(directory: Path, told: Tell) -> None:
    (directory / "m").write_bytes(PLAIN)
    answer = told("--evaluate", "m", "-d", "example.org", "-s", str(KEY), "-S", "rsa", main=dk_filter.main)
    assert answer.status == Status.GOOD
    assert answer.out.startswith("dk-filter: m: signed domainkeys d=example.org s=rsa\nDomainKey-Signature: ")


def test_nothing_is_reported_to_anybody(directory: Path, told: Tell) -> None:
    (directory / "m").write_bytes(SIGNED.replace(b"Hello", b"Hallo"))
    (directory / "zone").write_text(
        samples.zone_text({**samples.RECORDS, "_report._domainkey.example.org": "ra=x; rr=all"})
    )
    reports = ("--set", "milter_reports=true", "--set", f"milter_report_command=/usr/bin/tee {directory}/sent")
    assert "dkim=fail" in told("-t", "m", *reports, "--set", "milter_report_from=postmaster@mx.example").out
    assert not (directory / "sent").exists()


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_has_a_verdict(directory: Path, told: Tell, data: bytes) -> None:
    (directory / "m").write_bytes(data)
    answer = told("-t", "m", *SIGNER)
    assert answer.status in (Status.GOOD, Status.BAD, Status.MALFORMED)
    assert answer.error == ""
