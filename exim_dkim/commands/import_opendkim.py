"""`exim-dkim import-opendkim`: the configuration that is equivalent to an opendkim.conf."""

from __future__ import annotations

import os
import textwrap

import click

from exim_dkim.commands.failure import Failure, os_error_text
from exim_dkim.commands.output import note, say, warn

_EPILOG = """\b
Examples:
  exim-dkim import-opendkim /etc/opendkim.conf
  exim-dkim import-opendkim /etc/opendkim.conf \\
      -o /etc/exim-dkim/exim-dkim.conf --rules /etc/exim-dkim/signing.rules
  exim-dkim milter --check

What could not be carried over is told on standard error, and in comments at the top of the
configuration. Nothing that exists is overwritten. Exit status: 0 it was written, perhaps with
notes; 1 it was not; 2 wrong usage; 78 a fault in opendkim.conf.
"""

LINE = 118
EXISTS = "{}: exists already, and is not overwritten"


@click.command("import-opendkim", epilog=_EPILOG)
@click.argument("file")
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to write it. [default: standard output]")
@click.option("--rules", metavar="FILE", help="Where to write the rules that KeyTable and SigningTable become.")
def command(file: str, output: str, rules: str | None) -> None:
    """Write the configuration for exim-dkim milter that is equivalent to an opendkim.conf or dkim-filter.conf.

    Lists of hosts and domains that are files are used where they are, and so are keys. KeyTable and SigningTable become
    one file of rules.
    """
    from exim_dkim.config.opendkim_options import import_opendkim

    imported = import_opendkim(_read(file), file, _read)
    if imported.rules and rules is None:
        raise Failure(f"{file} has tables, which become a file of rules; name it: --rules /etc/exim-dkim/signing.rules")
    for path in (rules if imported.rules else None, output):
        if path and path != "-" and os.path.lexists(path):
            raise Failure(EXISTS.format(path))
    for each in imported.notes:
        warn(each)
    options = dict(imported.options)
    if imported.rules and rules is not None:
        options["milter_key_list"] = os.path.abspath(rules)
        heading = f"# From {file}: AUTHOR:DOMAIN:KEYFILE:SELECTOR, the first that fits\n"
        _write(rules, heading + "".join(f"{rule}\n" for rule in imported.rules))
    text = _text(file, options, imported.notes)
    if output == "-":
        say(text.rstrip("\n"))
    else:
        _write(output, text)
        note(f"{output} is written; now: exim-dkim milter --check --config {output}")


def _text(file: str, options: dict[str, str], notes: list[str]) -> str:
    lines = [f"# From {file}, by exim-dkim import-opendkim; for: exim-dkim milter", ""]
    for each in notes:
        lines += textwrap.wrap(each, LINE, initial_indent="# NOTE: ", subsequent_indent="#   ")
    lines += [""] if notes else []
    lines.append("milter_methods = dkim")
    lines += [f"{name} = {value}" for name, value in options.items()]
    return "\n".join([*lines, ""])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 25)
    except OSError as error:
        raise Failure(os_error_text(error)) from None


def _write(path: str, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(EXISTS.format(path)) from None
    except OSError as error:
        raise Failure(os_error_text(error)) from None
