"""The exit statuses of `exim-dkim`; the numbers above 63 are those of sysexits.h, which Exim and shells know."""

from __future__ import annotations

import enum


class ExitStatus(enum.IntEnum):
    """What the caller of a command learns without reading."""

    OK = 0
    BAD = 1
    USAGE = 2
    UNSIGNED = 3
    UNVERIFIED = 4
    UNAVAILABLE = 69
    INTERNAL = 70
    TEMPORARY = 75
    PROTOCOL = 76
    CONFIGURATION = 78
    INTERRUPTED = 130  # as shells say it: 128 + SIGINT
