"""`dkim-filter`: DKIM (RFC 6376) for an MTA, with the command lines of dkim-milter, both those of 2005 and the later.

    dkim-filter -l -p inet:10003@127.0.0.1 -c nowsp -b s -s /path/key -i /path/hostlist -d example.com -S key1 -A
    dkim-filter -l -p inet:10003@127.0.0.1 -c relaxed/simple -b s -k /path/key -s key1 -S rsa-sha256 -d example.com
    dkim-filter -l -p inet:10004@127.0.0.1 -A -T 10 -b v

In 0.1.1 (2005) `-s` named the key file and `-S` the selector; since 0.3.0 `-k` names the key file, `-s` the selector
and `-S` the algorithm. Which is meant is told by, in this order:

1. `-k`, or `-K`: the later letters.
2. `-S`: the name of an algorithm (rsa-sha1, rsa-sha256, ed25519-sha256) is of the later letters, any other of 2005.
3. `-s` with a slash in its value, which no selector has: the letters of 2005.

When these contradict each other, or none is there, nothing is guessed. `--key`, `--selector` and `--algorithm` always
mean what they say.
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
    harmless,
    literal,
    literal_file,
    sets,
    switches,
    table,
    take_files,
)
from milter_server.program import EPILOG, EVALUATION, run_program
from milter_server.signing_letters import SIGNING, check_complete, omits

ALGORITHMS = {"rsa-sha1": "sha1", "rsa-sha256": "sha256", "ed25519-sha256": "sha256"}
CANONICALIZATIONS = ("simple", "relaxed")

EXAMPLES = """\
examples:
  dkim-filter -l -p inet:10003@127.0.0.1 -b s -k /path/key -s key1 -i /path/hostlist -d example.com -A
      sign mail of example.com that the hosts of a list send
  dkim-filter -l -p inet:10003@127.0.0.1 -c nowsp -b s -s /path/key -i /path/hostlist -d example.com -S key1 -A
      the same, in the letters of 2005
  dkim-filter -l -p inet:10004@127.0.0.1 -A -T 10 -b v
      verify, and record the result in Authentication-Results
  dkim-filter -t message.eml,another.eml
      verify messages in files
  dkim-filter -t - -F 1793610939 -k /path/key -s key1 -d example.com < message.eml
      show the signature that a message of example.com would get

letters: in 2005 -s named the key file and -S the selector; later -k names the key file, -s the selector and -S the
algorithm. -k, -K, or -S with an algorithm tell the later letters; -S with anything else, or -s with a slash, those
of 2005. Where this leaves a doubt, write --key, --selector and --algorithm.

