"""Listening sockets: modes and owners, stale and live ones, systemd's."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.listeners import Listener, inherited_listeners, open_listeners
from exim_dkim.system.privileges import Account

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change owners")


@pytest.fixture
def opened() -> Iterator[list[Listener]]:
    listeners: list[Listener] = []
    yield listeners
    for listener in listeners:
        listener.socket.close()
        listener.remove()


def settings_for(text: str) -> Settings:
    return parse_configuration(text.encode(), "test.conf")


def test_mode_and_place(tmp_path: Path, opened: list[Listener]) -> None:
    path = tmp_path / "made" / "l.sock"
    opened += open_listeners(settings_for(f"lookup_listen = {path}\nlookup_socket_mode = 0600"), None, {})
    (listener,) = opened
    assert (listener.name, listener.local) == (str(path), True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["l.sock"]
    listener.remove()
    assert not path.exists()


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("options", "owner"),
    [
        ("", (12345, 54321)),
        ("lookup_socket_owner = 7\nlookup_socket_group = 8", (7, 8)),
        ("lookup_socket_owner = root", (0, 54321)),
    ],
)
def test_owner(tmp_path: Path, opened: list[Listener], options: str, owner: tuple[int, int]) -> None:
    path = tmp_path / "made" / "l.sock"
    account = Account("somebody", 12345, 54321, ())
    opened += open_listeners(settings_for(f"lookup_listen = {path}\n{options}"), account, {})
    assert (path.stat().st_uid, path.stat().st_gid) == owner
    assert path.parent.stat().st_uid == 12345


def test_a_stale_socket_is_replaced(tmp_path: Path, opened: list[Listener]) -> None:
    path = tmp_path / "l.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    opened += open_listeners(settings_for(f"lookup_listen = {path}"), None, {})
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_live_servers_socket_is_left_alone(tmp_path: Path, opened: list[Listener]) -> None:
    path = tmp_path / "l.sock"
    opened += open_listeners(settings_for(f"lookup_listen = {path}"), None, {})
    with pytest.raises(ConfigurationError, match="another server listens there"):
        open_listeners(settings_for(f"lookup_listen = {path}"), None, {})
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert os.listdir(tmp_path) == ["l.sock"]


def test_the_socket_of_a_successor_is_not_removed(tmp_path: Path, opened: list[Listener]) -> None:
    path = tmp_path / "l.sock"
    (first,) = open_listeners(settings_for(f"lookup_listen = {path}"), None, {})
    first.socket.close()
    opened += open_listeners(settings_for(f"lookup_listen = {path}"), None, {})
    first.remove()
    assert path.exists()


@pytest.mark.parametrize(
    ("listen", "text"),
    [
        ("{dir}/file", "not a socket"),
        ("{dir}/missing/deep/l.sock", "No such file"),
        ("relative.sock", "a socket is"),
        ("inet:127.0.0.1", "a socket is"),
        ("inet:127.0.0.1\\:0", "port"),
        ("", "no socket to listen on"),
        ("/" + "x" * 120, "107 bytes"),
    ],
)
def test_what_cannot_be_listened_on(tmp_path: Path, listen: str, text: str) -> None:
    (tmp_path / "file").write_text("precious")
    item = listen.format(dir=tmp_path).replace("\\:", ":")
    with pytest.raises(ConfigurationError, match=text) as caught:
        open_listeners(
            settings_for(f"lookup_listen = <; {tmp_path}/first.sock ; {item}" if item else "lookup_listen ="), None, {}
        )
    assert (caught.value.file, caught.value.line) == ("test.conf", 1)
    assert "lookup_listen" in caught.value.message
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "precious"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(ConfigurationError, match=f"Permission denied; the user .* write to {tmp_path}/run"):
        open_listeners(settings_for(f"lookup_listen = {tmp_path}/run/l.sock"), None, {})


def test_unknown_owner(tmp_path: Path) -> None:
    settings = settings_for(f"lookup_listen = {tmp_path}/l.sock\nlookup_socket_group = nobodys-group")
    with pytest.raises(ConfigurationError, match="there is no group nobodys-group"):
        open_listeners(settings, None, {})
    assert os.listdir(tmp_path) == []


def test_inet_and_inet6(opened: list[Listener]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    items = [f"inet:127.0.0.1:{port}"]
    if Path("/proc/net/if_inet6").exists() and Path("/proc/net/if_inet6").read_text():
        items.append(f"inet6:[::1]:{port}")
    opened += open_listeners(settings_for("lookup_listen = <; " + " ; ".join(items)), None, {})
    assert [listener.name for listener in opened] == items
    assert not any(listener.local for listener in opened)


def test_nothing_is_inherited_that_is_for_another_process() -> None:
    assert inherited_listeners({}) == []
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDNAMES": "x"}
    assert inherited_listeners(environ) == []
    assert environ == {}


def test_two_servers_that_start_at_once_do_not_share_a_socket(tmp_path: Path, opened: list[Listener]) -> None:
    path = tmp_path / "l.sock"
    failures = []

    def start() -> None:
        try:
            opened.extend(open_listeners(settings_for(f"lookup_listen = {path}"), None, {}))
        except ConfigurationError as error:
            failures.append(error)

    start()
    other = threading.Thread(target=start)
    other.start()
    other.join()
    assert (len(opened), len(failures)) == (1, 1)
