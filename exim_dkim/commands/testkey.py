"""`exim-dkim testkey`: do private keys and the key records in DNS belong together (RFC 6376 §3.6)?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from exim_dkim.commands.arguments import DomainType, SelectorType, config_option, define_option, dns_options
from exim_dkim.commands.configured import load_settings, make_resolver
from exim_dkim.commands.configured_keys import missing_options, named_keys, probe, signing_domains
from exim_dkim.commands.failure import Failure
from exim_dkim.commands.findings import Finding, Level, show_findings, status_of
from exim_dkim.commands.keystate import NamedKey, examine
from exim_dkim.commands.output import note
from exim_dkim.crypto import PrivateKey, load_private_key
from exim_dkim.errors import KeyFormatError, SigningError
from exim_dkim.names import Domain, Selector
from exim_dkim.system.blocking import run

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings
    from exim_dkim.resolver import Resolver

_EPILOG = """\b
Examples:
  exim-dkim testkey example.org mail2026 \\
      --key /etc/exim-dkim/keys/example.org.mail2026.pem
  exim-dkim testkey example.org    (selector and key from the configuration)
  exim-dkim testkey                (every domain of the configuration)
  exim-dkim testkey example.org mail2026 --key new.pem --dns-server 192.0.2.53
  exim-dkim testkey example.org mail2026 --key new.pem --dns-zone zone

When a record is missing or wrong, the right one is printed, ready to publish.

\b
Exit status:
  0   every key matches its record (perhaps with warnings: t=y, a small key)
  1   one does not: mismatch, not published, revoked, unusable record or key
  2   wrong usage
  75  none of these, but DNS did not answer: try again later
  78  fault in the configuration file
"""


@click.command(epilog=_EPILOG)
@click.argument("domain", type=DomainType(), required=False)
@click.argument("selector", type=SelectorType(), required=False)
@click.option("--key", metavar="FILE", type=click.Path(), help="The private key; needs DOMAIN and SELECTOR.")
@dns_options
@config_option("Take keys and DNS options from this file.")
@define_option()
def command(
    domain: Domain | None,
    selector: Selector | None,
    key: str | None,
    dns_zone: str | None,
    dns_server: tuple[str, ...],
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Compare private keys with what DNS says.

    Without --key the keys are those that would sign mail from DOMAIN, or from every domain that the configuration
    tells of.
    """
    settings = load_settings(config, macros, required=key is None)
    faults: list[Finding] = []
    if key is not None:
        if domain is None or selector is None:
            raise click.UsageError("--key needs DOMAIN and SELECTOR: exim-dkim testkey example.org mail2026 --key FILE")
        keys = [NamedKey(domain, selector, read_key(key))]
    else:
        keys, faults = configured(settings, domain, selector)
    resolver = make_resolver(settings, dns_zone, dns_server)
    findings = show_findings([*run(_examine(keys, resolver)), *faults])
    click.get_current_context().exit(status_of(findings))


async def _examine(keys: list[NamedKey], resolver: Resolver) -> list[Finding]:
    return [finding for named in keys for finding in await examine(named, resolver)]


def read_key(file: str) -> PrivateKey:
    """The private key in a file; `Failure` when it cannot be used."""
    from exim_dkim.system.files import MAX_PRIVATE_KEY, FileAccessError, read_small_file

    try:
        return load_private_key(read_small_file(file, MAX_PRIVATE_KEY))
    except KeyFormatError as error:
        raise Failure(f"{file}: {error}") from None
    except FileAccessError as error:
        raise Failure(f"{file}: {error.reason}; test a key as root, as Exim's user, or as its owner") from None


def configured(
    settings: Settings, domain: Domain | None, selector: Selector | None
) -> tuple[list[NamedKey], list[Finding]]:
    """The keys that would sign mail from `domain`, or from every domain, and what is wrong with others.

    `Failure` when there is neither.
    """
    missing = missing_options(settings)
    if missing:
        raise Failure(f"{settings.file}: {' and '.join(missing)} not set; set it, or name DOMAIN SELECTOR --key FILE")
    authors = [domain] if domain else signing_domains(settings)
    if not authors:
        raise Failure(f"{settings.file}: dkim_domain depends on the message; name the DOMAIN to test")
    keys: dict[tuple[str, str], NamedKey] = {}
    faults = []
    for author in authors:
        try:
            plan = probe(settings, author, time.time()).plan
        except SigningError as error:
            faults.append(Finding(Level.FAIL, f"mail from {author} cannot be signed: {error}"))
            continue
        for found in named_keys(plan):
            if selector is None or found.selector == selector:
                keys.setdefault((found.domain, found.selector), found)
        for text in plan.notes:
            note(f"exim-dkim: mail from {author}: {text}")
    if not keys and not faults:
        which = f" with selector {selector}" if selector else ""
        raise Failure(f"{settings.file}: no key signs mail from {' or '.join(authors[:5])}{which}")
    return list(keys.values()), faults
