"""Variables of time, against the real Exim's format."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from exim_dkim.system.clock import clock_variable
from tests.support.peers import program

NAMES = [
    b"tod_bsdinbox",
    b"tod_epoch",
    b"tod_epoch_l",
    b"tod_full",
    b"tod_log",
    b"tod_logfile",
    b"tod_zone",
    b"tod_zulu",
]


def text(name: bytes, now: float) -> bytes:
    value = clock_variable(name, now)
    assert value is not None
    assert not value.tainted
    return value.text


def test_an_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert [text(name, 1700000003.25) for name in NAMES] == [
            b"Tue Nov 14 23:13:23 2023",
            b"1700000003",
            b"1700000003250000",
            b"Tue, 14 Nov 2023 23:13:23 +0100",
            b"2023-11-14 23:13:23",
            b"20231114",
            b"+0100",
            b"20231114221323Z",
        ]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_other_names_and_the_process() -> None:
    assert clock_variable(b"tod_nosuch", 0) is None
    pid = clock_variable(b"pid")
    assert pid is not None
    assert pid.text.isdigit()


@pytest.mark.peer("exim")
def test_exim_writes_them_alike() -> None:
    lines = b"".join(b"$" + name + b"\n" for name in NAMES)
    command = [program("exim4", "exim4-daemon-heavy"), "-be"]
    done = subprocess.run(command, input=lines, capture_output=True, timeout=30, check=True)
    shown = done.stdout.split(b"\n")
    now = time.time()
    for name, line in zip(NAMES, shown, strict=False):
        shape = re.sub(rb"[A-Z][a-z]{2}", b"Xxx", re.sub(rb"[0-9]", b"9", line.removeprefix(b"> ")))
        assert re.sub(rb"[A-Z][a-z]{2}", b"Xxx", re.sub(rb"[0-9]", b"9", text(name, now))) == shape
