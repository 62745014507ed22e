"""The command line of `exim-dkim-filter`. By hand: argparse alone would cost a quarter of the filter's start-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

DEFAULT_CONFIGURATION: Final = "/etc/exim-dkim/exim-dkim.conf"

SIGNING_OPTIONS: Final = (
    "dkim_domain",
    "dkim_selector",
    "dkim_private_key",
    "dkim_canon",
    "dkim_strict",
    "dkim_sign_headers",
    "dkim_hash",
    "dkim_identity",
    "dkim_timestamps",
    "dkim_request_reports",
    "dkim_legacy",
    "domainkeys_domain",
    "domainkeys_selector",
    "domainkeys_private_key",
    "domainkeys_canon",
    "domainkeys_sign_headers",
)

HELP: Final = """\
Usage: exim-dkim-filter [OPTIONS] < MESSAGE > SIGNED MESSAGE

Puts DKIM-Signature fields, and a DomainKey-Signature if wanted, on top of a
message. Made for Exim's transport_filter:

  transport_filter = /opt/exim-dkim/bin/exim-dkim-filter \\
    --config /etc/exim-dkim/exim-dkim.conf \\
    --message-id $message_exim_id --spool-directory $spool_directory

Options:
  --config FILE           the configuration file; with --config "" there is
                          none, and all options come from here
                          (default: /etc/exim-dkim/exim-dkim.conf)
  -D MACRO=VALUE          define a macro of the configuration file
  --profile NAME          the options of this profile instead of the main part's
  --message-id ID         the message in Exim's spool, for $sender_address and
                          other variables
  --spool-directory DIR   Exim's spool directory
  --queue-name NAME       the named queue that the message is in
  --dkim-domain TEXT      an expansion string, instead of what the file says; in
                          the same way --dkim-selector, --dkim-private-key,
                          --dkim-canon, --dkim-strict, --dkim-sign-headers,
                          --dkim-hash, --dkim-identity, --dkim-timestamps,
                          --dkim-request-reports, --dkim-legacy,
                          --domainkeys-domain, --domainkeys-selector,
                          --domainkeys-private-key, --domainkeys-canon,
                          --domainkeys-sign-headers
  --help, --version

Exim expands its arguments before the filter sees them: an option that has a $
belongs in the file. Never pass $sender_address, $h_... or another tainted
variable: Exim would bounce the message. The variables are there in the file.

Lines end in LF on both sides. Nothing is written before the signature exists.
When the message cannot be signed it passes unchanged and unsigned, or, if
dkim_strict expands to 1 or true, nothing is written and the status is 75.

Exit status (any but 0 makes Exim keep the message and try again later):
   0  the message was written, signed or, as the options want it, not
  64  the command line is wrong
  75  it could not be signed and dkim_strict is true, or not be read or written
  78  the configuration file is wrong
What happened is in syslog (facility mail); on stderr only where that is a
terminal or a file.
"""


class UsageError(Exception):
    """The command line is wrong; the text says how."""


class Arguments:
    """A parsed command line. `options` are those of the configuration file, by name."""

    __slots__ = (
        "action", "configuration", "macros", "message_id", "options", "profile", "queue_name", "spool_directory",
    )  # fmt: skip

    def __init__(
        self,
        configuration: str = DEFAULT_CONFIGURATION,
        macros: Mapping[str, str] | None = None,
        message_id: str = "",
        spool_directory: str = "",
        queue_name: str = "",
        profile: str = "",
        options: Mapping[str, str] | None = None,
        action: str = "filter",
    ) -> None:
        self.configuration = configuration
        self.macros = macros or {}
        self.message_id = message_id
        self.spool_directory = spool_directory
        self.queue_name = queue_name
        self.profile = profile
        self.options = options or {}
        self.action = action


_VALUED: Final = {
    "--config": "configuration",
    "--message-id": "message_id",
    "--spool-directory": "spool_directory",
    "--queue-name": "queue_name",
    "--profile": "profile",
}
_OPTIONS: Final = {"--" + name.replace("_", "-"): name for name in SIGNING_OPTIONS}


def parse_arguments(words: Sequence[str]) -> Arguments:
    """The arguments from the words of a command line; `UsageError` when they are wrong."""
    values: dict[str, str] = {}
    macros: dict[str, str] = {}
    options: dict[str, str] = {}
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word in ("--help", "-h", "--version"):
            return Arguments(action="version" if word == "--version" else "help")
        name, equals, value = word.partition("=")
        if word.startswith("-D"):
            name, value = "-D", word[2:] or _next(word, rest)
        elif name not in _VALUED and name not in _OPTIONS:
            raise UsageError(f"unknown argument {word!r}; --help lists the known ones")
        elif not equals:
            value = _next(word, rest)
        if name == "-D":
            macro, _, text = value.partition("=")
            macros[macro.strip()] = text.strip()
        elif name in _VALUED:
            values[_VALUED[name]] = value
        else:
            options[_OPTIONS[name]] = value
    return Arguments(macros=macros, options=options, **values)


def _next(word: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"{word} needs a value")
    return rest.pop()
