"""The log: destinations, and lines that stay lines."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system import logs
from exim_dkim.system.logs import MAX_LINE, configure_log

log = logging.getLogger("lookup_server")


@pytest.fixture(autouse=True)
def log_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(log, "propagate", log.propagate)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    yield
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()


@pytest.fixture
def syslog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "log"
    monkeypatch.setattr(logs, "SYSLOG_SOCKET", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(5)
        yield receiver


def settings_for(text: str = "") -> Settings:
    return parse_configuration(text.encode(), "test.conf")


def test_syslog(syslog: socket.socket) -> None:
    configure_log(
        settings_for("syslog_facility = local3\nsyslog_processname = eximdkim"),
        foreground=False,
        logger="lookup_server",
    )
    log.info("good\n%s", "caf\u00e9\x1b")
    packet = syslog.recv(4096)
    assert packet.startswith(b"<158>eximdkim[")
    assert packet.endswith("]: good caf\u00e9".encode())
    log.error("x" * 5000)
    packet = syslog.recv(4096)
    assert packet.startswith(b"<155>")
    assert len(packet) < MAX_LINE + 40


def test_a_syslog_that_is_stuck_or_gone_blocks_nobody(syslog: socket.socket) -> None:
    configure_log(settings_for(), foreground=False, logger="lookup_server")
    for _ in range(5000):
        log.info("y" * 900)
    syslog.close()
    log.info("nobody listens")


def test_a_syslog_that_restarts_is_found_again(syslog: socket.socket, tmp_path: Path) -> None:
    configure_log(settings_for(), foreground=False, logger="lookup_server")
    syslog.close()
    (tmp_path / "log").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(tmp_path / "log"))
        again.settimeout(5)
        log.info("hello again")
        assert again.recv(4096).endswith(b"hello again")


def test_without_syslog_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "SYSLOG_SOCKET", str(tmp_path / "missing"))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    configure_log(settings_for(), foreground=False, logger="lookup_server")
    log.info("a\nb")
    first, second = capsys.readouterr().err.splitlines()
    assert "syslog cannot be reached" in first
    assert second.endswith(" a b")


@pytest.mark.parametrize(("text", "foreground"), [("log_destination = stderr", False), ("", True)])
def test_standard_error(
    text: str,
    foreground: bool,
    syslog: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    configure_log(settings_for(text), foreground, "lookup_server")
    log.warning("careful")
    assert capsys.readouterr().err == "<4>careful\n"


@pytest.mark.parametrize("text", ["log_destination = file", "syslog_facility = nonsense"])
def test_options_without_sense(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^test\.conf:1: "):
        configure_log(settings_for(text), foreground=False, logger="lookup_server")
