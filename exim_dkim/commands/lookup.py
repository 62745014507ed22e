"""`exim-dkim lookup`: ask a running look-up server, with the request that Exim's `${readsocket` would send."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Final

import click

from exim_dkim.commands.arguments import config_option, define_option
from exim_dkim.commands.configured import load_settings
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.failure import Failure
from exim_dkim.commands.output import STYLES, is_terminal, say
from exim_dkim.system.exim_queue import is_queue_file
from exim_dkim.system.lookup_client import Address, LookupFailure, ask, parse_address, request_head
from exim_dkim.system.mailbox import read_messages

if TYPE_CHECKING:
    from exim_dkim.config.settings import Settings

# How many words besides its name a query may have: fewest and most.
QUERIES: Final = {
    "dkim": (1, 1),
    "domainkeys": (1, 1),
    "senderid": (0, 1),
    "spf": (0, 1),
    "authres": (0, 6),
    "forged": (0, 0),
    "foreign": (0, 0),
    "all": (0, 1),
    "json": (0, 1),
    "ping": (0, 0),
    "version": (0, 0),
    "stats": (0, 0),
}
# What the words may be that need not be there; anything else is the file.
OPTIONAL: Final = {
    "spf": ("helo",),
    "senderid": ("pra", "mfrom"),
    "authres": ("dkim", "domainkeys", "spf", "spf_helo", "senderid", "senderid_mfrom"),
}
# A single word after these is the file.
KEY_BEFORE_FILE: Final = ("all", "json")
PREFIXES: Final = ("why", "smtp")
PIECE: Final = 1 << 16

STATUSES: Final = {
    "bad": ExitStatus.BAD,
    "fail": ExitStatus.BAD,
    "softfail": ExitStatus.BAD,
    "policy": ExitStatus.BAD,
    "neutral": ExitStatus.BAD,
    "permerror": ExitStatus.BAD,
    "unsigned": ExitStatus.UNSIGNED,
    "none": ExitStatus.UNSIGNED,
    "unverified": ExitStatus.UNVERIFIED,
    "defer": ExitStatus.TEMPORARY,
    "temperror": ExitStatus.TEMPORARY,
}

_EPILOG = """\b
Examples:
  exim-dkim lookup dkim example.org message.eml
  exim-dkim lookup why dkim alice@example.org - < message.eml
  exim-dkim lookup json message.eml | jq .
  exim-dkim lookup all example.org message.eml
  exim-dkim lookup spf --ip 192.0.2.1 --sender alice@example.org
  exim-dkim lookup authres message.eml --ip 192.0.2.1 --sender a@example.org
  exim-dkim lookup ping
  exim-dkim lookup --socket inet:127.0.0.1:8892 version
  exim-dkim lookup why dkim example.org \\
      /var/spool/exim4/input/1xUw9H-00013Q-2i-H

Queries: dkim KEY, domainkeys KEY, spf [helo], senderid [pra|mfrom], authres [METHOD]..., forged,
foreign, all [KEY], json [KEY], ping, version, stats. `why` before dkim, domainkeys, spf or senderid
tells the reason, `smtp` before spf or senderid the text for an SMTP reply. KEY is a domain or an
identity (user@domain).

\b
Exit status, by the word that the reply is, or with `why` begins with:
  0   good or pass, or any reply that is not a verdict
  1   bad, fail, softfail, policy, neutral, permerror
  2   wrong usage
  3   unsigned or none
  4   unverified
  69  no server, or no answer in time
  75  defer or temperror
  76  the server says that the request is wrong
"""


@click.command(epilog=_EPILOG)
@click.argument("query", nargs=-1, required=True, metavar="QUERY [KEY] [FILE]")
@click.option(
    "--socket", "socket_text", metavar="SOCKET", help="Ask here: /PATH, inet:HOST:PORT or inet6:[ADDRESS]:PORT."
)
@click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="A value for the request, such as sender_address=a@b."
)
@click.option("--ip", "client", metavar="ADDRESS", help="The client's address (sender_host_address).")
@click.option("--sender", metavar="ADDRESS", help='What it said with MAIL FROM; "" is the null sender.')
@click.option("--helo", metavar="NAME", help="What it said with HELO or EHLO (sender_helo_name).")
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Ask with control = dkim_verify, as after that control.",
)
@click.option("--timeout", type=click.IntRange(1, 3600), default=5, show_default=True, help="Seconds to wait.")
@config_option("Find the socket (lookup_listen) in this file.")
@define_option()
def command(
    query: tuple[str, ...],
    socket_text: str | None,
    values: tuple[str, ...],
    client: str | None,
    sender: str | None,
    helo: str | None,
    verify: bool,
    timeout: int,
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Ask a running look-up server and print its reply.

    QUERY is what an ACL would ask, FILE a message to send with it: a file, - for standard input, or a message in
    Exim's queue (.../input/ID-H).
    """
    words, file = split_arguments(query)
    address = server_address(socket_text, config, macros)
    pairs = {"control": "dkim_verify"} if verify else {}
    envelope = {"sender_host_address": client, "sender_address": sender, "sender_helo_name": helo}
    pairs |= {name: value for name, value in envelope.items() if value is not None}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise click.UsageError(f"--set {text}: write NAME=VALUE")
        pairs[name.strip()] = value
    try:
        head = request_head(" ".join(words), pairs)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with opened(file) as pieces:
        try:
            reply = ask(address, head, pieces, timeout)
        except LookupFailure as failure:
            raise Failure(f"{failure}; {advice(failure)}", ExitStatus.UNAVAILABLE) from None
    show_reply(reply.decode("utf-8", "backslashreplace"), words[0] == "why")


