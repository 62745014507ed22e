"""What is said of findings: words, one line for the log, one for people."""

from __future__ import annotations

import pytest

from exim_dkim.authentication import Authentication, Method
from exim_dkim.dkim.signature import parse_signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.message import parse_field
from exim_dkim.outcome import DkimReason, SpfReason
from exim_dkim.spf import SpfVerdict
from exim_dkim.words import parse_key
from lookup_server.findings import MAX_TOLD, Findings, explain, tell_log


def verdict(reason: DkimReason, domain: str = "example.org", *, testing: bool = False, bits: int = 2048) -> Verdict:
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=sel; h=From; bh=YQ==; b=YQ==".encode()
    return Verdict(reason, parse_signature(parse_field(field)), "the detail", testing, bits)


GOOD = verdict(DkimReason.GOOD)
BAD = verdict(DkimReason.BODY_HASH_MISMATCH, "other.example")
TIMEOUT = verdict(DkimReason.KEY_TIMEOUT, "slow.example", bits=0)
TESTING = verdict(DkimReason.SIGNATURE_MISMATCH, testing=True)


LATE = Findings(Authentication(unfinished={Method.DKIM: "no time", Method.SPF: "no time"}))
UNVERIFIED = Findings(unverified={Method.DKIM: "nobody asked", Method.SENDERID: "no message"})


def of(*verdicts: Verdict) -> Findings:
    return Findings(Authentication(dkim=verdicts))


@pytest.mark.parametrize(
    ("findings", "word"),
    [
        (of(), "unsigned"),
        (of(GOOD, BAD, TIMEOUT), "good"),
        (of(BAD, TIMEOUT), "defer"),
        (of(BAD), "bad"),
        (of(TESTING), "unsigned"),
        (LATE, "defer"),
        (UNVERIFIED, "unverified"),
    ],
)
def test_words_of_dkim(findings: Findings, word: str) -> None:
    assert findings.word(Method.DKIM) == word
    assert explain(findings, Method.DKIM, None).startswith(f"{word}: ")


@pytest.mark.parametrize(
    ("findings", "method", "word", "why"),
    [
        (LATE, Method.SPF, "temperror", "temperror: no time"),
        (UNVERIFIED, Method.SENDERID, "none", "none: no message"),
        (
            Findings(Authentication(spf=SpfVerdict(SpfReason.MATCHED_FAIL, domain="x.example", mechanism="-all"))),
            Method.SPF,
            "fail",
            "fail: mailfrom x.example: the domain says that this client is not permitted (-all)",
        ),
    ],
)
def test_words_of_others(findings: Findings, method: Method, word: str, why: str) -> None:
    assert findings.word(method) == word
    assert explain(findings, method, None) == why


def test_why_says_what_an_administrator_must_know() -> None:
    def why(findings: Findings, key: bytes = b"") -> str:
        return explain(findings, Method.DKIM, parse_key(key) if key else None)

    assert "the body was changed" in why(of(GOOD, BAD), b"other.example")
    assert "other.example" not in why(of(GOOD, BAD), b"example.org")
    assert why(of(GOOD), b"third.example").endswith("the message has signatures of example.org")
    assert why(of()) == "unsigned: the message has no DKIM signature"
    assert "t=y" in why(of(TESTING))
    assert why(of(*(BAD,) * 30)).count("the body was changed") == MAX_TOLD
    assert "and 20 more" in why(of(*(BAD,) * 30))


def test_the_log_line() -> None:
    def line(findings: Findings, *methods: Method) -> str:
        return tell_log(findings, methods or (Method.DKIM,))

    assert line(of()) == "dkim=unsigned"
    assert line(LATE, Method.DKIM, Method.SPF) == "dkim=defer [no time] spf=temperror [no time]"
    assert line(of(GOOD, TIMEOUT)) == (
        "dkim=good d=example.org s=sel a=rsa-sha256 b=2048 [pass: the signature is good (the detail)]"
        " d=slow.example s=sel a=rsa-sha256 [temperror: the key could not be fetched: the name servers did not answer"
        " in time (the detail)]"
    )
    assert line(of(*(BAD,) * 11)).endswith(" and 1 more") or len(line(of(*(BAD,) * 11))) == 900
    assert len(line(of(*(BAD,) * 200))) <= 900
    spf = Findings(Authentication(spf=SpfVerdict(SpfReason.NO_RECORD, domain="x.example")))
    assert line(spf, Method.SPF) == "spf=none [mailfrom x.example: the domain has no SPF record]"
