"""`dk-filter`: DomainKeys (RFC 4870) for an MTA, with the command line of dk-milter (2005 to 2008).

dk-filter -l -p inet:10001@127.0.0.1 -c nofws -b s -s /path/key -i /path/hostlist -d example.com -S key1 -H -A
dk-filter -l -p inet:10002@127.0.0.1 -A -T 10 -b v
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from milter_server.letters import (
    CommandLine,
    Letter,
    Program,
    UsageError,
    depends,
    literal,
    literal_file,
    one_of,
    sets,
    table,
    take_files,
)
from milter_server.program import EPILOG, EVALUATION, run_program
from milter_server.signing_letters import SIGNING, check_complete, omits

EXAMPLES = """\
examples:
  dk-filter -l -p inet:10001@127.0.0.1 -c nofws -b s -s /path/key -i /path/hostlist -d example.com -S key1 -H -A
      sign mail of example.com that the hosts of a list send
  dk-filter -l -p inet:10002@127.0.0.1 -A -T 10 -b v
      verify, and record the result in Authentication-Results

DomainKeys has only rsa-sha1, and nobody verifies it any more: use dkim-filter for new signatures.

"""

LETTERS = table(
    Letter("c", "canonicalization", "NAME", "simple or nofws [default: nofws].",
           sets("domainkeys_canon", one_of("simple", "nofws"))),
    Letter("s", "key", "FILE", "Private key to sign with (with -k: file of rules).", depends("s")),
    Letter("S", "selector", "NAME", "Selector to sign with.", sets("domainkeys_selector", literal)),
    Letter("k", "key-list", "", "The file of -s has rules, AUTHOR:DOMAIN:KEYFILE[:SELECTOR], where * is a wildcard.",
           depends("k")),
    Letter("H", "header-list", "", "Accepted: a signature always lists the fields that it is about.",
           lambda line, value: None),
    Letter("", "authserv-id", "NAME", "Name in Authentication-Results [default: the MTA's, macro j].",
           sets("authserv_id")),
    Letter("o", "omit-headers", "NAMES", "Do not sign these header fields; commas between.",
           omits("domainkeys_sign_headers")),
    Letter("", "evaluate", "FILES", "Show what the filter does with messages in files (commas between, - is standard"
           " input) that come from this host: signs or verifies; and end.", take_files),
    *(letter for letter in SIGNING if letter.letter != "H"),
)  # fmt: skip


def finish(line: CommandLine) -> None:
    """Settles -s and -k, and says what a signer needs."""
    line.options.setdefault("domainkeys_verify", "true")
    key = line.seen.get("s")
    if "k" in line.seen:
        if not key:
            raise UsageError("-k needs -s FILE, the file of rules")
        line.options["milter_key_list"] = os.path.abspath(key)
        return
    if key:
        line.options["domainkeys_private_key"] = literal_file(key)
    signing = {"-d": "milter_domains", "-s": "domainkeys_private_key", "-S": "domainkeys_selector"}
    check_complete(line, signing, "-d DOMAIN -s KEYFILE -S SELECTOR")


PROGRAM = Program(
    "dk-filter",
    "Signs and verifies DomainKeys (RFC 4870) for Sendmail or Postfix.",
    LETTERS,
    EXAMPLES + EPILOG + EVALUATION,
    finish,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs dk-filter; the exit status."""
    return run_program(PROGRAM, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