def split_arguments(arguments: tuple[str, ...]) -> tuple[list[str], str | None]:
    """The words of the query and the file; `UsageError` when they do not go together."""
    rest = list(arguments)
    words = [rest.pop(0)] if rest[0] in PREFIXES else []
    if not rest:
        raise click.UsageError(f"{words[0]} needs a query, as in: why dkim example.org, smtp spf")
    name = rest.pop(0)
    if name not in QUERIES:
        raise click.UsageError(
            f"{name!r} is no query; there are: {', '.join(QUERIES)}, and why or smtp before one of them"
        )
    fewest, most = QUERIES[name]
    if fewest and words == ["why"] and len(rest) < 2 and all(word == "-" or os.path.exists(word) for word in rest):
        fewest = most = 0  # why knows without a key, too
    words.append(name)
    if name in KEY_BEFORE_FILE and len(rest) < 2:
        most = 0
    while rest and most and (name not in OPTIONAL or rest[0] in OPTIONAL[name]):
        words.append(rest.pop(0))
        fewest, most = fewest - 1, most - 1
    if fewest > 0:
        raise click.UsageError(f"{name} needs a key: a domain, or an identity such as user@example.org")
    if len(rest) > 1:
        raise click.UsageError(f"there is one message at most, not {' '.join(rest)!r}")
    return words, rest[0] if rest else None


def server_address(socket_text: str | None, config: str | None, macros: dict[str, str]) -> Address:
    """The socket to ask: the one named, else the first of the configuration."""
    if socket_text is None:
        return configured_address(load_settings(config, macros))
    try:
        return parse_address(socket_text)
    except ValueError as error:
        raise click.UsageError(f"--socket {socket_text}: {error}") from None


def configured_address(settings: Settings) -> Address:
    """The first element of `lookup_listen`; `Failure` when there is none that can be asked."""
    sockets = settings.items("lookup_listen")
    try:
        return parse_address(sockets[0] if sockets else "")
    except ValueError as error:
        file, line = settings.place("lookup_listen")
        place = f"{file}:{line}: " if line else ""
        raise Failure(f"{place}lookup_listen: {error}; set it, or name --socket", ExitStatus.CONFIGURATION) from None


@contextmanager
def opened(file: str | None) -> Iterator[Iterator[bytes]]:
    """The message as it is, in pieces; one of Exim's queue (`ID-H`) in wire form; nothing without a file."""
    if file is not None and is_queue_file(file):
        messages = read_messages(file)
        message = next(messages)
        if message.problem:
            raise Failure(f"{file}: {message.problem}")
        yield chain((message.header + b"\r\n\r\n",), message.body)
    elif file is None:
        yield iter(())
    elif file == "-":
        yield iter(lambda: sys.stdin.buffer.read(PIECE), b"")
    else:
        with open(file, "rb") as stream:
            yield iter(lambda: stream.read(PIECE), b"")


def advice(failure: LookupFailure) -> str:
    """What to do when the server gives no reply."""
    address, error = failure.address, failure.error
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return "is the server running? Start it: exim-dkim serve"
    if isinstance(error, PermissionError):
        return f"this user may not connect; see: ls -l {address.path} and exim-dkim check"
    if isinstance(error, TimeoutError):
        return "see its log; its own limit is the option lookup_timeout"
    return "see the server's log"


def show_reply(reply: str, explained: bool) -> None:
    """Print the reply and exit with its status; an explained one begins with the word and a colon."""
    text = reply.removesuffix("\n")
    if text.startswith("error:"):
        raise Failure(f"the server refuses the request: {text.removeprefix('error:').strip()}", ExitStatus.PROTOCOL)
    if not reply:
        raise Failure("the server closed the connection without a reply; see its log", ExitStatus.UNAVAILABLE)
    if text in STYLES and is_terminal() and not os.environ.get("NO_COLOR"):
        from rich.text import Text

        from exim_dkim.commands.output import console

        console().print(Text(text, style=STYLES[text]))
    else:
        say(text.replace("\n\t", "\n    "))  # a folded field
    word = text.partition(":")[0] if explained else text
    click.get_current_context().exit(STATUSES.get(word, ExitStatus.OK))
