"""`exim-dkim exim-config`: the text to paste into Exim's configuration, with the paths of this installation.

The text is that of `examples/exim.conf`, which the tests run under a real Exim; it stands in `templates/`, in parts.
"""

from __future__ import annotations

import os
import re
from importlib import resources
from typing import Final, NamedTuple

import click

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION, config_option, define_option
from exim_dkim.commands.configured import load_settings
from exim_dkim.commands.installation import FILTER_NAME, find_filter
from exim_dkim.commands.lookup import configured_address
from exim_dkim.commands.output import say, warn

# The time that Exim waits must be longer than the server's own limit, lookup_timeout; readsocket's default is 5s.
EXTRA_SECONDS: Final = 2
DEFAULT_SIGNS_ALWAYS: Final = "/etc/exim-dkim/signs-always"
# What can stand in an Exim command line and in braces as it is.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._:+@\[\]-]+")


class Part(NamedTuple):
    """A part of the text, and where it goes."""

    title: str
    place: str


PARTS: Final = {
    "macros": Part("Macros", "at the very top (Debian's split configuration: conf.d/main/000_exim_dkim)"),
    "lookup": Part("The look-up", 'after "begin acl" (Debian: conf.d/acl/10_exim_dkim)'),
    "rcpt": Part("For the RCPT ACL", "into the ACL that acl_smtp_rcpt names, in this order"),
    "data": Part(
        "The DATA ACL",
        'after "begin acl", with acl_smtp_data = acl_check_data; or these statements into the ACL that you have',
    ),
    "router": Part("The router for signed mail", 'after "begin routers", before the routers for other hosts'),
    "transport": Part("The signing transport", 'after "begin transports"'),
}

_EPILOG = """\b
Examples:
  exim-dkim exim-config > /tmp/exim-dkim-parts
  exim-dkim exim-config transport
  exim-dkim exim-config macros > /etc/exim4/conf.d/main/000_exim_dkim

Parts: macros, lookup, rcpt, data, router, transport; without PART all of them. The parts use the
macros; with --inline the paths stand in the text instead. Try the result before you trust it: exim
-C FILE -bV

Exit status: 0 the text was printed; 2 wrong usage; 78 fault in the configuration file.
"""


@click.command("exim-config", epilog=_EPILOG)
@click.argument("parts", nargs=-1, metavar="[PART]...", type=click.Choice(list(PARTS)))
@click.option("--socket", "socket_text", metavar="SOCKET", help="The look-up server's socket. [default: lookup_listen]")
@click.option(
    "--filter", "filter_path", metavar="FILE", help="The signing filter. [default: that of this installation]"
)
@click.option("--inline", is_flag=True, help="Put the paths into the text instead of macros.")
@config_option("The configuration file that the filter is to use.")
@define_option()
def command(
    parts: tuple[str, ...],
    socket_text: str | None,
    filter_path: str | None,
    inline: bool,
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Print the ACL, router and transport text for Exim, with the real paths of this installation."""
    settings = load_settings(config, macros)
    socket = socket_text or configured_address(settings).readsocket_spec
    if not socket.startswith("/"):
        warn(f"{socket}: over TCP the server does not read the body of a message from Exim's spool; use a Unix socket")
    values = {
        "LOOKUP_SOCKET": socket,
        "LOOKUP_PATIENCE": f"{settings.seconds('lookup_timeout') + EXTRA_SECONDS}s",
        "SIGNING_FILTER": filter_path or _installed_filter(),
        "SIGNING_CONFIG": os.path.abspath(config) if config else DEFAULT_CONFIGURATION,
        "SIGNS_ALWAYS": DEFAULT_SIGNS_ALWAYS,
        "WHEN_DEFERRED": "accept",
        "WHEN_SPF_FAILS": "deny",
        "NO_SPF_HOSTS": "",
        "OTHER_KEYS": "",
    }
    for name in ("SIGNING_FILTER", "SIGNING_CONFIG", "LOOKUP_SOCKET"):
        if not _PLAIN.fullmatch(values[name]):
            warn(f"{values[name]}: this path holds characters that Exim would take apart; move it")
    if parts:
        chosen = [name for name in PARTS if name in parts]
    else:
        chosen = [name for name in PARTS if name != "macros" or not inline]
    say("\n\n".join(render(name, values, inline) for name in chosen))


def render(name: str, values: dict[str, str], inline: bool) -> str:
    """One part of the text, under a heading that says where it goes."""
    part = PARTS[name]
    text = macro_text(values) if name == "macros" else template(name)
    if inline and name != "macros":
        text = substituted(text, values)
    rule = "#" * 70
    return f"{rule}\n# {part.title}: {part.place}.\n{rule}\n\n{text.rstrip()}"


def template(name: str) -> str:
    """The text of a part, with macros."""
    return resources.files("exim_dkim.commands").joinpath("templates", f"{name}.conf").read_text("utf-8")


def macro_text(values: dict[str, str]) -> str:
    """The macro definitions."""
    comments = {
        "LOOKUP_SOCKET": "The look-up server's socket.",
        "LOOKUP_PATIENCE": "Longer than the server's own limit, its option lookup_timeout.",
        "SIGNING_FILTER": "The signing filter and its configuration file.",
        "SIGNS_ALWAYS": 'Domains whose mail must be signed, lines "domain: key to ask for". The file must exist.',
        "WHEN_DEFERRED": 'Other mail when the answer is "defer": accept or defer.',
        "WHEN_SPF_FAILS": "Mail from a host that the sender's domain does not permit: deny or accept.",
        "NO_SPF_HOSTS": "Hosts that forward mail to this one, separated by semicolons: not refused by SPF.",
        "OTHER_KEYS": "More keys to ask for and to log, separated by semicolons.",
    }
    return "".join(
        (f"# {comments[name]}\n" if name in comments else "") + f"{name} = {value}".rstrip() + "\n"
        for name, value in values.items()
    )


def substituted(text: str, values: dict[str, str]) -> str:
    """`text` with the values in place of the macros."""
    pattern = re.compile("|".join(map(re.escape, values)))
    return pattern.sub(lambda match: values[match[0]], text)


def _installed_filter() -> str:
    path = find_filter()
    if path is None:
        warn(f"{FILTER_NAME} was not found; the text names /usr/bin/{FILTER_NAME}")
        return f"/usr/bin/{FILTER_NAME}"
    return path
