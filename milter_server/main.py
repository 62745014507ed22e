"""The start of filters: configuration, sockets, background, pid file, log, privileges, then service.

Sockets are bound, and keys read, before privileges are given up; nothing that comes from outside is read before that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError, EximDkimError
from exim_dkim.spf import preload as preload_spf
from exim_dkim.system.authenticate import Authenticator, policies
from exim_dkim.system.dns import open_resolver
from exim_dkim.system.listeners import (
    Listener,
    SocketOptions,
    Wanted,
    check_wanted,
    close_listeners,
    inherited_listeners,
    listen,
)
from exim_dkim.system.logs import configure_log
from exim_dkim.system.pidfile import remove_pid_file, write_pid_file
from exim_dkim.system.preload import preload
from exim_dkim.system.privileges import Account, drop_privileges, wanted_account
from milter_server.address import parse_milter_address
from milter_server.configuration import Configuration
from milter_server.detach import Starter, detach
from milter_server.filter import AuthenticationFilter
from milter_server.keys import Keys
from milter_server.reporting import Reporter
from milter_server.restart import Keeper
from milter_server.server import Server, Service

SOCKETS = SocketOptions("milter_listen", "milter_socket_mode", "milter_socket_owner", "milter_socket_group")
LOGGERS = ("milter_server", "exim_dkim")

log = logging.getLogger("milter_server")


class Programme(NamedTuple):
    """What is to be served: `settings` for the whole process (user, log, pid file), and the filters."""

    settings: Settings
    filters: tuple[Configuration, ...]


Read = Callable[[Mapping[str, Keys]], Programme]
"""Reads the configuration; it is given the keys that are known already, by the names of the filters."""


def start(read: Read, *, name: str, foreground: bool, warnings: Sequence[str] = (), root: bool = False) -> int:
    """Serves until SIGTERM; the exit status. `EximDkimError` when it cannot start; in the background that is told to
    the terminal. `root`: root may stay root, with a warning, where no user is set.
    """
    programme = read({})
    settings = programme.settings
    account = _account(settings, root)
    services = _open_services(programme, account)
    starter = None if foreground else detach(name)
    try:
        write_pid_file(settings)
        configure_logs(settings, foreground, name)
        for warning in warnings:
            log.warning("%s", warning)
        if account is None and os.geteuid() == 0:
            log.warning("running as root; name a user with -u (user = NAME)")
        if account is not None:
            preload(("milter_server",))
        preload_spf()
        drop_privileges(account)
        return _serve(programme, services, read, starter)
    except EximDkimError as error:
        if starter is None:
            raise
        starter.tell_failure(str(error), 78 if isinstance(error, ConfigurationError) else 1)
        return 1
    finally:
        close_listeners([listener for _, listener in services])
        remove_pid_file(settings)


def check(programme: Programme) -> list[str]:
    """What would keep it from starting, as far as that shows without opening anything: `ConfigurationError`; else
    warnings.
    """
    warnings = []
    for each in make_filters(programme).values():
        if each.reporter is not None:
            warnings += each.reporter.delivery.warnings()
    for configuration in programme.filters:
        wanted = _wanted_sockets(configuration)
        check_wanted(wanted)
        if not wanted.items:
            warnings.append(f"{configuration.name} has no socket; set milter_listen (-p), unless systemd opens it")
        path = configuration.settings.string("milter_pop_before_smtp")
        if path.startswith("/") and not {"$", "\\"} & set(path) and not os.path.exists(path):
            warnings.append(
                f"milter_pop_before_smtp (-U): {path}: there is no such file yet; until then nobody is in it"
            )
    if programme.settings.string("user"):
        wanted_account(programme.settings)
    elif os.geteuid() == 0:
        warnings.append("no user is set; set user = NAME (-u), or start it as a user of its own")
    return warnings


def _account(settings: Settings, root: bool) -> Account | None:
    if os.geteuid() == 0 and not settings.string("user"):
        if root:
            return None
        raise ConfigurationError(
            "started as root, and no user is set; set `user = NAME`: a user for this filter alone, or the MTA's",
            settings.file,
        )
    return wanted_account(settings)


def configure_logs(settings: Settings, foreground: bool, name: str) -> None:
    """Syslog where it is asked for; else standard error in the foreground, and only trouble to syslog behind it."""
    asked = settings.is_set("log_destination")
    if not settings.is_set("syslog_processname"):
        settings = settings.replaced({"syslog_processname": name.encode()})
    level = logging.INFO if asked or foreground else logging.WARNING
    for logger in LOGGERS:
        configure_log(settings, foreground and not asked, logger, level)


def _open_services(programme: Programme, account: Account | None) -> list[tuple[Configuration, Listener]]:
    """The sockets of every filter: those of systemd (by their names, if there are several filters), or our own."""
    inherited = inherited_listeners(os.environ)
    opened: list[tuple[Configuration, Listener]] = []
    names = {configuration.name for configuration in programme.filters}
    for configuration in programme.filters:
        given = [each for each in inherited if each.label == configuration.name]
        if configuration is programme.filters[0]:
            given += [each for each in inherited if each.label not in names]
        try:
            opened += [(configuration, each) for each in given or _listen(configuration, account)]
        except ConfigurationError:
            close_listeners([listener for _, listener in opened])
            raise
    return opened


def _listen(configuration: Configuration, account: Account | None) -> list[Listener]:
    wanted = _wanted_sockets(configuration)
    if not wanted.items:
        raise ConfigurationError(
            f"{configuration.name} has no socket; set milter_listen (-p), as in inet:10003@127.0.0.1",
            wanted.settings.file,
        )
    return listen(wanted, account)


def _wanted_sockets(configuration: Configuration) -> Wanted:
    items = configuration.settings.string("milter_listen").replace(",", " ").split()
    return Wanted(configuration.settings, SOCKETS, items, parse_milter_address)


def make_filters(
    programme: Programme, known: Mapping[str, AuthenticationFilter] = MappingProxyType({})
) -> dict[str, AuthenticationFilter]:
    """The filters, by name; they share what DNS has answered. `known`: those before, whose limits of reports go on.
    `ConfigurationError` for options without sense.
    """
    resolver = open_resolver(programme.settings)
    made = {}
    for configuration in programme.filters:
        settings, name = configuration.settings, configuration.name
        authenticator = Authenticator(resolver, policies(settings), time.time, log)
        before = known[name].reporter if name in known else None
        wanted = settings.boolean("milter_reports") and configuration.methods
        reporter = Reporter(settings, name, resolver, before.limits if before else None) if wanted else None
        made[name] = AuthenticationFilter(configuration, authenticator, reporter=reporter)
    return made


def _serve(
    programme: Programme, opened: Sequence[tuple[Configuration, Listener]], read: Read, starter: Starter | None
) -> int:
    """Serves, in a process of its own if that is to be started again after a crash."""
    filters = make_filters(programme)
    services = [Service(listener, filters[configuration.name]) for configuration, listener in opened]

    def reload() -> None:
        try:
            keys = {name: each.configuration.keys for name, each in filters.items()}
            fresh = make_filters(read(keys), filters)
        except EximDkimError as error:
            log.error("the old configuration stays: %s", error)
            return
        filters.update((name, each) for name, each in fresh.items() if name in filters)
        for service in services:
            service.filter = filters[service.filter.name]
        log.info("configuration read again")
        if fresh.keys() != filters.keys():
            log.warning("other filters are wanted now; that takes a restart")

    def work(parent: int) -> int:
        if keeper.lives > 1:
            reload()  # the configuration may have been read again in an earlier life
        asyncio.run(_run(services, reload, parent))
        return 0

    keeper = Keeper(work)
    if starter is not None:
        starter.tell_ready()
    return keeper.run() if programme.settings.boolean("milter_restart") else work(-1)


async def _run(services: Sequence[Service], reload: Callable[[], None], parent: int) -> None:
    """Serves until the end, which has also come when the process at the other end of `parent` has gone."""
    server = Server(services, reload)
    if parent >= 0:
        asyncio.get_running_loop().add_reader(parent, server.stop)
    await server.serve()
