"""Other programs that tests compare with: a missing one is a failure in CI and a named skip elsewhere."""

from __future__ import annotations

import os
import shutil

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
