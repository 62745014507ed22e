"""Does Exim's own configuration use the filter as it must be used? Read through `exim -bP transports`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from exim_dkim.commands.exim_user import ask_exim, find_exim
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.commands.installation import FILTER_NAME

Transports = dict[str, dict[str, str]]

ENOUGH_ADDITION = 2048
"""Bytes that SIZE should have in reserve: one signature takes 500 to 1000, and there may be two."""

_HEADING = re.compile(r"(\S+) transport:")
# Variables that hold text of the mail, which Exim (since 4.96) does not let into a command.
_TAINTED = re.compile(
    r"\$\{?(?:sender_\w+|[rbl]?h(?:eader)?_\S+|local_part\b|domain\b|recipients\b|original_\w+|return_path"
    r"|authenticated_\w+|received_for|acl_\w+)"
)


def check_exim(filter_path: str | None, signs: bool) -> Iterator[Finding]:
    """Findings about Exim's transports. `signs`: our configuration wants mail to be signed."""
    program = find_exim()
    if program is None:
        yield Finding(Level.WARN, "Exim: no exim or exim4 in PATH or /usr/sbin; its configuration was not looked at")
        return
    text = ask_exim("transports")
    if text is None or not _HEADING.search(text):
        yield Finding(Level.WARN, f"Exim: {program} -bP transports says nothing to this user; run the check as root")
        return
    users = [(name, options) for name, options in parse_transports(text).items() if uses_filter(options)]
    for name, options in users:
        yield from check_transport(name, options, filter_path)
    if not users and signs:
        remedy = "Paste what this prints: exim-dkim exim-config router transport"
        yield Finding(Level.WARN, f"Exim: no transport has {FILTER_NAME} as its transport_filter", remedy)


def parse_transports(text: str) -> Transports:
    """The transports and their options, from the output of `exim -bP transports`."""
    transports: Transports = {}
    options: dict[str, str] = {}
    for line in text.splitlines():
        heading = _HEADING.fullmatch(line)
        if heading:
            options = transports.setdefault(heading[1], {})
            continue
        name, equals, value = line.partition(" = ")
        if equals:
            options[name.strip(" *")] = value.strip()
    return transports


def uses_filter(options: dict[str, str]) -> bool:
    """Whether a transport sends its messages through our filter."""
    return FILTER_NAME in options.get("transport_filter", "")


def check_transport(name: str, options: dict[str, str], filter_path: str | None) -> Iterator[Finding]:
    """Findings about a transport that uses the filter."""
    command = options["transport_filter"]
    faults = [*_command_faults(name, command, filter_path), *_option_faults(name, options)]
    yield from faults
    if not faults:
        yield Finding(Level.OK, f"Exim: transport {name} signs through the filter")


def _command_faults(name: str, command: str, filter_path: str | None) -> Iterator[Finding]:
    tainted = _TAINTED.search(command)
    if tainted:
        yield Finding(
            Level.FAIL,
            f"Exim: transport {name}: transport_filter has {tainted[0]}, which is tainted: Exim bounces the mail",
            "Leave it out: the filter finds it in the spool by --message-id $message_exim_id.",
        )
    if "$message_exim_id" not in command:
        yield Finding(
            Level.WARN,
            f"Exim: transport {name}: the filter is not told the message's id, so $sender_address and others are empty",
            "Add: --message-id $message_exim_id --spool-directory $spool_directory",
        )
    used = _first_word(command)
    if filter_path is not None and used != filter_path:
        yield Finding(Level.WARN, f"Exim: transport {name} uses {used}, not the filter that was checked: {filter_path}")


def _first_word(command: str) -> str:
    try:
        return (shlex.split(command) or [""])[0]
    except ValueError:
        return command.partition(" ")[0]


def _option_faults(name: str, options: dict[str, str]) -> Iterator[Finding]:
    addition = options.get("size_addition", "")
    if re.fullmatch(r"\d+", addition) and int(addition) < ENOUGH_ADDITION:
        yield Finding(
            Level.WARN,
            f"Exim: transport {name}: size_addition = {addition} is less than two signatures may take",
            "Set: size_addition = 4096",
        )
    if options.get("dkim_domain"):
        yield Finding(
            Level.WARN,
            f"Exim: transport {name} sets Exim's own dkim_domain, too: its messages are signed twice",
            "Take the dkim_... options out of the transport.",
        )
