"""Fixtures of the tests of the look-up service."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest


@pytest.fixture
def log_is_seen(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever another test has configured."""
    monkeypatch.setattr(logging.getLogger("lookup_server"), "propagate", True)
    caplog.set_level(logging.INFO, "lookup_server")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "input").mkdir()
    return tmp_path
