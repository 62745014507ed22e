"""`exim-dkim serve`: the look-up server, in the foreground."""

from __future__ import annotations

import os

import click

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION, config_option, define_option
from exim_dkim.errors import ConfigurationError

_EPILOG = """\b
Examples:
  exim-dkim serve
  exim-dkim serve --config ./test.conf --foreground
  exim-dkim serve -D ZONE=/tmp/zone --config ./test.conf &

It never forks: leave that to systemd (Type=notify; socket activation works) or to the shell. SIGHUP
reads the configuration again, and keeps the old one when the new one is wrong; SIGTERM finishes
what has begun and ends. It logs to syslog (facility mail), or where log_destination says.

Exit status: 0 ended by SIGTERM or SIGINT; 1 it could not start: the message says why; 2 wrong
usage; 78 fault in the configuration file.
"""


@click.command(epilog=_EPILOG)
@click.option("-f", "--foreground", is_flag=True, help="Log to standard error, whatever the configuration says.")
@config_option()
@define_option()
def command(foreground: bool, config: str | None, macros: dict[str, str]) -> None:
    """Run the look-up server that Exim asks, until SIGTERM."""
    from lookup_server.main import run

    if config is not None and not os.path.lexists(config):
        raise ConfigurationError("there is no such file; name the configuration file with --config FILE", config)
    path = config
    if path is None and os.path.lexists(DEFAULT_CONFIGURATION):
        path = DEFAULT_CONFIGURATION
    # An absolute path: SIGHUP reads it again, whatever the working directory is by then.
    click.get_current_context().exit(run(os.path.abspath(path) if path else None, macros, foreground))
