"""Where we mean to differ from Exim 4.96. The table in `docs/expansion.md` has the same names, with the reasons."""

from __future__ import annotations

import re
from typing import NamedTuple


class Difference(NamedTuple):
    """A name, and a pattern for `template NL Exim's result NL ours`; none if only `different.txt` has it."""

    name: str
    pattern: re.Pattern[bytes] | None


def _row(name: str, pattern: bytes | None = None) -> Difference:
    return Difference(name, re.compile(pattern, re.DOTALL) if pattern else None)


# The first one that fits counts.
DIFFERENCES = (
    _row("crash", rb"\n\(Exim ends\)\n"),
    _row(
        "skipping",
        rb"\nFailed: .*(missing '}' closing extract|unrecognised boolean|must be numeric|not given an IP"
        rb"|is not a (positive )?number|is not a .*named list|is not an IP address|error in expression evaluation"
        rb"|regular expression error|and \"fail\" requested inside \"for).*\n(?!Failed: )"
        rb"|\n(?!Failed: )[^\n]*\nFailed: missing '\{' for arg"
        rb"|\nFailed: argument for base(32|62)d? operator .* inside \"for[^\n]*\n(?!Failed: )"
        rb"|\nFailed: curly-bracket problem in conditional yes/no parsing: 'yes' part did not end .*\n(?!Failed: )",
    ),
    _row("not-here", rb"\nFailed: .*has no meaning outside Exim|\nFailed: \"@\[\]\" in a list is not supported"),
    _row("argument", rb"\nFailed: .*does not take an _arg\)$"),
    _row("match-ip", rb"match_ip.*\nFailed: .* is not an IP address or network; match_ip cannot look it up here"),
    _row("pcre-version", rb"regular expression error in.* at offset [0-9]+\n.*at offset [0-9]+$|using \\C is disabled"),
    _row("overflow", rb"time_eval:[0-9]{9}"),
    _row("at-sign", rb"match_address.*\ny:\S*@\S*\ny:|match_address.*(\*@\+|\[\$value\])"),
    _row("match-negated", rb"match_(domain|local_part).*!\+"),
    _row("charset", rb"rfc2047d:.*\nFailed: iconv_open"),
    _row("number", rb"eval:[^\n]*0x.*\nFailed: [^\n]*expecting operator"),
    _row("ipv6norm", rb"ipv6norm:::|ipv6norm:[^{}]*\}.*\n(?!Failed: )[^\n]*\n(?!Failed: )"),
    _row("separator-alone", rb"listextract\{-?[0-9]+\}\{.*<"),
    _row("quoted-key", rb"quoted key.*ret=full"),
    _row("words", rb"extract.*\nFailed: .*\nFailed: |\nFailed: unable to complete match against .*: NULL\nFailed: "),
    _row("printing", rb"[^\n]*\nFailed: [^\n]*[\x00-\x09\x0b-\x1f\x7f-\xff][^\n]*\nFailed: "),
    _row(
        "inner-value",
        rb"(map|filter|reduce|sort|forany|forall).*\$\{(reduce|map|filter)"
        rb"|(map|filter|reduce|sort|forany|forall).*(match_|inlist)",
    ),
    _row("return-path"),
    _row("partial-whole"),
    _row("early", rb"lookup.*\n(?!Failed: )[^\n]*\nFailed: unknown lookup type"),
    _row("lookup-option", rb"DEFER: unknown (filter )?option for"),
    _row("file-names"),
    _row("tainted-words"),
    _row("separator", rb"\$\{(map|filter|listcount|reduce)[:{]\$l?h_(from|x-sep|subject):"),
    _row("partial-query"),
    _row("sql"),
    _row("idna", rb"utf8_domain_(to|from)_alabel"),
    _row(
        "sort",
        rb"sort\{[^{}]*\}\{[a-z]+\}\{ |Internal error in sort|sort\{[^{}]*:[ \t]*:"
        rb"|sort.*\nFailed: ((invalid )?integer|unknown condition|\$ not followed)[^\n]*$",
    ),
    _row("json", rb"json[^\n]*\\\"|(missing '[]}]' wrapping|missing or misplaced).*json$|json[^\n]*\{[^\n]*[{,]"),
    _row("readsocket"),
    _row("from-utf8"),
    _row("newer"),
    _row("ret-key"),
    _row("taint"),
    _row("limits"),
)


def find_difference(template: bytes, exim: bytes, ours: bytes) -> str:
    """The name of the difference that explains two results; empty if there is none."""
    text = b"\n".join((template, exim, ours))
    return next((row.name for row in DIFFERENCES if row.pattern and row.pattern.search(text)), "")
