"""`exim-dkim import-opendkim`: the configuration that is equivalent to an opendkim.conf."""

from __future__ import annotations

import os
import textwrap

import click

from exim_dkim.commands.arguments import DEFAULT_CONFIGURATION
from exim_dkim.commands.failure import Failure, os_error_text
from exim_dkim.commands.output import note, say, warn

_EPILOG = """\b
Examples:
  exim-dkim import-opendkim /etc/opendkim.conf
  exim-dkim import-opendkim /etc/opendkim.conf -o exim-dkim.conf
  exim-dkim import-opendkim /etc/opendkim.conf \\
      -o /etc/exim-dkim/exim-dkim.conf \\
      --rules /etc/exim-dkim/signing.rules --keys /etc/exim-dkim/keys
  exim-dkim milter --check

The first example shows everything and writes nothing. With -o, rules go beside it unless --rules says where. What could
not be carried over is told on standard error, and in comments at the top of the configuration. Nothing that exists is
overwritten.

Exit status: 0 it was written, perhaps with notes; 1 it was not; 2 wrong usage; 78 a fault in opendkim.conf.
"""

LINE = 118
RULES = "AUTHOR:DOMAIN:KEYFILE:SELECTOR[:IDENTITY]"
EXISTS = "{}: exists already, and is not overwritten"


@click.command("import-opendkim", epilog=_EPILOG)
@click.argument("file")
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to write it. [default: standard output]")
@click.option(
    "--rules",
    metavar="FILE",
    help="Where to write the rules that KeyTable and SigningTable become. [default: beside -o]",
)
@click.option(
    "--keys",
    metavar="DIRECTORY",
    help="Write keys that stand in KeyTable itself into files here. [default: tell of them]",
)
def command(file: str, output: str, rules: str | None, keys: str | None) -> None:
    """Write the configuration for exim-dkim milter that is equivalent to an opendkim.conf or dkim-filter.conf.

    Lists of hosts and domains that are files are used where they are, and so are keys. KeyTable and SigningTable become
    one file of rules.
    """
    from exim_dkim.commands.import_sources import KeyFiles, find_domains, read_database
    from exim_dkim.config.opendkim import Outside
    from exim_dkim.config.opendkim_options import import_opendkim

    key_files = KeyFiles(keys)
    outside = Outside(lambda path: _read(path, f"{file} names "), read_database, find_domains, key_files.keep)
    imported = import_opendkim(_read(file), file, outside)
    files = dict(key_files.texts)
    listed = "\n".join([f"# From {file}: {RULES}", *map(str, imported.rules), ""])
    options, shown = dict(imported.options), ""
    if imported.rules:
        options["milter_key_list"] = _rules_file(output, rules)
        if rules is None and output == "-":
            shown = f"\n# {options['milter_key_list']} is to hold:\n{textwrap.indent(listed, '# ')}"
        else:
            files[options["milter_key_list"]] = listed
    text = _text(file, options, imported.notes)
    if output != "-":
        files[output] = text
    for path in files:
        if os.path.lexists(path):
            raise Failure(EXISTS.format(path))
    for each in imported.notes:
        warn(each)
    for path, content in files.items():
        _write(path, content, 0o600 if path in key_files.texts else 0o666)
    if output == "-":
        say((text + shown).rstrip("\n"))
    else:
        note(f"{', '.join(files)}: written; now: exim-dkim milter --check --config {output}")


def _rules_file(output: str, rules: str | None) -> str:
    """Where the rules go: `--rules`, or beside the configuration."""
    if rules is not None:
        return os.path.abspath(rules)
    directory = os.path.dirname(DEFAULT_CONFIGURATION if output == "-" else os.path.abspath(output))
    return os.path.join(directory, "signing.rules")


def _text(file: str, options: dict[str, str], notes: list[str]) -> str:
    lines = [f"# From {file}, by exim-dkim import-opendkim; for: exim-dkim milter", ""]
    for each in notes:
        said, *suggested = each.split("\n")
        lines += textwrap.wrap(said, LINE, initial_indent="# NOTE: ", subsequent_indent="#   ")
        lines += [f"#     {line}" for line in suggested]
    lines += [""] if notes else []
    lines.append("milter_methods = dkim")
    lines += [f"{name} = {value}" for name, value in options.items()]
    return "\n".join([*lines, ""])


def _read(path: str, who: str = "") -> str:
    """A file; `who` stands before what is wrong with it."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 25)
    except OSError as error:
        raise Failure(who + os_error_text(error)) from None


def _write(path: str, text: str, mode: int = 0o666) -> None:
    """Writes a new file, of this mode but for the umask."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(EXISTS.format(path)) from None
    except OSError as error:
        raise Failure(os_error_text(error)) from None
