"""milter_server.report_limits: how many reports are sent."""

from __future__ import annotations

from milter_server.report_limits import HOUR, MAX_DOMAINS, ReportLimits


def send(limits: ReportLimits, domain: str, now: float) -> int:
    """How many failures a report stands for; 0 when there is none."""
    return limits.count(domain, now) if limits.permits(domain, now) else 0


def test_so_many_to_a_domain_in_an_hour() -> None:
    limits = ReportLimits(100, 3)
    assert [send(limits, "a.example", now) for now in range(6)] == [1, 1, 1, 0, 0, 0]
    assert send(limits, "b.example", 6) == 1
    assert send(limits, "a.example", HOUR - 1) == 0


def test_what_was_held_back_is_told_in_the_next_hour() -> None:
    limits = ReportLimits(100, 2)
    assert [send(limits, "a.example", now) for now in range(7)] == [1, 1, 0, 0, 0, 0, 0]
    assert [send(limits, "a.example", HOUR + now) for now in range(3)] == [6, 1, 0]


def test_so_many_in_all() -> None:
    limits = ReportLimits(4, 3)
    assert [send(limits, f"d{now % 2}.example", now) for now in range(6)] == [1, 1, 1, 1, 0, 0]
    assert send(limits, "new.example", 7) == 0
    assert send(limits, "new.example", HOUR) == 1


def test_none_at_all() -> None:
    assert send(ReportLimits(0, 5), "a.example", 0) == 0
    assert send(ReportLimits(5, 0), "a.example", 0) == 0


def test_memory_is_bounded() -> None:
    limits = ReportLimits(10**6, 1)
    assert all(send(limits, f"d{number}.example", 1.0) for number in range(3 * MAX_DOMAINS))
    assert len(limits._domains) == MAX_DOMAINS
    assert send(limits, f"d{3 * MAX_DOMAINS - 1}.example", 2.0) == 0
