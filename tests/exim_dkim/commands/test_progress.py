"""The progress bar: only for people, only for long work, and out of the way of other output."""

from __future__ import annotations

import pytest

from exim_dkim.commands import progress
from exim_dkim.commands.progress import ProgressBar


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looks at standard error, and has waited long enough."""
    monkeypatch.setattr(progress, "is_terminal", lambda stream=None: True)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("total", [100, None])
def test_long_work_shows_a_bar(capsys: pytest.CaptureFixture[str], total: int | None) -> None:
    with ProgressBar(total) as bar:
        bar.advance(10)
        bar.pause()
        bar.advance(10)
    shown = capsys.readouterr()
    assert "verifying" in shown.err
    assert shown.out == ""


def test_nobody_looks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    with ProgressBar(100) as bar:
        bar.advance(100)
    assert capsys.readouterr().err == ""


def test_short_work_does_not_flicker(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda stream=None: True)
    monkeypatch.setattr(progress, "PATIENCE", 1000.0)
    with ProgressBar(100) as bar:
        bar.advance(100)
    assert capsys.readouterr().err == ""
