"""Connections that are kept between look-ups, of servers that are not there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from exim_dkim.system.lookups import connections
from exim_dkim.system.lookups.connections import MAX_KEPT, Driver, connected
from tests.support.threads import in_threads


class Connection:
    """Counts what is done with it; `broken`: nobody is at the other end."""

    def __init__(self, opened: list[Connection]) -> None:
        self.checked = self.closed = 0
        self.broken = False
        opened.append(self)

    def check(self) -> None:
        self.checked += 1
        if self.broken:
            raise OSError("gone")

    def close(self) -> None:
        self.closed += 1
        raise OSError("even closing may fail")


DRIVER = Driver(Connection.check, Connection.close)


@pytest.fixture(name="opened")
def _opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Connection]]:
    monkeypatch.setattr(connections, "_kept", {})
    yield []
    connections.close_all()


def use(opened: list[Connection], place: str = "a") -> Connection:
    with connected(place, lambda: Connection(opened), DRIVER) as connection:
        assert isinstance(connection, Connection)
        return connection


def test_one_place_one_connection(opened: list[Connection]) -> None:
    assert use(opened) is use(opened)
    assert use(opened, "b") is not use(opened)
    assert [one.checked for one in opened] == [0, 0]


def test_in_use_it_is_nobody_elses(opened: list[Connection]) -> None:
    with connected("a", lambda: Connection(opened), DRIVER) as one:
        assert use(opened) is not one
    assert [connection.closed for connection in opened] == [0, 1]
    assert use(opened) is one


def test_what_fails_is_closed(opened: list[Connection]) -> None:
    with pytest.raises(KeyError), connected("a", lambda: Connection(opened), DRIVER):
        raise KeyError
    assert opened[0].closed == 1
    assert use(opened) is opened[1]


def test_an_idle_one_is_tried(opened: list[Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    assert use(opened) is use(opened)
    assert opened[0].checked == 1
    opened[0].broken = True
    assert use(opened) is opened[1]
    assert opened[0].closed == 1


def test_an_old_one_is_closed(opened: list[Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    monkeypatch.setattr(connections, "_LONGEST", 0.0)
    use(opened)
    assert use(opened) is opened[1]
    assert (opened[0].checked, opened[0].closed) == (0, 1)


def test_not_many_are_kept(opened: list[Connection]) -> None:
    for number in range(MAX_KEPT + 3):
        use(opened, str(number))
    assert [one.closed for one in opened] == [1] * 3 + [0] * MAX_KEPT


def test_a_child_opens_its_own(opened: list[Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    use(opened)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert use(opened) is opened[1]
    assert opened[0].closed == 0


def test_a_place_that_cannot_be_reached(opened: list[Connection]) -> None:
    def fail() -> Connection:
        raise OSError("refused")

    with pytest.raises(OSError, match="refused"), connected("a", fail, DRIVER):
        pass
    assert use(opened) is opened[0]


def test_several_threads(opened: list[Connection]) -> None:
    def work(thread: int) -> None:
        for number in range(500):
            use(opened, str((number * (thread + 1)) % (MAX_KEPT + 2)))

    in_threads(work)
    kept = {id(one.connection) for one in connections._kept.values()}
    assert len(kept) == MAX_KEPT
    assert all(one.closed == (id(one) not in kept) for one in opened)
