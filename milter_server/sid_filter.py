"""`sid-filter`: SPF and Sender ID for an MTA, with the command line of sid-milter (2005 to 2008).

sid-filter -l -p inet:10000@127.0.0.1 -t -T 10 -A
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from milter_server.letters import (
    CommandLine,
    Letter,
    Program,
    domains,
    harmless,
    sets,
    switches,
    table,
    take_configuration,
)
from milter_server.program import EPILOG, run_program

EXAMPLES = """\
examples:
  sid-filter -l -p inet:10000@127.0.0.1 -t -T 10 -A
      record what SPF and Sender ID say in Authentication-Results, refuse nothing
  sid-filter -l -p unix:/run/sid-filter/socket -u sid-filter -r 5
      refuse mail of which one of them says fail and neither says pass

"""


BEST_GUESS = "v=spf1 a/24 mx/24 ptr ?all"
"""What sid-milter guessed, and Exim's default of spf_guess."""


def _take_confidence(line: CommandLine, value: str) -> None:
    """-C was a number for a reputation service, in the manual page only; a path is the configuration file."""
    if value.replace(".", "", 1).isdigit():
        line.warnings.append("-C with a number never did anything, and does nothing")
    else:
        take_configuration(line, value)


def _reject_mode(value: str) -> str:
    if value not in ("0", "1", "2", "3", "4", "5"):
        raise ValueError(f"{value!r}: write 0 to 5")
    return value


LETTERS = table(
    Letter("r", "reject", "0-5", "When to refuse: 0 never; 1 both fail; 2 one fails; 3 neither passes; 4 not both"
           " pass; 5 one fails and neither passes [default: 0].", sets("milter_senderid_reject", _reject_mode)),
    Letter("t", "test", "", "Never refuse, only record; the advice of 2005.", switches("milter_test_mode")),
    Letter("D", "dns-softfail", "", "Trouble with the DNS is a softfail, not a reason to defer.",
           switches("milter_dns_softfail")),
    Letter("d", "exempt-domains", "DOMAINS", "Do not judge mail that these domains send; commas between, or /FILE.",
           sets("milter_exempt_domains", domains)),
    Letter("H", "authserv-id", "NAME", "Name in Authentication-Results [default: the MTA's, macro j].",
           sets("authserv_id")),
    Letter("M", "reject-text", "TEXT", "Text of refusals: %%a sender, %%e why, %%i client, %%t method.",
           sets("milter_reject_text")),
    Letter("n", "no-spf1", "", "Judge the purported responsible address by spf2.0 records only.",
           switches("senderid_spf1", "false")),
    Letter("Q", "quiet", "", "No line for each message in the log.", switches("milter_quiet")),
    Letter("", "check", "", "Check the configuration and end.", lambda line, value: setattr(line, "check", True)),
    Letter("B", "best-guess", "", "Judge a domain without a record by " + BEST_GUESS + ": a match counts as a pass for"
           " -r; the result that is recorded stays none, with policy.best-guess=pass.",
           switches("spf_guess", BEST_GUESS)),
    Letter("c", "continue", "", "Accepted: a message without responsible address is never refused for that alone.",
           harmless("-c does nothing: a message without responsible address is judged by SPF, and recorded")),
    Letter("C", "confidence", "FILE", "A file is the configuration file, as -x; a number never did anything.",
           _take_confidence),
    Letter("L", "marid-log", "0-8", "Accepted: it was the log level of a library.",
           harmless("-L was the log level of a library that is not used here; it does nothing")),
    Letter("R", "rating", "N", "Accepted: it never did anything.", harmless("-R never did anything, and does nothing")),
)  # fmt: skip

PROGRAM = Program(
    "sid-filter",
    "Judges by SPF (RFC 7208) and Sender ID (RFC 4406) what comes to Sendmail or Postfix, and records it.",
    LETTERS,
    EXAMPLES + EPILOG,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs sid-filter; the exit status."""
    return run_program(PROGRAM, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
