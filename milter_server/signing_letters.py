"""Options that dk-filter and dkim-filter share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exim_dkim.config.options import DEFAULT_SIGN_HEADERS, OPTIONS
from milter_server.actions import parse_actions
from milter_server.letters import (
    CommandLine,
    Letter,
    Take,
    UsageError,
    domains,
    hosts,
    literal_file,
    mode,
    sets,
    switches,
    take_check,
    take_configuration,
)


def _take_actions(line: CommandLine, value: str) -> None:
    """-C badsignature=reject,…; without an equals sign it is the configuration file."""
    if "=" not in value:
        take_configuration(line, value)
        return
    parse_actions(value)
    line.options["milter_actions"] = " ".join(filter(None, (line.options.get("milter_actions"), value)))


def omits(option: str) -> Take:
    """`-o NAME,…`: fields that are not signed; `-` ends what was said before."""

    def take(line: CommandLine, value: str) -> None:
        omitted = {name.strip().lower() for name in value.replace(":", ",").split(",")} - {"", "-"}
        default = OPTIONS[option].default or DEFAULT_SIGN_HEADERS
        kept = [name for name in default.split(":") if name.lstrip("=+").lower() not in omitted]
        if "from" in omitted:
            raise ValueError("From must be signed (RFC 6376 §5.4)")
        line.options[option] = ":".join(kept)

    return take


def _wants_all(line: CommandLine) -> bool:
    """Whether the command line alone must say what a signer needs: it signs, and there is no file to say it."""
    return not line.configuration and line.options.get("milter_mode") != "v"


def check_complete(line: CommandLine, signing: Mapping[str, str], usage: str) -> None:
    """What a signer needs, if there is any of it. `signing`: the options that it takes, by their letters."""
    missing = [letter for letter, option in signing.items() if option not in line.options]
    if 0 < len(missing) < len(signing) and _wants_all(line):
        raise UsageError(f"to sign, {missing[0]} is needed too: {usage}")


def comma_list(value: str) -> str:
    """Words with commas between, as the file has them with blanks."""
    return value.replace(",", " ")


SIGNING: Final[tuple[Letter, ...]] = (
    Letter("b", "mode", "MODE", "s signs, v verifies, sv does both [default: sv].", sets("milter_mode", mode)),
    Letter("C", "actions", "LIST", "CAUSE=ACTION with commas between. Causes: badsignature, dnserror, internal,"
           " keynotfound, nosignature, security, signatureerror, default; actions: accept, discard, quarantine, reject,"
           " tempfail [default: accept; internal and security tempfail]. Without = it is a configuration file, as -x.",
           _take_actions),
    Letter("d", "domains", "DOMAINS", "Sign mail whose author is in these domains; commas between, * is a wildcard, or"
           " /FILE with one a line.", sets("milter_domains", domains)),
    Letter("D", "subdomains", "", "Sign mail of their subdomains, too.", switches("milter_subdomains")),
    Letter("H", "authserv-id", "NAME", "Name in Authentication-Results [default: the MTA's, macro j].",
           sets("authserv_id")),
    Letter("i", "internal-hosts", "FILE", "Sign mail of these clients: a file with a host, .DOMAIN or network a line"
           " [default: 127.0.0.1 and ::1]. Mail of authenticated clients is signed in any case.",
           sets("milter_internal_hosts", hosts)),
    Letter("I", "external-hosts", "FILE", "Other hosts that may send mail of your domains, without a warning.",
           sets("milter_external_hosts", hosts)),
    Letter("m", "mta", "NAMES", "Sign what comes through these daemons of the MTA ({daemon_name}).",
           sets("milter_daemons", comma_list)),
    Letter("M", "macros", "LIST", "Sign mail with these macros of the MTA: NAME or NAME=VALUE.",
           sets("milter_macros", comma_list)),
    Letter("n", "check", "", "Check the configuration and end.", take_check),
    Letter("R", "reports", "", "Report failed signatures to domains that ask for it (milter_report_ options).",
           switches("milter_reports")),
    Letter("U", "popauth", "FILE", "Sign mail of clients that have fetched mail before (POP before SMTP): their"
           " addresses are in this file, which the POP server writes: Berkeley DB, .cdb or text.",
           sets("milter_pop_before_smtp", literal_file)),
    Letter("", "sendmail-lists", "", "Sign lists of addresses as Sendmail delivers them, with comma and blank.",
           switches("milter_sendmail_lists")),
    Letter("W", "log-why", "", "Log why mail was not signed.", switches("milter_log_why")),
    Letter("", "quiet", "", "No line for each message in the log.", switches("milter_quiet")),
    Letter("", "test", "", "Never refuse, only record.", switches("milter_test_mode")),
)  # fmt: skip
