"""Command lines of the milter programs: a table of options for each, in the letters of 2005 and later.

An option does one of these: it sets an option of the configuration file (`milter_listen` …), it is accepted with a
warning since it never did anything, or it is about this run of the program only. Every letter has a long form, too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from exim_dkim.config.options import OPTIONS
from exim_dkim.errors import EximDkimError


class UsageError(EximDkimError):
    """A command line that cannot be followed; the text says what to write instead."""


@dataclass(slots=True)
class CommandLine:
    """What a command line says. `options`: of the configuration, as they would stand in the file."""

    options: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    """Letters whose meaning depends on others, for `Program.finish`."""
    configuration: str = ""
    profile: str = ""
    foreground: bool = False
    check: bool = False
    files: str = ""
    """Messages to evaluate, instead of service."""
    fixed_time: int | None = None
    verbose: bool = False


Take = Callable[[CommandLine, str], None]
"""Takes an option's value in; may raise `UsageError`, or `ValueError` with what is wrong with the value."""


class Letter(NamedTuple):
    """One option. `metavar` empty: it has no value. `letter` empty: there is only the long form."""

    letter: str
    long: str
    metavar: str
    help: str
    take: Take


class Program(NamedTuple):
    """One program: its options, and what settles those that depend on others."""

    name: str
    description: str
    letters: Sequence[Letter]
    epilog: str
    finish: Callable[[CommandLine], None] = lambda line: None


# --- what options do ------------------------------------------------------------------------------------------------


def sets(option: str, form: Callable[[str], str] = str) -> Take:
    """Sets an option of the configuration; `form` checks the value and makes the file's form of it."""
    assert option in OPTIONS

    def take(line: CommandLine, value: str) -> None:
        line.options[option] = form(value)

    return take


def switches(option: str, value: str = "true") -> Take:
    """Sets an option of the configuration to a value of ours."""
    return sets(option, lambda _: value)


def depends(letter: str) -> Take:
    """Keeps the value until `Program.finish`."""

    def take(line: CommandLine, value: str) -> None:
        line.seen[letter] = value

    return take


def harmless(what: str) -> Take:
    """Does nothing, and never did, or does what is done anyway."""

    def take(line: CommandLine, value: str) -> None:
        line.warnings.append(what)

    return take


def both(*takes: Take) -> Take:
    """Does several things."""

    def take(line: CommandLine, value: str) -> None:
        for each in takes:
            each(line, value)

    return take


# --- forms of values ------------------------------------------------------------------------------------------------


def literal(value: str) -> str:
    """A value that an expansion gives back as it is."""
    return value.replace("\\", "\\\\").replace("$", "\\$")


def literal_file(value: str) -> str:
    """A file name, made absolute, in the form of `literal`."""
    return literal(os.path.abspath(value))


def hosts(value: str) -> str:
    """A file, as ever; or addresses, networks and .DOMAINs with commas between, which no file is called."""
    items = value.split(",")
    listed = all(_is_host_entry(item.strip().removeprefix("!")) for item in items)
    return " ".join(item.strip() for item in items) if listed else os.path.abspath(value)


