"""From the configuration file to what commands work with: settings, verification policy, resolver.

Without a configuration file the defaults hold, unless the user named the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION
from exim_dkim.errors import ConfigurationError

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings
    from exim_dkim.policy import VerificationPolicy
    from exim_dkim.resolver import Resolver


def load_settings(file: str | None, macros: Mapping[str, str], required: bool = False) -> Settings:
    """The settings of `file`, or of the usual file; the defaults when that does not exist and is not required.

    Raises `ConfigurationError`.
    """
    from exim_dkim.config.settings import Settings
    from exim_dkim.system.files import read_configuration

    if file is None and not required and not os.path.lexists(DEFAULT_CONFIGURATION):
        return Settings()
    path = DEFAULT_CONFIGURATION if file is None else file
    if not os.path.lexists(path):
        raise ConfigurationError("there is no such file; name the configuration file with --config FILE", path)
    return read_configuration(path, macros)


def verification_policy(settings: Settings) -> VerificationPolicy:
    """The `dkim_verify_…` options; `ConfigurationError` when one of them makes no sense."""
    from exim_dkim.policy import VerificationPolicy

    return VerificationPolicy(
        max_signatures=settings.integer("dkim_verify_signatures"),
        clock_drift=settings.seconds("dkim_verify_clock_drift"),
        hashes=settings.items("dkim_verify_hashes"),
        min_key_bits=_key_sizes(settings),
        max_key_bits=settings.integer("dkim_verify_max_keysize"),
        partial_body=settings.boolean("dkim_verify_partial_body"),
    )


def _key_sizes(settings: Settings) -> dict[str, int]:
    name = "dkim_verify_min_keysizes"
    sizes = {}
    for item in settings.string(name).split():
        key_type, equals, bits = item.partition("=")
        if not equals or not bits.isascii() or not bits.isdigit():
            raise ConfigurationError(f"{name}: {item!r} is not TYPE=BITS, as in rsa=1024", *settings.place(name))
        sizes[key_type.lower()] = int(bits)
    return sizes


def make_resolver(settings: Settings, zone_file: str | None) -> Resolver:
    """Answers from the zone file of the command line or of the configuration, else from DNS."""
    zone_file = zone_file or settings.string("dns_zone_file")
    if zone_file:
        from exim_dkim.system.zone import read_zone

        return read_zone(zone_file)
    from exim_dkim.system.dns import open_resolver

    return open_resolver(settings)
