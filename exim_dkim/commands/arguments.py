"""Types and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from exim_dkim.errors import ParseError
from exim_dkim.names import Domain, Selector

if TYPE_CHECKING:
    from exim_dkim.envelope import ClientAddress

DEFAULT_CONFIGURATION = "/etc/exim-dkim/exim-dkim.conf"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class DomainType(click.ParamType[Domain]):
    """A domain that mail can come from; U-labels become A-labels."""

    name = "domain"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Domain:
        """The domain, or a usage error."""
        try:
            domain = Domain.parse(str(value).encode())
        except ParseError as error:
            self.fail(f"{value!r} is {error.message}", param, ctx)
        if not domain.is_host_name:
            self.fail(f"{value!r} is not a domain name that mail can have", param, ctx)
        return domain


class SelectorType(click.ParamType[Selector]):
    """A selector: one or more labels."""

    name = "selector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Selector:
        """The selector, or a usage error."""
        try:
            return Selector.parse(str(value).encode())
        except ParseError:
            self.fail(f"{value!r} is not a selector; use letters, digits and hyphens, as in mail2026", param, ctx)


class ClientType(click.ParamType["ClientAddress"]):
    """An IP address."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ClientAddress:
        """The address, or a usage error."""
        from exim_dkim.envelope import parse_client

        try:
            return parse_client(str(value).encode("utf-8", "surrogateescape"))
        except ParseError as error:
            self.fail(f"{value!r} is {error.message}", param, ctx)


class EpochType(click.ParamType[int]):
    """Seconds since 1970."""

    name = "epoch"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds, or a usage error."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) < 13):
            self.fail(f"{text!r} is not a number of seconds since 1970; see: date +%s", param, ctx)
        return int(text)


def config_option(meaning: str = "Configuration file.") -> Decorator:
    """`--config FILE`; None when it was not given."""
    return click.option(
        "-C", "--config", metavar="FILE", type=click.Path(), help=f"{meaning} [default: {DEFAULT_CONFIGURATION}]"
    )


def profile_option() -> Decorator:
    """`--profile NAME`: options of a profile instead of those of the main part."""
    return click.option("--profile", metavar="NAME", help="Use the options of this profile of the configuration file.")


def define_option() -> Decorator:
    """`-D NAME=VALUE`: macros for the configuration file, as in Exim."""
    return click.option(
        "-D",
        "--define",
        "macros",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_macros,
        help="Define a macro for the configuration file; may be repeated.",
    )


def _macros(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    return {name: text for name, _, text in pairs}


def dns_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--dns-zone FILE` and `--dns-server ADDRESS`: where answers come from."""
    zone = click.option(
        "--dns-zone", metavar="FILE", type=click.Path(), help="Take DNS answers from this zone file only."
    )
    server = click.option(
        "--dns-server",
        metavar="ADDRESS",
        multiple=True,
        help="Ask this name server: ADDRESS or [ADDRESS]:PORT; may be repeated.",
    )
    return zone(server(function))


def json_text(value: object) -> str:
    """One line of JSON; what is not ASCII or not Unicode is escaped, so any terminal and parser can take it."""
    import json

    return json.dumps(value, ensure_ascii=True)
