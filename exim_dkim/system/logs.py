"""Where log lines go: syslog, or standard error. One line an event, bounded and printable."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from logging.handlers import SysLogHandler
from typing import Final

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.printable import one_line

SYSLOG_SOCKET: Final = "/dev/log"
MAX_LINE: Final = 1000
"""RFC 3164 §4.1: a syslog packet has at most 1024 bytes."""


class _OneLine(logging.Formatter):
    """Whatever came in: one printable line."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record), MAX_LINE)


class _Journal(_OneLine):
    """For standard error that goes to journald: the priority in front (sd-daemon(3)), no time."""

    _PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in self._PRIORITIES if record.levelno >= level), 7)
        return f"<{priority}>{super().format(record)}"


class _Syslog(logging.Handler):
    """Never blocks: when the system's log is stuck, lines are lost and mail is not. Connects anew when it restarts."""

    _PRIORITIES = ((logging.ERROR, SysLogHandler.LOG_ERR), (logging.WARNING, SysLogHandler.LOG_WARNING))

    def __init__(self, facility: str, name: str) -> None:
        """`OSError` when there is no syslog."""
        super().__init__()
        self.setFormatter(_OneLine())
        self._facility = SysLogHandler.facility_names[facility] << 3
        self._ident = f"{name}[{os.getpid()}]"
        self._socket = _connect_syslog()

    def emit(self, record: logging.LogRecord) -> None:
        levels = self._PRIORITIES
        priority = next((number for level, number in levels if record.levelno >= level), SysLogHandler.LOG_INFO)
        packet = f"<{self._facility | priority}>{self._ident}: {self.format(record)}"
        data = packet.encode("utf-8", "backslashreplace")
        try:
            self._socket.send(data)
        except BlockingIOError:
            pass
        except OSError:
            with suppress(OSError):
                self._socket.close()
                self._socket = _connect_syslog()
                self._socket.send(data)

    def close(self) -> None:
        self._socket.close()
        super().close()


def _connect_syslog() -> socket.socket:
    syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        syslog.setblocking(False)
        syslog.connect(SYSLOG_SOCKET)
    except OSError:
        syslog.close()
        raise
    return syslog


def check_log(settings: Settings) -> tuple[str, str]:
    """The options `log_destination` and `syslog_facility`; `ConfigurationError` when they make no sense."""
    destination = settings.string("log_destination")
    if destination not in ("syslog", "stderr"):
        raise ConfigurationError("log_destination: want syslog or stderr", *settings.place("log_destination"))
    facility = settings.string("syslog_facility")
    if facility not in SysLogHandler.facility_names:
        text = f"syslog_facility: {facility!r} is unknown; take mail, daemon, local0 ... local7 or another of syslog(3)"
        raise ConfigurationError(text, *settings.place("syslog_facility"))
    return destination, facility


def configure_log(settings: Settings, foreground: bool, logger: str, level: int = logging.INFO) -> None:
    """Directs a logger as the options say; to standard error in the foreground. `ConfigurationError`."""
    log = logging.getLogger(logger)
    destination, facility = check_log(settings)
    trouble = ""
    handler = _stderr()
    if destination == "syslog" and not foreground:
        try:
            handler = _Syslog(facility, settings.string("syslog_processname"))
        except OSError as error:
            trouble = f"syslog cannot be reached ({SYSLOG_SOCKET}: {error.strerror}); logging to standard error"
    logging.raiseExceptions = False  # a log that fails must not make noise where nobody reads
    for old in log.handlers[:]:
        log.removeHandler(old)
        old.close()
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False
    if trouble:
        log.warning(trouble)


def _stderr() -> logging.Handler:
    handler = logging.StreamHandler()
    journal = bool(os.environ.get("JOURNAL_STREAM"))
    handler.setFormatter(_Journal() if journal else _OneLine("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    return handler
