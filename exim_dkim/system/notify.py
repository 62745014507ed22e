"""Word to systemd about our state (sd_notify(3)); nothing without it."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress


def notify(state: str) -> None:
    """Sends `READY=1`, `STOPPING=1` or `RELOADING=1` (to which the time is added, as Type=notify-reload wants)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if state == "RELOADING=1":
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.setblocking(False)
        notifier.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)
