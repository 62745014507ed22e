"""From the configuration file to what commands work with: settings and resolver.

Without a configuration file the defaults hold, unless the user named the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.failure import Failure
from exim_dkim.commands.output import warn
from exim_dkim.errors import ConfigurationError

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings
    from exim_dkim.resolver import Resolver


def load_settings(
    file: str | None, macros: Mapping[str, str], required: bool = False, profile: str | None = None
) -> Settings:
    """The settings of `file`, or of the usual file; the defaults when that is not there for this user and not required.

    With `profile`, those that hold in this profile. Raises `ConfigurationError`.
    """
    settings = _load_main(file, macros, required)
    return settings if profile is None else settings.with_profile(profile)


def _load_main(file: str | None, macros: Mapping[str, str], required: bool) -> Settings:
    """The settings outside of profiles."""
    from exim_dkim.config.settings import Settings
    from exim_dkim.system.files import read_configuration

    if file is None and not required and not os.path.lexists(DEFAULT_CONFIGURATION):
        return Settings()
    path = DEFAULT_CONFIGURATION if file is None else file
    if not os.path.lexists(path):
        raise ConfigurationError("there is no such file; name the configuration file with --config FILE", path)
    if not os.access(path, os.R_OK):
        if file is None and not required:
            warn(f"{path}: this user may not read it; the defaults hold")
            return Settings()
        raise ConfigurationError("this user may not read it; run this as root or as Exim's user", path)
    return read_configuration(path, macros)


def make_resolver(settings: Settings, zone_file: str | None = None, servers: Sequence[str] = ()) -> Resolver:
    """Answers from the zone file or name servers of the command line, else from where the configuration says."""
    if zone_file:
        from exim_dkim.system.zone import read_zone

        return read_zone(zone_file)
    from exim_dkim.system.dns import DnsResolver, open_resolver

    if servers:
        from exim_dkim.system.nameservers import parse_nameservers

        try:
            return DnsResolver(parse_nameservers(servers), settings.seconds("dns_timeout"))
        except ConfigurationError as error:
            raise Failure(error.message.replace("dns_nameservers", "--dns-server"), ExitStatus.USAGE) from None
    return open_resolver(settings)
