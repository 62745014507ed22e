"""Why a file was refused to us, and the command that mends it; whether a private key is open to others."""

from __future__ import annotations

import os
import shlex
import stat
from typing import Final

HOMES: Final = ("/root", "/home")
"""Directories of people, which nobody should open to a mail server."""


def explain_refusal(path: str) -> tuple[str, str]:
    """What stands in the way to a file that may not be read: (" (mode …, owner …)", "chgrp … && chmod …")."""
    place = _barrier(path)
    user, group = user_name(os.geteuid()), group_name(os.getegid())
    try:
        status = os.stat(place)
    except OSError:
        return f" for user {user}", ""
    mode = stat.S_IMODE(status.st_mode)
    subject = "" if place == path else f"{place} has "
    if place != path and place.startswith(HOMES):
        return f" for user {user} ({subject}mode {mode:04o}, owner {owner_of(status)}); keep the file elsewhere", ""
    wanted = "g+x" if stat.S_ISDIR(status.st_mode) else "g+r"
    quoted = shlex.quote(place)
    advice = f"chgrp {group} {quoted} && chmod {wanted} {quoted}"
    return f" for user {user} ({subject}mode {mode:04o}, owner {owner_of(status)})", advice


def _barrier(path: str) -> str:
    """The first directory on the way that may not be searched, else the path itself."""
    position = path.find("/", 1)
    while position > 0:
        directory = path[:position]
        if os.path.isdir(directory) and not os.access(directory, os.X_OK, effective_ids=True):
            return directory
        position = path.find("/", position + 1)
    return path


def key_warning(path: str) -> str:
    """What is wrong with the mode of a private key, and the command that mends it; empty if nothing is."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    mode = stat.S_IMODE(status.st_mode)
    if not mode & 0o137:
        return ""
    who = "everybody" if mode & 0o007 else "its group"
    what = "can be read" if mode & 0o044 and not mode & 0o133 else "can be used"
    return f"{path} {what} by {who} (mode {mode:04o}, owner {owner_of(status)}); try: chmod 0640 {shlex.quote(path)}"


def owner_of(status: os.stat_result) -> str:
    """`user:group` of a file."""
    return f"{user_name(status.st_uid)}:{group_name(status.st_gid)}"


def user_name(uid: int) -> str:
    """The name of a user, or its number."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group, or its number."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
