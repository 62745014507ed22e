"""The `exim-dkim` command group: subcommands are imported when they are called, never before.

Every exception of a subcommand ends here, as one line and an exit status.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.failure import debugging, failure_of
from exim_dkim.commands.main import PROGRAM_NAME, version_line

# Name -> (module under exim_dkim.commands, one line of help). The order is the order of the help text.
SUBCOMMANDS = {
    "genkey": ("genkey", "Make a private key and print the DNS record to publish."),
    "gentxt": ("gentxt", "Make a key and print its record, as gentxt.csh of dk-milter did."),
    "testkey": ("testkey", "Compare private keys with what DNS says."),
    "check": ("check", "Check this installation: configuration, keys, permissions, socket."),
    "exim-config": ("exim_config", "Print the text to paste into Exim's configuration."),
    "serve": ("serve", "Run the look-up server that Exim asks."),
    "import-opendkim": ("import_opendkim", "Write the configuration that is equivalent to an opendkim.conf."),
    "milter": ("milter", "Serve filters to Sendmail and Postfix (milter protocol)."),
    "lookup": ("lookup", "Ask a running look-up server, as Exim does."),
    "verify": ("verify", "Verify messages: files, mailboxes, standard input."),
    "spf": ("spf", "Judge by SPF what a client claims, and show why."),
    "senderid": ("senderid", "Judge by Sender ID who a message says is responsible."),
    "sign": ("sign", "Sign a message and write it to standard output."),
    "options": ("options", "Print the value of every option, and what it gives for a message."),
    "expand": ("expand", "Expand Exim strings, as the signing options are."),
}

_EPILOG = """\b
Start on a new host with:
  exim-dkim genkey example.org mail2026 \\
      -o /etc/exim-dkim/keys/example.org.mail2026.pem
  exim-dkim testkey example.org mail2026 \\
      --key /etc/exim-dkim/keys/example.org.mail2026.pem
  exim-dkim exim-config
  exim-dkim check

Exit status of every command: 0 all is well, 1 it is not (see the command), 2 wrong usage, 70
internal error, 75 temporary trouble, 78 fault in the configuration file. Set EXIM_DKIM_DEBUG=1 to
see tracebacks, NO_COLOR=1 to see no colours.
"""


class LazyGroup(click.Group):
    """A group that knows its subcommands by name only, until one is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help text."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one subcommand; None, or a usage error, for an unknown name."""
        if cmd_name not in SUBCOMMANDS:
            from difflib import get_close_matches

            close = get_close_matches(cmd_name[:100], SUBCOMMANDS, 1)
            if close and not ctx.resilient_parsing:
                ctx.fail(f"No such command {cmd_name!r}. Did you mean {close[0]!r}?")
            return None
        module = importlib.import_module(f"exim_dkim.commands.{SUBCOMMANDS[cmd_name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of subcommands, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in SUBCOMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; turn what it raises into a failure of one line."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(ExitStatus.INTERRUPTED) from None
        except Exception as error:
            if debugging():
                raise
            raise failure_of(error) from error


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(version_line())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    name=PROGRAM_NAME,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-V", "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
def program() -> None:
    """Sender authentication for mail servers: signing and look-ups for Exim, filters for Sendmail and Postfix, keys,
    checks, and tools to see why.
    """


def run_program(arguments: Sequence[str]) -> int:
    """Run the group outside any test harness: broken pipes, poor locales and interrupts included."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        program.main(args=list(arguments), prog_name=PROGRAM_NAME)
    except SystemExit as end:
        return _flush(_status(end.code))
    except BrokenPipeError:
        return _broken_pipe()


def _status(code: object) -> int:
    return code if isinstance(code, int) else ExitStatus.OK if code is None else ExitStatus.BAD


def _flush(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _broken_pipe()
    return status


def _broken_pipe() -> int:
    """The reader has gone (`| head`): say nothing, and keep the interpreter from complaining while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitStatus.BAD
