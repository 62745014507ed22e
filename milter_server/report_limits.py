"""How many reports are sent: in an hour, and in an hour to one domain. What is held back is counted, and told later.

Who writes our users mail with a victim's name in a bad signature makes us write to the victim, if it wants reports: so
they are few. An hour begins with the first report.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

HOUR: Final = 3600.0
MAX_DOMAINS: Final = 1000
"""Domains whose reports are counted; of more, the one that came first is forgotten. In an hour there are not more
reports than `overall` anyway."""


class _Hour:
    __slots__ = ("begun", "held_back", "sent")

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.sent = 0
        self.held_back = 0


class ReportLimits:
    """Counts reports. `now` is any clock in seconds that does not go back."""

    def __init__(self, overall: int, per_domain: int) -> None:
        self.overall = overall
        self.per_domain = per_domain
        self._overall = _Hour(0.0)
        self._domains: OrderedDict[str, _Hour] = OrderedDict()

    def permits(self, domain: str, now: float) -> bool:
        """Whether a report may be sent to this domain; if not, its failure is counted for the next one."""
        if not self._overall.sent or now - self._overall.begun >= HOUR:
            self._overall = _Hour(now)
        hour = self._domains.get(domain)
        if hour is not None and now - hour.begun >= HOUR:
            hour.begun, hour.sent = now, 0
        if self._overall.sent < self.overall and (hour.sent if hour else 0) < self.per_domain:
            return True
        if hour is not None:
            hour.held_back += 1
        return False

    def count(self, domain: str, now: float) -> int:
        """Counts a report that is sent to this domain; how many failures it stands for."""
        self._overall.sent += 1
        hour = self._domains.get(domain)
        if hour is None:
            hour = self._domains[domain] = _Hour(now)
            while len(self._domains) > MAX_DOMAINS:
                self._domains.popitem(last=False)
        hour.sent += 1
        incidents, hour.held_back = hour.held_back + 1, 0
        return incidents
