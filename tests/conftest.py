"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Under nohup SIGHUP is ignored, and every child would inherit that."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
