"""`gentxt SELECTOR DOMAIN`: what gentxt.csh of dk-milter and dkim-milter did, with a key of today's size.

It writes SELECTOR.private and SELECTOR.public beside the caller and prints one line for the zone of DOMAIN.
"""

from __future__ import annotations

import os
import sys

import click

from exim_dkim.commands.arguments import DomainType, SelectorType
from exim_dkim.commands.dns_text import gentxt_line
from exim_dkim.commands.failure import Failure
from exim_dkim.commands.genkey import ADVISED_BITS, MAX_BITS, write_key
from exim_dkim.commands.output import say
from exim_dkim.names import Domain, Selector

_EPILOG = """\b
Examples:
  gentxt key1 example.com
  exim-dkim gentxt key1 example.com --in-use

The record serves DomainKeys and DKIM. It says t=y (testing) as it did in 2005: with that, receivers
take a bad signature for none; print it without when signing works. Existing files are never
overwritten. Exit status: 0 the key was made; 1 it was not; 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("selector", type=SelectorType())
@click.argument("domain", type=DomainType())
@click.option(
    "--bits", type=click.IntRange(1024, MAX_BITS), default=ADVISED_BITS, show_default=True, help="Size of the RSA key."
)
@click.option("--in-use", is_flag=True, help="Leave t=y (testing) out of the record.")
def command(selector: Selector, domain: Domain, bits: int, in_use: bool) -> None:
    """Make a key pair and print its DNS record, as gentxt.csh of dk-milter did.

    The private key is SELECTOR.private (mode 0600), the public one SELECTOR.public.
    """
    from exim_dkim.crypto import generate_private_key, load_private_key
    from exim_dkim.keyrecord import format_domainkeys_record

    private, public = f"{selector}.private", f"{selector}.public"
    if os.path.lexists(public):
        raise Failure(f"{public}: exists already, and a key is never overwritten")
    pem = generate_private_key("rsa", bits)
    key = load_private_key(pem)
    write_key(private, pem)
    with open(public, "x", encoding="ascii") as file:
        file.write(key.public_pem())
    say(gentxt_line(domain, selector, format_domainkeys_record(key.public_der(), testing=not in_use)))


def main() -> None:
    """The command `gentxt`."""
    from exim_dkim.commands.main import run

    sys.exit(run(["gentxt", *sys.argv[1:]]))
