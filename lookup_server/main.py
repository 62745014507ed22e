"""The start of the look-up server: configuration, log, sockets, pid file, privileges, then service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

from exim_dkim.config.settings import Settings
from exim_dkim.spf import preload as preload_spf
from exim_dkim.system.files import read_configuration
from exim_dkim.system.listeners import Listener, check_lookup_sockets, close_listeners, open_listeners
from exim_dkim.system.logs import check_log, configure_log
from exim_dkim.system.pidfile import remove_pid_file, write_pid_file
from exim_dkim.system.preload import preload
from exim_dkim.system.privileges import drop_privileges, wanted_account
from lookup_server.server import Server, make_service


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
    try:
        write_pid_file(settings)
        if account is not None:
            preload(("lookup_server",))
        preload_spf()
        drop_privileges(account)
        asyncio.run(_serve(settings, read, listeners))
    finally:
        close_listeners(listeners)
        remove_pid_file(settings)
    return 0


def check(settings: Settings) -> None:
    """What a start would refuse, as far as that shows without opening sockets: `ConfigurationError`."""
    check_log(settings)
    check_lookup_sockets(settings)
    make_service(settings)


async def _serve(settings: Settings, read: Callable[[], Settings], listeners: list[Listener]) -> None:
    await Server(settings, read).serve(listeners)
