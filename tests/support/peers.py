"""Other programs that tests compare with: a missing one is a failure in CI and a named skip elsewhere."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest

SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"))


def missing(what: str, remedy: str) -> None:
    """Say that `what` is not there: fails when CI=true, else skips with the remedy."""
    reason = f"{what}: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def program(name: str, package: str) -> str:
    """The path of a program; `package` is the Debian package that brings it."""
    path = shutil.which(name, path=SEARCHED)
    if path is None:
        missing(f"{name} is not installed", f"apt-get install {package}")
    return path or ""


EXIM = ("exim4-daemon-heavy", "4.96")
MAIL_DKIM = ("libmail-dkim-perl", "1.20230212")
MAIL_SPF = ("libmail-spf-perl", "2.9.0")
SISIMAI = ("libsisimai-perl", "4.")
"""Peers whose oddities or interfaces differ between versions, and the versions that tests know: those of Debian 12."""


def only_with(peer: tuple[str, str]) -> None:
    """Skips a test that knows one version of a peer where another one is installed."""
    package, version = peer
    found = _version(package)
    if found and not found.startswith(version):
        pytest.skip(f"{package} is {found}; the test knows {version}")


@functools.cache
def _version(package: str) -> str:
    """The version of a Debian package; empty if it is not installed."""
    query = shutil.which("dpkg-query")
    if query is None:
        return ""
    done = subprocess.run([query, "-W", "-f=${Version}", package], capture_output=True, text=True, check=False)
    return done.stdout.strip()
