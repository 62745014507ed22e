"""Sendmail and Postfix by name, for tests that hold for both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.mta import HOST_NAME, Listener, Mta
from tests.support.postfix import Postfix
from tests.support.sendmail import Sendmail

NAMES = ("sendmail", "postfix")


def mta(
    name: str,
    directory: Path,
    relay: int,
    listeners: Mapping[str, Listener],
    settings: tuple[str, ...] = (),
    host_name: str = HOST_NAME,
) -> Mta:
    """The MTA of this name in a new directory below `directory`, not started yet. `settings`: lines of its own kind."""
    kind = {"sendmail": Sendmail, "postfix": Postfix}[name]
    number = len(list(directory.glob(f"{name}*")))
    return kind(directory / f"{name}{number or ''}", relay, listeners, settings, host_name)
