"""Who the server runs as: `user` and `group`, taken on after the sockets are bound.

Started as root it needs `user`: it reads what strangers send. (`user = root` is possible for those who insist.)
"""

from __future__ import annotations

import grp
import os
import pwd
from typing import NamedTuple

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError


class Account(NamedTuple):
    """A user and its groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def wanted_account(settings: Settings) -> Account | None:
    """The account of the options `user` and `group`; None: stay who we are. `ConfigurationError`."""
    name, group = settings.string("user"), settings.string("group")
    if not name:
        if os.geteuid() == 0:
            raise ConfigurationError(
                "started as root, and no user is set; set `user = NAME`: the user that may read Exim's spool"
                " (Debian-exim on Debian), or start it as that user",
                settings.file,
            )
        return None
    entry = _user(name, settings, "user")
    gid = group_id(group, settings, "group") if group else entry.pw_gid
    return Account(entry.pw_name, entry.pw_uid, gid, tuple(os.getgrouplist(entry.pw_name, gid)))


def drop_privileges(account: Account | None) -> None:
    """Becomes the account, for good; `ConfigurationError` when that is not permitted."""
    if account is None or (os.geteuid(), os.getegid()) == (account.uid, account.gid) != (0, 0):
        return
    try:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise ConfigurationError(f"user: cannot become {account.name}: {error.strerror}; start as root") from None
    if account.uid != 0 and os.geteuid() == 0:
        raise ConfigurationError(f"user: still root after becoming {account.name}")


def user_id(name: str, settings: Settings, option: str) -> int:
    """The number of a user that an option names, or itself a number."""
    number = _number(name)
    return _user(name, settings, option).pw_uid if number is None else number


def group_id(name: str, settings: Settings, option: str) -> int:
    """The number of a group that an option names, or itself a number."""
    number = _number(name)
    if number is not None:
        return number
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        raise ConfigurationError(f"{option}: there is no group {name}", *settings.place(option)) from None


def _number(text: str) -> int | None:
    """A number that can be a user's or group's: 32 bits, and not -1."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 and int(text) < 2**32 - 1 else None


def _user(name: str, settings: Settings, option: str) -> pwd.struct_passwd:
    number = _number(name)
    try:
        return pwd.getpwnam(name) if number is None else pwd.getpwuid(number)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{option}: there is no user {name}", *settings.place(option)) from None
