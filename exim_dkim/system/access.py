"""What another user may do with a file: by trying it as that user (root only), or from the mode bits on the way to it.

Mode bits are what nearly every host goes by; access control lists and security modules are seen only when it is tried.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from exim_dkim.system.preload import preload

MAX_LINKS = 40
"""Symbolic links followed on one path; the kernel's limit is the same."""

MAX_RESULT = 1 << 20
"""Bytes of what `run_as` gives back."""

READ, WRITE, EXECUTE = os.R_OK, os.W_OK, os.X_OK


class User(NamedTuple):
    """Who acts: Exim runs filters without supplementary groups, a server may have some."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


class Barrier(NamedTuple):
    """What stands in the way: `place` is missing (`status` None) or lacks the bits `wanted` for the user."""

    place: str
    status: os.stat_result | None
    wanted: int

    @property
    def is_directory(self) -> bool:
        """True for a directory on the way, or at the end of it."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


def named_user(name: str, group: str = "") -> User | None:
    """A user of this host with all its groups, as a daemon takes them; None when there is none."""
    try:
        entry = pwd.getpwnam(name)
        import grp

        gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
    except KeyError:
        return None
    return User(entry.pw_name, entry.pw_uid, gid, tuple(os.getgrouplist(entry.pw_name, gid)))


def may(user: User, status: os.stat_result, wanted: int) -> bool:
    """Whether the mode bits give `user` what is `wanted` (READ, WRITE, EXECUTE added up)."""
    mode = status.st_mode
    if user.uid == 0:
        return wanted & EXECUTE == 0 or stat.S_ISDIR(mode) or mode & 0o111 != 0
    if user.uid == status.st_uid:
        bits = mode >> 6
    elif status.st_gid == user.gid or status.st_gid in user.groups:
        bits = mode >> 3
    else:
        bits = mode
    return bits & wanted == wanted


def find_barrier(path: str, user: User, wanted: int) -> Barrier | None:
    """The first thing that keeps `user` from `path`: a directory that may not be searched, or the file itself."""
    for place, last in _steps(path):
        try:
            status = os.lstat(place)
        except OSError:
            return Barrier(place, None, wanted)
        if stat.S_ISLNK(status.st_mode):
            continue
        needed = wanted if last else EXECUTE
        if not may(user, status, needed):
            return Barrier(place, status, needed)
    return None


def check_access(path: str, user: User, wanted: int, may_try: bool) -> Barrier | None:
    """As `find_barrier`; with `may_try`, root lets `user` try it, and the mode bits only explain a refusal."""
    barrier = find_barrier(path, user, wanted)
    missing = barrier is not None and barrier.status is None
    if missing or not may_try or os.geteuid() != 0:
        return barrier
    if run_as(user, lambda: os.access(path, wanted)):
        return None  # an access control list may give what the mode does not
    return barrier or Barrier(path, os.stat(path), wanted)


def _steps(path: str) -> Iterator[tuple[str, bool]]:
    """Every place that the kernel looks at on the way to `path`, with True for the last one; links are followed."""
    todo = [name for name in os.path.abspath(path).split("/") if name]
    place = "/"
    links = 0
    yield "/", not todo
    while todo:
        name = todo.pop(0)
        if name == "..":
            place = os.path.dirname(place)
            continue
        here = os.path.join(place, name)
        target = _link_target(here)
        if target is None:
            place = here
            yield here, not todo
            continue
        links += 1
        if links > MAX_LINKS:
            return
        todo[:0] = [part for part in target.split("/") if part not in ("", ".")]
        if target.startswith("/"):
            place = "/"


def _link_target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def run_as(user: User, action: Callable[[], Any], seconds: int = 20) -> Any:
    """What `action` returns (anything that JSON can hold) when `user` does it, in a child process.

    Root only. Raises RuntimeError with the reason when the child ends in any other way.
    """
    preload()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _child(user, action, writer, seconds)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read(MAX_RESULT)
    os.waitpid(child, 0)
    try:
        answer = json.loads(data)
    except ValueError:
        raise RuntimeError(f"a check as user {user.name} ended without a result") from None
    if "error" in answer:
        raise RuntimeError(f"a check as user {user.name} failed: {answer['error']}")
    return answer["result"]


def _child(user: User, action: Callable[[], Any], writer: int, seconds: int) -> None:
    """The child's whole life. It never returns."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        become(user)
        answer = json.dumps({"result": action()})
    except BaseException as error:  # noqa: BLE001  a child must not run its parent's code
        answer = json.dumps({"error": f"{type(error).__name__}: {error}"})
    try:
        os.write(writer, answer.encode()[:MAX_RESULT])
    finally:
        os._exit(0)


def become(user: User, groups: Sequence[int] | None = None) -> None:
    """Give up root for good."""
    os.setgroups(list(user.groups if groups is None else groups))
    os.setgid(user.gid)
    os.setuid(user.uid)