"""


def _canonicalization(value: str) -> str:
    header, slash, body = value.lower().partition("/")
    if header not in CANONICALIZATIONS or (slash and body not in CANONICALIZATIONS):
        raise ValueError(f"{value!r}: write simple or relaxed, or two of these as relaxed/simple (nowsp: see --help)")
    return f"{header}/{body or 'simple'}"


def _take_canonicalization(line: CommandLine, value: str) -> None:
    """-c: nowsp, of the draft of 2005, is known only where legacy signatures are made."""
    if value.lower() == "nowsp":
        line.seen["c"] = "nowsp"
    else:
        line.options["dkim_canon"] = _canonicalization(value)


def _algorithm(value: str) -> str:
    if value.lower() not in ALGORITHMS:
        raise ValueError(f"{value!r}: write one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[value.lower()]


def _take_fixed_time(line: CommandLine, value: str) -> None:
    """-F: within the twelve digits that t= may have (RFC 6376 §3.5)."""
    if not (value.isascii() and value.isdigit() and len(value) <= 12):
        raise ValueError(f"{value!r}: write a time in seconds since 1970, as date +%s does")
    line.fixed_time = int(value)


LETTERS = table(
    Letter("c", "canonicalization", "NAME", "simple, relaxed, or two of these as relaxed/simple, for header and body;"
           " nowsp is taken for relaxed, which it became [default: relaxed].", _take_canonicalization),
    Letter("k", "key", "FILE", "Private key to sign with (with -K: file of rules).", depends("k")),
    Letter("s", "s", "TEXT", "The selector; in the letters of 2005 the private key.", depends("s")),
    Letter("S", "S", "TEXT", "The algorithm; in the letters of 2005 the selector.", depends("S")),
    Letter("", "selector", "NAME", "Selector to sign with.", sets("dkim_selector", literal)),
    Letter("", "algorithm", "NAME", "rsa-sha256 or ed25519-sha256, as the key is [default]; nobody accepts rsa-sha1.",
           sets("dkim_hash", _algorithm)),
    Letter("K", "key-list", "", "The file of -k has rules, AUTHOR:DOMAIN:KEYFILE[:SELECTOR], where * is a wildcard.",
           depends("K")),
    Letter("L", "minimum", "LIMIT", "Accepted: a signature must cover the whole body.", harmless(
        "-L does nothing: a signature that leaves any of the body uncovered is not good (dkim_verify_partial_body)")),
    Letter("o", "omit-headers", "NAMES", "Do not sign these fields; commas between.", omits("dkim_sign_headers")),
    Letter("r", "require-headers", "", "Want Date and From once, other fields at most once (cause: security).",
           switches("milter_require_fields")),
    Letter("t", "evaluate", "FILES", "Show what the filter does with messages in files (commas between, - is standard"
           " input) that come from this host: signs or verifies; and end.", take_files),
    Letter("v", "verbose", "", "With -t, show every answer of the filter.",
           lambda line, value: setattr(line, "verbose", True)),
    Letter("F", "fixed-time", "TIME", "With -t, sign as if it were this time, in seconds since 1970 (t=, and x= after"
           " it); what is verified is verified now.", _take_fixed_time),
    *SIGNING,
)  # fmt: skip


def finish(line: CommandLine) -> None:
    """Settles which letters are meant."""
    seen = line.seen
    if "s" in seen or "S" in seen:
        _settle(line, _is_later(seen))
    if line.fixed_time is not None and not line.files:
        raise UsageError("-F is for messages in files: -t FILE -F TIME; mail that passes has the present time")
    key = seen.get("k")
    if "K" in seen:
        if not key:
            raise UsageError("-K needs -k FILE, the file of rules")
        line.options["milter_key_list"] = os.path.abspath(key)
    elif key:
        line.options["dkim_private_key"] = literal_file(key)
    if seen.get("c") == "nowsp":
        _take_nowsp(line)
    if "K" not in seen:
        signing = {"-d": "milter_domains", "--key": "dkim_private_key", "--selector": "dkim_selector"}
        check_complete(line, signing, "-d DOMAIN --key FILE --selector NAME")


def _is_later(seen: dict[str, str]) -> bool:
    """Whether the letters are the later ones."""
    later = [f"-{letter}" for letter in "kK" if letter in seen]
    older: list[str] = []
    if "S" in seen:
        (later if seen["S"].lower() in ALGORITHMS else older).append(f"-S {seen['S']}")
    if "/" in seen.get("s", ""):
        older.append(f"-s {seen['s']}")
    if later and older:
        raise UsageError(
            f"{' '.join(later)} is of the later letters (-k KEYFILE -s SELECTOR -S ALGORITHM), {' '.join(older)} of "
            "those of 2005 (-s KEYFILE -S SELECTOR); write --key, --selector and --algorithm"
        )
    if not later and not older:
        raise UsageError(
            f"-s {seen.get('s')} may be a selector, or the key file of 2005; write --selector NAME --key FILE"
        )
    return bool(later)


def _settle(line: CommandLine, later: bool) -> None:
    seen = line.seen
    if later:
        if "s" in seen:
            line.options["dkim_selector"] = literal(seen["s"])
        if "S" in seen:
            line.options["dkim_hash"] = _algorithm(seen["S"])
            if seen["S"].lower() == "rsa-sha1":
                line.warnings.append("-S rsa-sha1: no verifier accepts it any more (RFC 8301); leave -S out")
        return
    if "s" in seen:
        line.options["dkim_private_key"] = literal_file(seen["s"])
    if "S" in seen:
        line.options["dkim_selector"] = literal(seen["S"])


def _take_nowsp(line: CommandLine) -> None:
    """The canonicalization of the draft of 2005: the old signature where that is switched on, else today's."""
    if line.options.get("dkim_legacy") in ("true", "yes"):
        line.options["dkim_canon"] = "nowsp"
    else:
        line.options["dkim_canon"] = "relaxed"
        line.warnings.append(
            "-c nowsp became relaxed in 2006, and that is used; signatures of 2005 are made with --set dkim_legacy=true"
        )


PROGRAM = Program(
    "dkim-filter",
    "Signs and verifies DKIM (RFC 6376) for Sendmail or Postfix.",
    LETTERS,
    EXAMPLES + EPILOG + EVALUATION,
    finish,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs dkim-filter; the exit status."""
    return run_program(PROGRAM, sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
