"""`exim-dkim options`: the value of every option, as `exim -bP` shows Exim's."""

from __future__ import annotations

import click

from exim_dkim.commands.arguments import config_option, define_option, profile_option
from exim_dkim.commands.configured import load_settings
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.messages import message_environment, read_header
from exim_dkim.commands.option_values import assignment, expansions
from exim_dkim.commands.output import printable
from exim_dkim.config.grammar import suggestion
from exim_dkim.config.options import OPTIONS

_EPILOG = """\b
Examples:
  exim-dkim options
  exim-dkim options dkim_domain dkim_selector --message mail.eml
  exim-dkim options --profile newsletter --only-set

The output can stand in a configuration file, but for options marked hide, whose values are not
shown. With --message, a line that begins with -> follows each option that is expanded.

Exit status: 0 all is well; 1 an option could not be expanded; 2 wrong usage; 78 fault in the
configuration file.
"""


@click.command(epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[OPTION]...")
@click.option(
    "-m", "--message", metavar="FILE", type=click.Path(allow_dash=True), help="Show what expands to what for it."
)
@click.option("--sender", metavar="ADDRESS", help="The envelope sender: $sender_address.")
@click.option("--only-set", is_flag=True, help="Leave out options that have their default.")
@profile_option()
@config_option("The configuration file to show.")
@define_option()
def command(
    names: tuple[str, ...],
    message: str | None,
    sender: str | None,
    only_set: bool,
    profile: str | None,
    config: str | None,
    macros: dict[str, str],
) -> None:
    """Print each OPTION, or all of them, as NAME = VALUE."""
    unknown = [name for name in names if name not in OPTIONS]
    if unknown:
        raise click.UsageError(f'"{unknown[0]}" is not a known option{suggestion(unknown[0])}')
    settings = load_settings(config, macros, profile=profile)
    shown = [name for name in names or OPTIONS if settings.is_set(name) or not only_set]
    gives: dict[str, list[str]] = {}
    good = True
    if message:
        environment = message_environment(settings, read_header(message), sender)
        for expanded in expansions(settings, environment):
            label = f" ({expanded.label})" if expanded.label else ""
            hidden = settings.is_hidden(expanded.option) and not expanded.failed
            text = "not shown" if hidden else expanded.text
            gives.setdefault(expanded.option, []).append(f"    ->{label} {text}".rstrip())
            good = good and not (expanded.failed and expanded.option in shown)
    for name in shown:
        click.echo(printable(assignment(settings, name)))
        for line in gives.get(name, ()):
            click.echo(printable(line))
    click.get_current_context().exit(ExitStatus.OK if good else ExitStatus.BAD)
