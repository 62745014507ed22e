"""Who the server runs as."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.privileges import Account, drop_privileges, wanted_account

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def settings_for(text: str) -> Settings:
    return parse_configuration(text.encode(), "test.conf")


def test_user_and_group() -> None:
    daemon = pwd.getpwnam("daemon")
    account = wanted_account(settings_for("user = daemon"))
    assert account
    assert (account.name, account.uid, account.gid) == ("daemon", daemon.pw_uid, daemon.pw_gid)
    account = wanted_account(settings_for(f"user = {daemon.pw_uid}\ngroup = mail"))
    assert account
    assert account.gid in account.groups
    assert account.gid != daemon.pw_gid


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user = no-such-user", "no user"),
        ("user = daemon\ngroup = no-such-group", "no group"),
        ("user = 99999999", "no user"),
        ("user = 4294967295", "no user"),
        ("user = \u00b2", "no user"),
        ("user = " + "9" * 5000, "no user"),
    ],
)
def test_unknown_names(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        wanted_account(settings_for(text))


def test_root_must_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigurationError, match="user = NAME"):
        wanted_account(settings_for(""))
    account = wanted_account(settings_for("user = root"))
    assert account
    assert account.uid == 0
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert wanted_account(settings_for("")) is None


def test_what_is_not_permitted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setgroups", refuse)
    with pytest.raises(ConfigurationError, match="cannot become other: Operation not permitted"):
        drop_privileges(Account("other", 4242, 4242, (4242,)))


_DROPPED = """
import os
from exim_dkim.system.privileges import Account, drop_privileges
drop_privileges(Account("other", 4242, 4343, (4343, 4444)))
print(os.getresuid(), os.getresgid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("for good")
"""


@NEEDS_ROOT
def test_privileges_are_dropped_for_good() -> None:
    done = subprocess.run([sys.executable, "-c", _DROPPED], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ["(4242, 4242, 4242) (4343, 4343, 4343) [4343, 4444]", "for good"]
