"""The start of the look-up server: configuration, log, sockets, pid file, privileges, then service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.system.files import read_configuration
from exim_dkim.system.listeners import Listener, close_listeners, open_listeners
from exim_dkim.system.logs import configure_log
from exim_dkim.system.preload import preload
from exim_dkim.system.privileges import drop_privileges, wanted_account
from lookup_server.server import Server


def run(settings_path: str | None, macros: Mapping[str, str] | None = None, foreground: bool = False) -> int:
    """Serves until SIGTERM; returns the exit status, 0. `EximDkimError` when it cannot start.

    `settings_path`: None for the defaults. `macros`: as in `-DNAME=text`. `foreground`: log to standard error whatever
    the configuration says. It never forks: that is for systemd, or for the shell's `&`.
    """

    def read() -> Settings:
        return read_configuration(settings_path, macros) if settings_path is not None else Settings()

    settings = read()
    account = wanted_account(settings)
    configure_log(settings, foreground, "lookup_server")
    listeners = open_listeners(settings, account, os.environ)
    pid_file = settings.string("pid_file_path")
    try:
        _write_pid(pid_file, settings)
        if account is not None:
            preload(("lookup_server",))
        drop_privileges(account)
        asyncio.run(_serve(settings, read, listeners))
    finally:
        close_listeners(listeners)
        if pid_file:
            with suppress(OSError):
                os.unlink(pid_file)
    return 0


async def _serve(settings: Settings, read: Callable[[], Settings], listeners: list[Listener]) -> None:
    await Server(settings, read).serve(listeners)


def _write_pid(path: str, settings: Settings) -> None:
    if not path:
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        place = settings.place("pid_file_path")
        raise ConfigurationError(f"pid_file_path: {path}: {error.strerror}", *place) from None
