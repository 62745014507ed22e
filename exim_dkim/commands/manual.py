"""The manual pages, made from the commands' own help and the table of options.

    python -m exim_dkim.commands.manual docs

writes exim-dkim.8 and exim-dkim.conf.5; a test holds that they are up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import click

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION
from exim_dkim.commands.program import SUBCOMMANDS, program
from exim_dkim.config.options import OPTIONS, Option
from milter_server import dk_filter, dkim_filter, sid_filter
from milter_server.letters import Program, alphabetically
from transport_wrapper.arguments import HELP

_LONGEST_DEFAULT: Final = 60

_ABOUT_FILE: Final = """\
The file has the grammar of the main part of Exim's configuration: lines NAME = VALUE; lines that begin with # are
comments; a line that ends in a backslash goes on in the next. NAME = TEXT with a capital letter defines a macro,
which is replaced in the lines below; .ifdef, .ifndef, .elifdef, .elifndef, .else and .endif ask for macros; .include
and .include_if_exists read other files. A boolean is set by its name, by no_NAME, or by NAME = yes. A time is written
as 1h30m, a size as 64M. A list has colons between its elements, or what follows < at its beginning. domainlist,
addresslist, localpartlist and hostlist NAME = LIST define lists, which are used as +NAME. The value of an option
marked hide is not shown.

What Exim would pass over in silence is an error here: an unknown option, an option set twice, an option whose name is
written with a capital letter, and a misspelt _DKIM_... in a list of header fields.

After a line begin profiles, a line NAME: begins a profile: options that hold instead of those above when the signing
filter is started with --profile NAME, or in the filter NAME of exim-dkim milter.
"""


_ABOUT_FILTERS: Final = """\
A filter for Sendmail or Postfix, over the milter protocol. It signs what its MTA's own clients send, where it is told
to, verifies what comes from others, and records what it found in one Authentication-Results field. Unless told
otherwise it refuses no mail. What is signed, what is written, and what to put into the configuration of Sendmail or
Postfix, is described in docs/milter.md.
"""


def page_of_commands() -> str:
    """exim-dkim(8), in roff."""
    lines = [*_title("EXIM-DKIM", 8), *_name("exim-dkim", "sender authentication for mail servers"), ".SH SYNOPSIS"]
    lines += [".B exim-dkim", r".I COMMAND", "[OPTIONS] ..."]
    lines += [".SH DESCRIPTION", *_paragraphs(program.help or ""), ".SH COMMANDS"]
    context = click.Context(program, info_name="exim-dkim", **program.context_settings)
    for name in SUBCOMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        lines += _command(name, command, click.Context(command, info_name=name, parent=context))
    lines += [".SH THE SIGNING FILTER", *_verbatim(HELP)]
    lines += [".SH FILES", ".TP", f".I {_text(DEFAULT_CONFIGURATION)}", "The configuration, exim-dkim.conf(5)."]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR exim-dkim.conf (5),", ".BR exim (8)", ""])


def page_of_configuration() -> str:
    """exim-dkim.conf(5), in roff."""
    lines = [*_title("EXIM-DKIM.CONF", 5), *_name("exim-dkim.conf", "configuration of exim-dkim")]
    lines += [".SH SYNOPSIS", f".I {_text(DEFAULT_CONFIGURATION)}", ".SH DESCRIPTION", *_paragraphs(_ABOUT_FILE)]
    lines.append(".SH OPTIONS")
    for option in OPTIONS.values():
        lines += _option(option)
    return "\n".join([*lines, ".SH SEE ALSO", ".BR exim-dkim (8),", ".BR exim (8)", ""])


def page_of_filter(program: Program) -> str:
    """sid-filter(8), dk-filter(8) or dkim-filter(8), in roff."""
    lines = [*_title(program.name.upper(), 8), *_name(program.name, _first_small(program.description).rstrip("."))]
    lines += [".SH SYNOPSIS", f".B {_text(program.name)}", r"\-p", ".I SOCKET", "[OPTIONS] ..."]
    lines += [".SH DESCRIPTION", *_paragraphs(_ABOUT_FILTERS), ".SH OPTIONS"]
    for letter in sorted(program.letters, key=alphabetically):
        names = ", ".join(filter(None, (f"-{letter.letter}" if letter.letter else "", f"--{letter.long}")))
        argument = f" {letter.metavar}" if letter.metavar else ""
        lines += [".TP", f".B {_text(names + argument)}", _text(letter.help.replace("%%", "%"))]
    lines += [".TP", f".B {_text('-V, --version')}", "Print the version.", ".TP", f".B {_text('-?, --help')}"]
    lines += ["Print a help text.", ".SH EXAMPLES AND EXIT STATUS", *_verbatim(program.epilog)]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR exim-dkim (8),", ".BR exim-dkim.conf (5)", ""])


def _first_small(text: str) -> str:
    return text[:1].lower() + text[1:]


def _title(title: str, section: int) -> list[str]:
    return [
        r".\" Made by: python -m exim_dkim.commands.manual",
        f'.TH "{_text(title)}" {section} "" "exim-dkim"',
        ".nh",
    ]


def _name(name: str, meaning: str) -> list[str]:
    return [".SH NAME", rf"{_text(name)} \- {_text(meaning)}"]


def _command(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield f".SS {_text(name)}"
    yield f".B {_text(' '.join(['exim-dkim', name, *command.collect_usage_pieces(context)]))}"
    yield ".PP"
    yield from _paragraphs(command.help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and parameter.name != "help" and record is not None:
            yield from (".TP", f".B {_text(record[0])}", _text(" ".join(record[1].split())))
    if command.epilog:
        yield ".PP"
        yield from _paragraphs(command.epilog)


def _option(option: Option) -> Iterator[str]:
    yield ".TP"
    yield rf".BR {_text(option.name)} \ ({_text(option.type).replace(' ', chr(92) + ' ')})"
    meaning = option.meaning[:1].upper() + option.meaning[1:]
    yield _text(f"{meaning}.")
    if option.default is not None:
        yield ".br"
        if len(option.default) > _LONGEST_DEFAULT:
            yield "Default:"
            yield _text(option.default.replace(":", " : "))
        else:
            yield f"Default: {_text(option.default)}"


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of a help text; one that begins with click's mark is kept as it is."""
    for number, paragraph in enumerate(filter(None, re.split(r"\n\s*\n|(?=^\x08\n)", text, flags=re.MULTILINE))):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from _verbatim(paragraph.removeprefix("\b").strip("\n"))
        else:
            yield _text(" ".join(paragraph.split()))


def _verbatim(text: str) -> Iterator[str]:
    yield ".nf"
    yield from (_text(line) for line in text.strip("\n").splitlines())
    yield ".fi"


def _text(text: str) -> str:
    """Text as roff takes it: nothing in it is a request or an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("§", "section ")
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped


PAGES: Final[dict[str, Callable[[], str]]] = {
    "exim-dkim.8": page_of_commands,
    "exim-dkim.conf.5": page_of_configuration,
    **{
        f"{each.name}.8": partial(page_of_filter, each)
        for each in (sid_filter.PROGRAM, dk_filter.PROGRAM, dkim_filter.PROGRAM)
    },
}


def main(directory: Path) -> None:
    """Write the pages into `directory`."""
    for name, page in PAGES.items():
        (directory / name).write_text(page())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
