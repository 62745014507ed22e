"""`exim-dkim milter`: filters for Sendmail and Postfix, several in one process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION, config_option, define_option
from exim_dkim.commands.output import say
from exim_dkim.errors import ConfigurationError

if TYPE_CHECKING:
    from milter_server.keys import Keys
    from milter_server.main import Programme

_EPILOG = """\b
Examples:
  exim-dkim milter --check
  exim-dkim milter --foreground --config /etc/exim-dkim/milter.conf

\b
A configuration file:
  user = exim-dkim
  begin profiles
  sid-filter:
    milter_listen = inet:10000@127.0.0.1
  dkim-filter:
    milter_listen = inet:10003@127.0.0.1
    milter_domains = example.org
    dkim_selector = mail2026
    dkim_private_key = /etc/exim-dkim/keys/mail2026.pem

Each profile is a filter: those that milter_filters names, or else those called sid-filter,
dk-filter and dkim-filter; without any, the main part is one. It never forks: leave that to systemd
(Type=notify; socket activation works, FileDescriptorName= tells which filter a socket is for) or to
the shell. SIGHUP reads the configuration again, SIGTERM finishes what has begun and ends.

Exit status: 0 ended by SIGTERM or SIGINT, or the configuration is right (--check); 1 it could not
start: the message says why; 2 wrong usage; 78 fault in the configuration.
"""


@click.command(epilog=_EPILOG)
@click.option("-f", "--foreground", is_flag=True, help="Log to standard error, whatever the configuration says.")
@click.option("-n", "--check", is_flag=True, help="Check the configuration, say what would be served, and end.")
@config_option()
@define_option()
def command(foreground: bool, check: bool, config: str | None, macros: dict[str, str]) -> None:
    """Serve the filters of the configuration file to Sendmail or Postfix, until SIGTERM."""
    from exim_dkim.system.files import read_configuration
    from milter_server.configuration import filters_of
    from milter_server.main import Programme, start

    path = os.path.abspath(config or DEFAULT_CONFIGURATION)
    if not os.path.lexists(path):
        raise ConfigurationError("there is no such file; name the configuration file with --config FILE", path)

    def read(known: Mapping[str, Keys]) -> Programme:
        settings = read_configuration(path, macros)
        settings.check_templates()
        destination = b"stderr" if foreground else settings.text("log_destination")
        return Programme(settings.replaced({"log_destination": destination}), filters_of(settings, known))

    if check:
        _check(read({}))
        return
    click.get_current_context().exit(start(read, name="exim-dkim", foreground=True))


def _check(programme: Programme) -> None:
    """Tells what would be served. `ConfigurationError` when it would not start."""
    from milter_server.configuration import SIGNERS
    from milter_server.main import check

    for warning in check(programme):
        click.echo(f"exim-dkim: warning: {warning}", err=True)
    for one in programme.filters:
        signers = [each for each in one.signers if one.settings.string(f"{SIGNERS[each]}_domain")]
        does = [*(f"sign {each.word}" for each in signers), *(f"verify {each.word}" for each in one.methods)]
        say(f"{one.name} on {one.settings.string('milter_listen') or 'no socket'}: {', '.join(does)}")
