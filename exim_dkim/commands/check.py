"""`exim-dkim check`: everything that must be right on this host, tried as the user that will need it.

Root is needed to try things as Exim's user. Anybody else is told what the mode bits say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import click

from exim_dkim.commands.access_findings import refusal
from exim_dkim.commands.arguments import (
    DEFAULT_CONFIGURATION,
    DomainType,
    config_option,
    define_option,
    profile_option,
)
from exim_dkim.commands.check_acl import check_acl
from exim_dkim.commands.check_exim import check_exim
from exim_dkim.commands.check_filter import check_filter, try_signing
from exim_dkim.commands.check_keys import check_dns, check_keys, check_tables
from exim_dkim.commands.check_options import check_options
from exim_dkim.commands.check_server import check_server
from exim_dkim.commands.check_socket import check_sockets
from exim_dkim.commands.configured import load_settings
from exim_dkim.commands.configured_keys import missing_options, signing_domains
from exim_dkim.commands.exim_user import EximUser, find_exim_user
from exim_dkim.commands.findings import Finding, Level, show_findings, status_of
from exim_dkim.commands.installation import find_filter
from exim_dkim.commands.output import say
from exim_dkim.errors import ConfigurationError
from exim_dkim.names import Domain
from exim_dkim.system.access import READ, User, check_access
from exim_dkim.system.authenticate import policies

_EPILOG = """\b
Examples:
  exim-dkim check
  exim-dkim check --domain example.org --dns
  exim-dkim check --config ./new.conf --exim-user Debian-exim

Each line begins with ok, warn, fail or defer; below it stands what to do.

Exit status: 0 nothing is wrong (there may be warnings); 1 something is; 2 wrong usage; 75 nothing
is wrong, but DNS did not answer (--dns).
"""


class Host(NamedTuple):
    """What is checked, and as whom."""

    file: str
    user: User
    may_try: bool
    filter_path: str | None
    domains: tuple[Domain, ...]
    with_dns: bool
    message: str | None
    profile: str | None


@click.command(epilog=_EPILOG)
@click.option(
    "--domain", "domains", multiple=True, type=DomainType(), help="Check signing for this domain; may be repeated."
)
@click.option("--dns", "with_dns", is_flag=True, help="Compare the keys with DNS, too, as testkey does.")
@click.option("--exim-user", metavar="USER[:GROUP]", help="Exim's user. [default: what exim -bP exim_user says]")
@click.option(
    "--filter", "filter_path", metavar="FILE", help="The signing filter. [default: that of this installation]"
)
@click.option("-q", "--quiet", is_flag=True, help="Leave out what is ok.")
@click.option(
    "-m",
    "--message",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Show all options, and what they give for it.",
)
@profile_option()
@config_option("The configuration file to check.")
@define_option()
def command(
    domains: tuple[Domain, ...],
    with_dns: bool,
    exim_user: str | None,
    filter_path: str | None,
    quiet: bool,
    message: str | None,
    profile: str | None,
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Check this installation: configuration, keys, permissions, filter, socket and Exim's use of them."""
    found = find_exim_user(exim_user)
    if found is None and exim_user:
        raise click.UsageError(f"--exim-user {exim_user}: there is no such user")
    user = as_user(found)
    host = Host(
        file=os.path.abspath(config) if config else DEFAULT_CONFIGURATION,
        user=user,
        may_try=os.geteuid() in (0, user.uid),
        filter_path=os.path.abspath(filter_path) if filter_path else find_filter(),
        domains=domains,
        with_dns=with_dns,
        message=message,
        profile=profile,
    )
    findings = show_findings([], not quiet)
    for finding in _findings(host, found, macros):
        findings += show_findings([finding], not quiet)
    count = {level: sum(finding.level is level for finding in findings) for level in Level}
    say(f"{count[Level.OK]} ok, {count[Level.WARN]} to look at, {count[Level.FAIL] + count[Level.DEFER]} wrong")
    click.get_current_context().exit(status_of(findings))


def as_user(found: EximUser | None) -> User:
    """Exim's user, without supplementary groups: Exim runs filters so. `nobody` stands in when it is not known."""
    return User(found.user, found.uid, found.gid) if found else User("nobody", 65534, 65534)


def _findings(host: Host, found: EximUser | None, macros: dict[str, str]) -> Iterator[Finding]:
    yield from _check_user(host, found)
    yield from check_filter(host.filter_path, host.user, host.may_try)
    try:
        settings = load_settings(host.file, macros, required=True, profile=host.profile)
        settings.check_templates()
        policies(settings)
    except ConfigurationError as error:
        remedy = "" if os.path.exists(host.file) else "Write it, or name another: exim-dkim check --config FILE"
        yield Finding(Level.FAIL, f"configuration: {error}", remedy)
        return
    yield from _check_configuration(host)
    if host.message:
        yield from check_options(settings, host.message)
    signs = not missing_options(settings)
    if signs and not settings.is_set("dkim_strict"):
        yield Finding(
            Level.WARN,
            "signing: dkim_strict is not set: mail that cannot be signed goes out unsigned, and nobody notices",
            "Set dkim_strict = true, or false if that is what you want.",
        )
    yield from check_tables(settings, host.user, host.may_try)
    yield from check_keys(settings, host.user, host.may_try, host.domains, time.time())
    if signs and host.may_try and host.filter_path:
        for domain in (list(host.domains) or signing_domains(settings))[:1]:
            yield from try_signing(host.filter_path, host.user, host.file, macros, domain, host.profile)
    if host.with_dns and signs:
        yield from check_dns(settings, host.domains, time.time())
    yield from check_server(settings)
    yield from check_sockets(settings, host.user, host.may_try)
    yield from check_exim(host.filter_path, signs)
    yield from check_acl(settings, host.user)


def _check_user(host: Host, found: EximUser | None) -> Iterator[Finding]:
    if found is None:
        yield Finding(
            Level.WARN,
            "Exim's user is not known: no Exim here, and none of the usual users; checking for user nobody",
            "Name it: exim-dkim check --exim-user USER",
        )
    else:
        yield Finding(Level.OK, f"Exim's user is {found.user}, its group {found.group} ({found.source})")
    if not host.may_try:
        yield Finding(
            Level.WARN,
            f"not root: what user {host.user.name} may do is judged by mode bits, and not tried",
            "Run as root: sudo exim-dkim check",
        )


def _check_configuration(host: Host) -> Iterator[Finding]:
    """The filter reads the configuration as Exim's user."""
    barrier = check_access(host.file, host.user, READ, host.may_try)
    if barrier is not None:
        yield refusal(barrier, host.user, "configuration", private=True)
    else:
        yield Finding(Level.OK, f"configuration: {host.file} is right, and user {host.user.name} may read it")
