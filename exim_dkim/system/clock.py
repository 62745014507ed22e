"""The variables of time, `$tod_…`, and `$pid` (Exim specification §11.9)."""

from __future__ import annotations

import os
import time

from exim_dkim.expansion.value import Value, plain

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clock_variable(name: bytes, now: float | None = None) -> Value | None:
    """A variable of the clock or the process; `now` is seconds since the epoch. None for other names."""
    if name == b"pid":
        return plain(b"%d" % os.getpid())
    instant = time.time() if now is None else now
    if name == b"tod_epoch":
        return plain(b"%d" % int(instant))
    if name == b"tod_epoch_l":
        return plain(b"%d%06d" % (int(instant), int(instant % 1 * 1_000_000)))
    if name == b"tod_zulu":
        return plain(time.strftime("%Y%m%d%H%M%SZ", time.gmtime(instant)).encode())
    local = time.localtime(instant)
    day, month = _DAYS[local.tm_wday], _MONTHS[local.tm_mon - 1]
    zone = time.strftime("%z", local)
    texts = {
        b"tod_bsdinbox": f"{day} {month} {local.tm_mday:02} {time.strftime('%H:%M:%S %Y', local)}",
        b"tod_full": f"{day}, {local.tm_mday:02} {month} {time.strftime('%Y %H:%M:%S', local)} {zone}",
        b"tod_log": time.strftime("%Y-%m-%d %H:%M:%S", local),
        b"tod_logfile": time.strftime("%Y%m%d", local),
        b"tod_zone": zone,
    }
    text = texts.get(name)
    return None if text is None else plain(text.encode())
