"""What servers on asyncio share: descriptors for many connections, and faults told in one line."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from exim_dkim.printable import one_line


def raise_descriptor_limit(wanted: int, log: logging.Logger) -> None:
    """Lets the process have so many descriptors, as far as it is permitted; `log` is told when it is not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < wanted:
            log.warning("only %d descriptors are permitted; %d may be needed (ulimit -n)", most, wanted)


def fault_logger(log: logging.Logger) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """A handler for what nothing else has caught (`loop.set_exception_handler`)."""

    def log_fault(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.error("internal error: %s: %r", context.get("message"), context.get("exception"))

    return log_fault


def place(error: BaseException) -> str:
    """An exception in one line, with the place where it came from, instead of a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return one_line(f"{type(error).__name__}: {error}{where}", 500)


def acknowledgement(transport: asyncio.Transport) -> Callable[[], None] | None:
    """What to call whenever something has been read, so that TCP acknowledges it at once; None where that is not
    possible, or not needed.

    Peers that write a command in two pieces, as Sendmail does to its milters, wait for the acknowledgement of the first
    one before they send the second (Nagle), and the kernel puts it off for 40 ms. It takes the option as advice only
    until it has sent something, so it is set anew each time.
    """
    connection: socket.socket = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_QUICKACK", None)  # Linux
    if option is None or connection.family == socket.AF_UNIX:
        return None
    return partial(connection.setsockopt, socket.IPPROTO_TCP, option, 1)
