"""Which configuration a command goes by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exim_dkim.commands import configured
from exim_dkim.commands.configured import load_settings, make_resolver
from exim_dkim.commands.failure import Failure
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.dns import DnsResolver
from exim_dkim.system.nameservers import NameServer
from exim_dkim.system.zone import ZoneResolver


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual file, in another place."""
    file = tmp_path / "exim-dkim.conf"
    monkeypatch.setattr(configured, "DEFAULT_CONFIGURATION", str(file))
    return file


def test_the_defaults_hold_without_a_file(usual: Path) -> None:
    assert load_settings(None, {}).integer("dkim_verify_signatures") == 8
    with pytest.raises(ConfigurationError, match="there is no such file"):
        load_settings(None, {}, required=True)
    with pytest.raises(ConfigurationError, match="there is no such file"):
        load_settings(str(usual), {})


def test_the_usual_file_counts(usual: Path) -> None:
    usual.write_text("dkim_verify_signatures = COUNT\n")
    assert load_settings(None, {"COUNT": "3"}).integer("dkim_verify_signatures") == 3


def test_a_file_for_others(usual: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may not read the host's configuration can still verify a message."""
    usual.write_text("dkim_verify_signatures = 3\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert load_settings(None, {}).integer("dkim_verify_signatures") == 8
    assert "this user may not read it; the defaults hold" in capsys.readouterr().err
    for file, required in ((str(usual), False), (None, True)):
        with pytest.raises(ConfigurationError, match="run this as root or as Exim's user"):
            load_settings(file, {}, required)


def test_where_dns_answers_come_from(tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text("a.example. 60 IN TXT x\n")
    assert isinstance(make_resolver(Settings(), str(zone)), ZoneResolver)
    resolver = make_resolver(Settings(), None, ("192.0.2.1", "[2001:db8::1]:5353"))
    assert isinstance(resolver, DnsResolver)
    assert resolver._servers == (NameServer("192.0.2.1", 53), NameServer("2001:db8::1", 5353))
    with pytest.raises(Failure, match=r"--dns-server: 'ns\.example\.org' is not"):
        make_resolver(Settings(), None, ("ns.example.org",))
