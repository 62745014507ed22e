"""Exim's time intervals, `1w2d3h4m5s` (Exim specification §6.16): every number has its unit."""

from __future__ import annotations

from typing import Final

from exim_dkim.lazypattern import lazy_pattern

_SECONDS: Final = {b"w": 604800, b"d": 86400, b"h": 3600, b"m": 60, b"s": 1}
_PART = lazy_pattern(rb"([0-9]{1,12})([wdhms])")


def parse_interval(text: bytes) -> int | None:
    """The seconds of an interval; None if it is none."""
    seconds = 0
    position = 0
    while match := _PART.match(text, position):
        seconds += int(match[1]) * _SECONDS[match[2]]
        position = match.end()
    return seconds if 0 < position == len(text) else None


def format_interval(seconds: int) -> str:
    """Seconds as Exim prints them: `1h5s`, `0s`."""
    parts = []
    for unit, length in _SECONDS.items():
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit.decode()}")
    return "".join(parts) or "0s"
