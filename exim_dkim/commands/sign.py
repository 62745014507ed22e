"""`exim-dkim sign`: the message with signature fields on top, otherwise unchanged (RFC 6376 §5, RFC 4870 §3.5)."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

import click

from exim_dkim.commands.arguments import (
    DomainType,
    EpochType,
    SelectorType,
    config_option,
    define_option,
    profile_option,
)
from exim_dkim.commands.configured import load_settings
from exim_dkim.commands.failure import Failure
from exim_dkim.commands.messages import key_reader, message_environment
from exim_dkim.commands.output import note
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import parse_header
from exim_dkim.signing import plan_signatures, signature_fields
from exim_dkim.system.mailbox import STDIN, read_message

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

MEMORY_LIMIT: Final = 4 << 20
"""Bytes of standard input that are kept in memory; more go to a temporary file."""

_FIRST_LINE: Final = 1 << 20

_EPILOG = """\b
Examples:
  exim-dkim sign --domain example.org --selector s --key mail.pem mail.eml
  exim-dkim sign mail.eml > signed.eml    (options of the configuration file)
  exim-dkim sign - < mail.eml | exim-dkim verify -
  exim-dkim sign --method both --domain example.org --selector s \\
      --key rsa.pem mail.eml

Line ends stay as they are; a file with LF is signed as it will be sent, with CRLF. Options given
here replace those of the configuration file. Nothing is written unless the message was signed.

Exit status: 0 signed; 1 not signed, with the reason; 2 wrong usage; 78 fault in the configuration
file.
"""


@click.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--domain", type=DomainType(), help="Sign for this domain (dkim_domain).")
@click.option("--selector", type=SelectorType(), help="With this selector (dkim_selector).")
@click.option("--key", metavar="FILE", type=click.Path(), help="With this private key (dkim_private_key).")
@click.option(
    "--method",
    type=click.Choice(["dkim", "domainkeys", "both"]),
    help="What to sign with; domain, selector and key are for both. Without it: what is configured, or dkim.",
)
@click.option(
    "--canon", metavar="HEADER/BODY", help="Canonicalisation: relaxed, simple, relaxed/simple ... (dkim_canon)."
)
@click.option("--headers", metavar="LIST", help="Header fields to sign, separated by colons (dkim_sign_headers).")
@click.option("--hash", "hash_name", type=click.Choice(["sha256", "sha512", "sha1"]), help="The hash (dkim_hash).")
@click.option("--identity", metavar="ADDRESS", help="The identity, [user]@domain (dkim_identity).")
@click.option(
    "--expire", type=click.IntRange(0), metavar="SECONDS", help="Add t=, and x= so much later (dkim_timestamps)."
)
@click.option("--sender", metavar="ADDRESS", help="The envelope sender, for options that use $sender_address.")
@click.option("--now", type=EpochType(), metavar="EPOCH", help="Sign as if it were this time, in seconds since 1970.")
@profile_option()
@config_option("Take the signing options from this file.")
@define_option()
def command(
    file: str,
    domain: str | None,
    selector: str | None,
    key: str | None,
    method: str | None,
    canon: str | None,
    headers: str | None,
    hash_name: str | None,
    identity: str | None,
    expire: int | None,
    sender: str | None,
    now: int | None,
    profile: str | None,
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Sign the message in FILE (- for standard input) and write it to standard output."""
    given = {
        **_signers(
            method, {"domain": domain, "selector": selector, "private_key": os.path.abspath(key) if key else None}
        ),
        "dkim_canon": canon,
        "dkim_sign_headers": headers,
        "dkim_hash": hash_name,
        "dkim_identity": identity,
        "dkim_timestamps": None if expire is None else str(expire),
        "key_directory": "" if key else None,  # it is about names that an expansion makes, not about one that is typed
    }
    options = {name: _literal(value) for name, value in given.items() if value is not None}
    settings = load_settings(config, macros, profile=profile).replaced(options, "the command line")
    with _opened(file) as stream:
        fields = _make_fields(stream, file, settings, sender, time.time() if now is None else now)
        stream.seek(0)
        sys.stdout.buffer.write(fields)
        shutil.copyfileobj(stream, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _signers(method: str | None, values: dict[str, str | None]) -> dict[str, str | None]:
    """The options that say as whom to sign, and of the method that is not wanted the domain, empty."""
    options: dict[str, str | None] = {}
    for name in ("dkim", "domainkeys"):
        if method in (name, "both") or (method is None and name == "dkim"):
            options.update({f"{name}_{option}": value for option, value in values.items()})
        elif method is not None:
            options[f"{name}_domain"] = ""
    return options


def _literal(value: str) -> bytes:
    """An option's value that expands to itself."""
    return value.replace("\\", "\\\\").replace("$", "\\$").encode("utf-8", "surrogateescape")


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    """The message, such that it can be read twice."""
    if file != STDIN:
        with open(file, "rb") as stream:
            if stream.seekable():
                yield stream
            else:
                with _copied(stream) as copy:
                    yield copy
        return
    with _copied(sys.stdin.buffer) as copy:
        yield copy


@contextmanager
def _copied(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    with tempfile.SpooledTemporaryFile(MEMORY_LIMIT) as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _make_fields(stream: IO[bytes], name: str, settings: Settings, sender: str | None, now: float) -> bytes:
    """The signature fields, with the line ends of the message."""
    first = stream.readline(_FIRST_LINE)
    if first.startswith(b"From "):
        raise Failure(f"{name}: this is an mbox; sign takes one message, which begins with its header")
    stream.seek(0)
    message = read_message(stream, name)
    if message.problem:
        raise Failure(f"{name}: {message.problem}")
    fields = parse_header(message.header)
    environment = message_environment(settings, fields, sender)
    plan = plan_signatures(settings, environment, fields, now, key_reader(settings))
    for line in plan.notes:
        note(f"exim-dkim: {line}")
    if not plan.signs:
        raise Failure(f"{name}: not signed; name --domain, --selector and --key, or set them in the configuration")
    hasher = BodyHasher()
    hashes = plan.body_hashes(hasher)
    for chunk in message.body:
        hasher.update(chunk)
    hasher.finish()
    made = signature_fields(plan, fields, hashes)
    return made if first.endswith(b"\r\n") else made.replace(b"\r\n", b"\n")
