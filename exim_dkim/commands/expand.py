"""`exim-dkim expand`: what an Exim string gives for a message, as the signing options are expanded; like `exim -be`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

import click

from exim_dkim.commands.arguments import ClientType, config_option, define_option, dns_options
from exim_dkim.commands.authentication import FileAuthentication
from exim_dkim.commands.configured import load_settings, make_resolver
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.messages import message_environment, queued_environment, queued_file, read_header
from exim_dkim.commands.output import is_terminal, note, printable
from exim_dkim.config.grammar import BUILT_IN_MACROS
from exim_dkim.config.lines import Macros
from exim_dkim.envelope import ClientAddress
from exim_dkim.errors import ConfigurationError, ExpansionError
from exim_dkim.expansion import Environment, Value, expand, parse_template
from exim_dkim.system.services import MessageServices

_EPILOG = """\b
Examples:
  exim-dkim expand '${lc:EXAMPLE.ORG}'
  exim-dkim expand --message mail.eml '${lc:${domain:$rh_from:}}'
  exim-dkim expand --spool 1xUw9H-00013Q-2i '$sender_address'
  exim-dkim expand --ip 192.0.2.1 --sender alice@example.org '${lookup spf{}}'
  exim-dkim expand --set dkim_domain=example.org --tainted \\
      '${lookup {$dkim_domain.pem} dsearch,ret=full {/etc/exim-dkim/keys}}'
  exim-dkim expand < strings

Exit status: 0 every string was expanded; 1 one was not; 2 wrong usage; 78 fault in the
configuration file.
"""


@click.command(epilog=_EPILOG)
@click.argument("strings", nargs=-1, metavar="[STRING]...")
@click.option(
    "-m", "--message", metavar="FILE", type=click.Path(), help="The message that $h_from: and others look at."
)
@click.option(
    "--spool",
    "--message-id",
    "message_id",
    metavar="ID",
    help="A message in Exim's queue: its header, sender, ACL variables ...",
)
@click.option("--ip", "client", type=ClientType(), metavar="ADDRESS", help="The client: $sender_host_address.")
@click.option("--helo", metavar="NAME", help="What the client said: $sender_helo_name.")
@click.option("--sender", metavar="ADDRESS", help="The envelope sender: $sender_address.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set a variable, such as dkim_domain.")
@click.option(
    "--tainted",
    "--show-taint",
    "show_taint",
    is_flag=True,
    help="Tell for each value if it is tainted: made from mail, so no file name.",
)
@dns_options
@config_option("Named lists, spool_directory and the like come from this file.")
@define_option()
def command(
    strings: tuple[str, ...],
    message: str | None,
    message_id: str | None,
    client: ClientAddress | None,
    helo: str | None,
    sender: str | None,
    assignments: tuple[str, ...],
    show_taint: bool,
    dns_zone: str | None,
    dns_server: tuple[str, ...],
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Expand each STRING and print its value; without STRING, each line of standard input.

    Macros of the configuration file are replaced, and NAME=TEXT defines one, as with exim -be.

    Put a STRING in single quotes, so that the shell leaves its $ alone. An error shows the place with a caret.
    """
    settings = load_settings(config, macros)
    if message and message_id:
        raise click.UsageError("name a --message or a --spool, not both")
    file = queued_file(settings, message_id) if message_id else message
    open_resolver = partial(make_resolver, settings, dns_zone, dns_server)
    authenticate = FileAuthentication(file, open_resolver, settings) if file else None
    services = MessageServices(settings, open_resolver, authenticate)
    address = None if client is None else str(client)
    if message_id:
        environment = queued_environment(settings, message_id, services, address, helo, sender)
    else:
        fields = read_header(message) if message else ()
        environment = message_environment(settings, fields, sender, services, address, helo)
    working = dict(map(_assignment, assignments))
    known = Macros({**BUILT_IN_MACROS, **_encoded(macros)})
    known.texts.update(settings.macros)
    good = True
    for text in strings or _lines():
        good = _take(text, known, environment, working, show_taint) and good
    click.get_current_context().exit(ExitStatus.OK if good else ExitStatus.BAD)


def _lines() -> Iterator[str]:
    """The lines of standard input; as with `exim -be`, one that ends in a backslash goes on in the next."""
    begun = b""
    for line in sys.stdin.buffer:
        text = line.rstrip() if not begun else line.strip()
        if text.endswith(b"\\"):
            begun += text[:-1]
            continue
        yield (begun + text).decode("utf-8", "surrogateescape")
        begun = b""
    if begun:
        yield begun.decode("utf-8", "surrogateescape")


def _assignment(text: str) -> tuple[bytes, Value]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.UsageError(f"--set {text}: write NAME=VALUE, as in dkim_domain=example.org")
    return name.encode(), Value(value.encode("utf-8", "surrogateescape"), tainted=False)


def _encoded(macros: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in macros.items()}


def _take(text: str, known: Macros, environment: Environment, working: dict[bytes, Value], show_taint: bool) -> bool:
    """Define a macro, or replace the macros in a string and show it; True when nothing was wrong.

    `exim -be` calls any line that begins with a capital a wrong definition; here only what has an equals sign is one.
    """
    line = text.encode("utf-8", "surrogateescape")
    try:
        if Macros.is_definition(line):
            click.echo(f"Defined macro '{known.define(known.replace(line, begins=True)[0])}'")
            return True
        line, _ = known.replace(line, begins=False)
    except ConfigurationError as error:
        note(f"Failed: {error.message}")
        return False
    return _show(line, environment, working, show_taint)


def _show(line: bytes, environment: Environment, working: dict[bytes, Value], show_taint: bool) -> bool:
    """Print the value of one string, or what is wrong with it; True when it has a value."""
    try:
        value = expand(parse_template(line), environment, working)
    except ExpansionError as error:
        note(f"Failed: {error.pointed()}")
        return False
    if show_taint:
        click.echo("tainted: " if value.tainted else "untainted: ", nl=False)
    # A pipe gets the bytes as they are, people get what cannot hurt their terminal.
    click.echo(printable(value.text, keep_lines=True) if is_terminal() else value.text)
    return True
