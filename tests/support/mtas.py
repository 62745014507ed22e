"""Sendmail and Postfix by name, for tests that hold for both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.mta import Listener, Mta
from tests.support.postfix import Postfix
from tests.support.sendmail import Sendmail

NAMES = ("sendmail", "postfix")


def mta(name: str, directory: Path, relay: int, listeners: Mapping[str, Listener]) -> Mta:
    """The MTA of this name in `directory`/name, not started yet."""
    kind = {"sendmail": Sendmail, "postfix": Postfix}[name]
    return kind(directory / name, relay, listeners)
