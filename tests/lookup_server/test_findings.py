"""What is said of findings: words, one line for the log, one for people."""

from __future__ import annotations

import pytest

from exim_dkim.dkim.signature import parse_signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.message import parse_field
from exim_dkim.outcome import DkimReason
from exim_dkim.words import Word, parse_key
from lookup_server.findings import MAX_TOLD, QUERIES, Findings, tell_log


def verdict(reason: DkimReason, domain: str = "example.org", *, testing: bool = False, bits: int = 2048) -> Verdict:
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=sel; h=From; bh=YQ==; b=YQ==".encode()
    return Verdict(reason, parse_signature(parse_field(field)), "the detail", testing, bits)


GOOD = verdict(DkimReason.GOOD)
BAD = verdict(DkimReason.BODY_HASH_MISMATCH, "other.example")
TIMEOUT = verdict(DkimReason.KEY_TIMEOUT, "slow.example", bits=0)
TESTING = verdict(DkimReason.SIGNATURE_MISMATCH, testing=True)


@pytest.mark.parametrize(
    ("findings", "words", "temporary"),
    [
        (Findings(), "unsigned", False),
        (Findings((GOOD, BAD, TIMEOUT)), "good", True),
        (Findings((BAD, TIMEOUT)), "defer", True),
        (Findings((BAD,)), "bad", False),
        (Findings((TESTING,)), "unsigned", False),
        (Findings((GOOD,), Word.DEFER, "no time"), "defer", True),
    ],
)
def test_words(findings: Findings, words: str, temporary: bool) -> None:
    assert QUERIES["dkim"](findings, None) == words
    assert QUERIES["all"](findings, None).startswith(f"dkim={words} ")
    assert QUERIES["why dkim"](findings, None).startswith(f"{words}: ")
    assert findings.temporary == temporary


def test_why_says_what_an_administrator_must_know() -> None:
    why = QUERIES["why dkim"]
    assert "the body was changed" in why(Findings((GOOD, BAD)), parse_key(b"other.example"))
    assert "other.example" not in why(Findings((GOOD, BAD)), parse_key(b"example.org"))
    assert "t=y" in why(Findings((TESTING,)), None)
    assert why(Findings((BAD,) * 30), None).count("the body was changed") == MAX_TOLD
    assert "and 20 more" in why(Findings((BAD,) * 30), None)


def test_the_log_line() -> None:
    assert tell_log(Findings()) == "dkim=unsigned"
    assert tell_log(Findings(word=Word.DEFER, why="no time")) == "dkim=defer [no time]"
    assert tell_log(Findings((GOOD, TIMEOUT))) == (
        "dkim=good d=example.org s=sel a=rsa-sha256 b=2048 [pass: the signature is good (the detail)]"
        " d=slow.example s=sel a=rsa-sha256 [temperror: the key could not be fetched: the name servers did not answer"
        " in time (the detail)]"
    )
    assert len(tell_log(Findings((BAD,) * 200))) <= 900
