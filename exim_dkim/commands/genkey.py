"""`exim-dkim genkey`: a new private key, and the DNS record that goes with it (RFC 6376 §3.6.1, 8301, 8463, 4870)."""

from __future__ import annotations

import os
import shlex
import sys

import click

from exim_dkim.commands.arguments import DomainType, SelectorType, json_text
from exim_dkim.commands.dns_text import gentxt_line, record_name, zone_text
from exim_dkim.commands.exim_user import exim_group_name
from exim_dkim.commands.failure import Failure, os_error_text
from exim_dkim.commands.output import note, say, warn
from exim_dkim.names import Domain, Selector

STDOUT = "-"
ADVISED_BITS = 2048
MAX_BITS = 8192  # what verifiers take at most, this one included (dkim_verify_max_keysize)

_EPILOG = """\b
Examples:
  exim-dkim genkey example.org mail2026
  exim-dkim genkey example.org ed2026 --type ed25519 \\
      -o /etc/exim-dkim/keys/example.org.ed2026.pem
  exim-dkim genkey example.org mail2026 --json | jq -r .record
  exim-dkim genkey example.org dk2026 --domainkeys --testing

An existing file is never overwritten. Exit status: 0 the key was made; 1 it was not; 2 wrong usage.
"""


@click.command(epilog=_EPILOG)
@click.argument("domain", type=DomainType())
@click.argument("selector", type=SelectorType())
@click.option("--type", "key_type", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True)
@click.option(
    "--bits",
    type=click.IntRange(1024, MAX_BITS),
    default=ADVISED_BITS,
    show_default=True,
    help="Size of an RSA key. Below 2048 some receivers will not trust it; above, some cannot fetch it.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write the key; - for standard output. [default: DOMAIN.SELECTOR.pem]",
)
@click.option(
    "--domainkeys",
    is_flag=True,
    help="Print the record for DomainKeys and DKIM, in one line as gentxt.csh of dk-milter did.",
)
@click.option("--testing", is_flag=True, help="Publish with t=y: receivers treat bad signatures as none.")
@click.option("--ttl", type=click.IntRange(0), default=3600, show_default=True, help="TTL of the record, in seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(
    domain: Domain,
    selector: Selector,
    key_type: str,
    bits: int,
    output: str | None,
    domainkeys: bool,
    testing: bool,
    ttl: int,
    as_json: bool,
) -> None:
    """Make a private key for DOMAIN and SELECTOR and print the DNS record to publish.

    The key is written with mode 0600. The record is printed in zone-file form, split into short strings, and as
    the one line that most web forms want.
    """
    from exim_dkim.crypto import generate_private_key, load_private_key
    from exim_dkim.keyrecord import format_domainkeys_record, format_key_record

    if domainkeys and key_type != "rsa":
        raise click.UsageError("--domainkeys and --type ed25519 cannot go together: DomainKeys has RSA keys only")
    if key_type == "rsa" and bits < ADVISED_BITS:
        warn(f"RSA keys below {ADVISED_BITS} bits are weak (RFC 8301 §3.2); use --bits {ADVISED_BITS}")
    pem = generate_private_key(key_type, bits)
    public = load_private_key(pem).public_der()
    if domainkeys:
        text = format_domainkeys_record(public, testing=testing)
    else:
        text = format_key_record(key_type, public, testing=testing)
    file = output or f"{domain}.{selector}.pem"
    if as_json and file == STDOUT:
        raise click.UsageError("--json and --output - cannot go together: both write to standard output")
    write_key(file, pem)
    name = record_name(domain, selector)
    zone = gentxt_line(domain, selector, text) if domainkeys else zone_text(name, text, ttl)
    if as_json:
        say(json_text({"file": file, "name": name, "type": "TXT", "ttl": ttl, "record": text, "zone": zone}))
        return
    show = note if file == STDOUT else say
    show(_explanation(domain, selector, file, name, text, zone, "domainkeys" if domainkeys else "dkim"))


def write_key(file: str, pem: bytes) -> None:
    """Write a private key that did not exist before, readable by its owner only; `Failure` when that cannot be done."""
    if file == STDOUT:
        sys.stdout.buffer.write(pem)
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Failure(f"{file}: exists already, and a key is never overwritten; name another with --output") from None
    except FileNotFoundError:
        folder = os.path.dirname(file) or "."
        raise Failure(f"{file}: there is no such directory; make it: mkdir -p -m 0750 {shlex.quote(folder)}") from None
    except OSError as error:
        raise Failure(os_error_text(error)) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)
            stream.write(pem)
            stream.flush()
            os.fsync(descriptor)
    except OSError as error:
        os.unlink(file)  # a key that is cut short is worse than none
        raise Failure(f"{file}: the key could not be written: {os_error_text(error)}") from None


def _explanation(domain: str, selector: str, file: str, name: str, text: str, zone: str, method: str) -> str:
    place = "standard output" if file == STDOUT else f"{file} (mode 0600)"
    quoted = shlex.quote("FILE" if file == STDOUT else os.path.abspath(file))
    group = exim_group_name()
    return f"""\
Private key: {place}

DNS record, for a zone file:

{zone}

The same for a web form: name {name}, type TXT, value:

{text}

Next:
  1. Let Exim read the key, and nobody else:
       chgrp {shlex.quote(group)} {quoted} && chmod 0640 {quoted}
  2. Publish the record, wait until the name servers have it, then compare:
       exim-dkim testkey {domain} {selector} --key {quoted}
  3. Set {method}_domain, {method}_selector and {method}_private_key in the configuration and look at the whole:
       exim-dkim check"""