def _is_host_entry(item: str) -> bool:
    if item.startswith(".") and "/" not in item:
        return True
    try:
        ip_network(item.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
    return True


def domains(value: str) -> str:
    """Domains with commas between, or a file by its path."""
    return os.path.abspath(value) if value.startswith(("/", "./", "../")) else value.replace(",", " ")


def seconds(value: str) -> str:
    """A time in whole seconds, at least 1."""
    if not value.isdigit():
        raise ValueError(f"{value!r} is not a number of seconds")
    if int(value) == 0:
        raise ValueError("0 meant to wait for ever, and held up mail; write a number of seconds")
    return f"{int(value)}s"


def mode(value: str) -> str:
    """s, v, or both."""
    if not value or set(value) - set("sv"):
        raise ValueError(f"{value!r}: write s (sign), v (verify) or sv (both)")
    return value


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words, in any case."""

    def form(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"{value!r}: write one of {', '.join(words)}")
        return value.lower()

    return form


# --- options that all programs have ---------------------------------------------------------------------------------


def _take_user(line: CommandLine, value: str) -> None:
    user, colon, group = value.partition(":")
    line.options["user"] = user
    if colon:
        line.options["group"] = group


def _take_setting(line: CommandLine, value: str) -> None:
    name, equals, text = value.partition("=")
    name = name.strip()
    if not equals or name not in OPTIONS:
        raise UsageError(f"--set {value}: want NAME=VALUE with an option of the configuration file (docs/milter.md)")
    line.options[name] = text.strip()


def take_configuration(line: CommandLine, value: str) -> None:
    """-x FILE."""
    line.configuration = os.path.abspath(value)


def _attribute(name: str) -> Take:
    def take(line: CommandLine, value: str) -> None:
        setattr(line, name, value or True)

    return take


def take_check(line: CommandLine, value: str) -> None:
    """-n."""
    line.check = True


def take_files(line: CommandLine, value: str) -> None:
    """-t FILES."""
    if not value.strip(","):
        raise ValueError("name a file, or several with commas between")
    line.files = value


COMMON: Final[tuple[Letter, ...]] = (
    Letter("p", "listen", "SOCKET", "Where the MTA connects: inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or"
           " local:PATH (several with commas between).", sets("milter_listen", lambda value: value.replace(",", " "))),
    Letter("a", "peers", "FILE", "Leave mail of these clients alone: a file with a host, .DOMAIN or network a line,"
           " or networks with commas between; ! takes one out.", sets("milter_peers", hosts)),
    Letter("A", "restart", "", "Start again after a crash, the later the more often it happens.",
           switches("milter_restart")),
    Letter("f", "foreground", "", "Stay in the foreground; for systemd, and to see the log.", _attribute("foreground")),
    Letter("h", "identify", "", "Add a header field that names this filter.", switches("milter_identification")),
    Letter("l", "syslog", "", "Log to syslog (facility mail).", switches("log_destination", "syslog")),
    Letter("P", "pid-file", "FILE", "Write the process id into a file.", sets("pid_file_path", os.path.abspath)),
    Letter("q", "quarantine", "", "Have mail held where it would be refused.", switches("milter_quarantine")),
    Letter("T", "dns-timeout", "SECONDS", "Longest wait for an answer of the DNS [default: 3].",
           sets("dns_timeout", seconds)),
    Letter("u", "user", "USER[:GROUP]", "Run as this user, with no other groups than its own.", _take_user),
    Letter("x", "config", "FILE", "Read a configuration file in the style of Exim's; the command line wins.",
           take_configuration),
    Letter("", "profile", "NAME", "Use this profile of the file [default: the one named as the program].",
           _attribute("profile")),
    Letter("", "set", "NAME=VALUE", "Set any option of the configuration file.", _take_setting),
)  # fmt: skip
"""Letters that mean the same in all three programs."""


# --- parsing --------------------------------------------------------------------------------------------------------


class _Take(argparse.Action):
    """Hands an option's value to its `Take`."""

    def __init__(self, *args: Any, letter: Letter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.letter = letter

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: Any = None) -> None:
        try:
            self.letter.take(namespace.line, values if isinstance(values, str) else "")
        except ValueError as error:
            raise UsageError(f"{option_string}: {error}") from None
        except UsageError as error:
            raise UsageError(f"{option_string}: {error}") from None


def alphabetically(letter: Letter) -> tuple[str, bool, str]:
    """The order in which options are shown."""
    return letter.letter.lower() or "~", letter.letter.islower(), letter.long


def parser_for(program: Program, version: str) -> argparse.ArgumentParser:
    """The parser of a program's command line."""
    parser = argparse.ArgumentParser(
        prog=program.name,
        description=program.description,
        epilog=program.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
        usage=f"{program.name} -p SOCKET [OPTION ...]",
    )
    for letter in sorted(program.letters, key=alphabetically):
        names = [f"-{letter.letter}"] if letter.letter else []
        parser.add_argument(
            *names, f"--{letter.long}", action=_Take, letter=letter, dest=letter.long, help=letter.help,
            nargs=None if letter.metavar else 0, metavar=letter.metavar or None, default=argparse.SUPPRESS,
        )  # fmt: skip
    parser.add_argument("-V", "--version", action="version", version=version, help="Print the version.")
    parser.add_argument("-?", "--help", action="help", help="Print this help.")
    return parser


def parse_command_line(program: Program, arguments: Iterable[str], version: str) -> CommandLine:
    """What a command line says. Raises `UsageError`; ends the process for --help and --version, and for what argparse
    itself complains about (exit status 2).
    """
    namespace = argparse.Namespace(line=CommandLine())
    parser_for(program, version).parse_args(list(arguments), namespace)
    line: CommandLine = namespace.line
    program.finish(line)
    return line


def table(*letters: Letter, without: Iterable[str] = ()) -> tuple[Letter, ...]:
    """The options of a program: its own, and the common ones that it does not have itself."""
    own: Mapping[str, Letter] = {letter.letter: letter for letter in letters if letter.letter}
    skipped = {*own, *without}
    return (*letters, *(letter for letter in COMMON if not letter.letter or letter.letter not in skipped))
