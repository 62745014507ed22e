"""Listening sockets: made as an option says, or inherited from systemd (sd_listen_fds(3)).

The options of a front end have its name in front: `lookup_listen`, `lookup_socket_mode`, `milter_listen` …

A Unix socket is bound under another name, gets its mode and owner, and is then renamed into place. So there is no
moment with a wrong mode, and a stale socket is replaced; one that a live server listens on is left alone.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.lookup_client import Address, parse_address
from exim_dkim.system.privileges import Account, group_id, user_id

BACKLOG: Final = 1024
"""Connections that wait to be accepted: more than Exim processes that one host runs at once."""

FIRST_INHERITED: Final = 3
"""SD_LISTEN_FDS_START."""


class Listener(NamedTuple):
    """A socket that listens. `local`: a Unix socket. `inode`: of the file that `remove` may remove.

    `label`: the name that a systemd unit gives to a socket (FileDescriptorName=).
    """

    socket: socket.socket
    name: str
    local: bool
    inode: int = 0
    label: str = ""

    def remove(self) -> None:
        """Removes the socket's file, if it is still ours."""
        with suppress(OSError):
            if self.inode and os.lstat(self.name).st_ino == self.inode:
                os.unlink(self.name)


class SocketOptions(NamedTuple):
    """The names of the options of a front end that are about its sockets."""

    listen: str
    mode: str
    owner: str
    group: str


LOOKUP: Final = SocketOptions("lookup_listen", "lookup_socket_mode", "lookup_socket_owner", "lookup_socket_group")


class Wanted(NamedTuple):
    """Sockets that the options of a front end ask for: the elements of its list, and what reads one."""

    settings: Settings
    options: SocketOptions
    items: Sequence[str]
    parse: Callable[[str], Address]


def open_listeners(settings: Settings, account: Account | None, environ: MutableMapping[str, str]) -> list[Listener]:
    """The look-up server's sockets; `ConfigurationError` when one cannot be had."""
    return inherited_listeners(environ) or listen(_lookup_sockets(settings), account)


def check_lookup_sockets(settings: Settings) -> None:
    """`ConfigurationError` for options of the look-up server's sockets that cannot be right. Opens nothing."""
    check_wanted(_lookup_sockets(settings))


def _lookup_sockets(settings: Settings) -> Wanted:
    return Wanted(settings, LOOKUP, settings.items(LOOKUP.listen), parse_address)


def listen(wanted: Wanted, account: Account | None) -> list[Listener]:
    """The sockets wanted; `ConfigurationError` when one cannot be had. `account`: whom Unix sockets belong to."""
    place = wanted.settings.place(wanted.options.listen)
    listeners: list[Listener] = []
    item = ""
    try:
        for item in wanted.items:
            listeners.append(_listen(wanted.parse(item), wanted, account))
        if not listeners:
            raise ConfigurationError(f"{wanted.options.listen}: there is no socket to listen on", *place)
    except (ValueError, OSError) as error:
        close_listeners(listeners)
        raise ConfigurationError(f"{wanted.options.listen}: {item}: {_reason(error, item)}", *place) from None
    except ConfigurationError:
        close_listeners(listeners)
        raise
    return listeners


def check_wanted(wanted: Wanted) -> None:
    """What is wrong with the sockets wanted, as far as that shows without opening them: `ConfigurationError`."""
    for item in wanted.items:
        try:
            wanted.parse(item)
        except ValueError as error:
            place = wanted.settings.place(wanted.options.listen)
            raise ConfigurationError(f"{wanted.options.listen}: {item}: {error}", *place) from None
    _owner(wanted, None)


def inherited_listeners(environ: MutableMapping[str, str]) -> list[Listener]:
    """The sockets that systemd has opened for this process; none without it."""
    number, for_pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    labels = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not number.isdecimal() or for_pid != str(os.getpid()):
        return []
    listeners = []
    for index in range(int(number)):
        descriptor = FIRST_INHERITED + index
        os.set_inheritable(descriptor, False)
        inherited = socket.socket(fileno=descriptor)
        if not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ConfigurationError(f"the inherited descriptor {descriptor} is not a listening stream socket")
        local = inherited.family == socket.AF_UNIX
        label = labels[index] if index < len(labels) else ""
        listeners.append(Listener(inherited, f"{inherited.getsockname()} (inherited)", local, label=label))
    return listeners


def _reason(error: ValueError | OSError, item: str) -> str:
    """What is wrong, and what to do about it."""
    if not isinstance(error, OSError):
        return str(error)
    if isinstance(error, PermissionError) and item.startswith("/"):
        return f"{error.strerror}; the user that starts the server must be able to write to {os.path.dirname(item)}"
    return error.strerror or str(error)


def _listen(address: Address, wanted: Wanted, account: Account | None) -> Listener:
    if address.path:
        return _listen_unix(address.path, wanted, account)
    family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(where)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return Listener(listener, str(address), local=False)


def _listen_unix(path: str, wanted: Wanted, account: Account | None) -> Listener:
    directory = os.path.dirname(path)
    _make_directory(directory, account)
    _refuse_if_taken(path)
    new = os.path.join(directory, f".{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            os.unlink(new)
        listener.bind(new)
        os.chmod(new, wanted.settings.integer(wanted.options.mode))
        os.chown(new, *_owner(wanted, account))
        listener.listen(BACKLOG)
        os.rename(new, path)
    except (OSError, ConfigurationError):
        listener.close()
        with suppress(OSError):
            os.unlink(new)
        raise
    return Listener(listener, path, local=True, inode=os.lstat(path).st_ino)


def _make_directory(directory: str, account: Account | None) -> None:
    """Makes a missing directory such as /run/exim-dkim, which does not outlive a restart of the host."""
    with suppress(FileExistsError):
        os.mkdir(directory, 0o755)
        if account and os.geteuid() == 0:
            os.chown(directory, account.uid, account.gid)


def _refuse_if_taken(path: str) -> None:
    """`OSError` when `path` is something else than a socket, or one that somebody answers on."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "this is not a socket, and is not removed")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return  # stale
        except BlockingIOError:
            pass  # a server whose queue is full
    raise OSError(errno.EADDRINUSE, "another server listens there")


def _owner(wanted: Wanted, account: Account | None) -> tuple[int, int]:
    """Owner and group for the socket; -1 leaves what is."""
    settings, options = wanted.settings, wanted.options
    owner, group = settings.string(options.owner), settings.string(options.group)
    uid = user_id(owner, settings, options.owner) if owner else account.uid if account else -1
    gid = group_id(group, settings, options.group) if group else account.gid if account else -1
    return uid, gid


def close_listeners(listeners: Sequence[Listener]) -> None:
    """Closes sockets, and removes their files."""
    for listener in listeners:
        listener.socket.close()
        listener.remove()
