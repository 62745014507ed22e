"""Thousands of generated records, judged by this package and by pyspf as it is; each difference has its reason here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exim_dkim.spf import SpfPolicy, SpfVerdict, check_host
from exim_dkim.spf.walk import Walk
from tests.support.plain_pyspf import Plain, judge
from tests.support.run import run
from tests.support.spf_generated import Pair, pairs

COUNT = 3000
DEFAULT = "SPF fail - not authorized"

Explains = Callable[[Pair, SpfVerdict, Plain], bool]


def _uses(pair: Pair, *texts: str) -> bool:
    return any(text in str(value) for value in pair.zone.values() for text in texts)


UNLIKE: dict[str, Explains] = {
    "An include of the domain itself is an error when it is reached, and not before (RFC 7208 §4.6: loops end by the "
    "limit of look-ups).": lambda pair, ours, plain: "trivial recursion" in plain.problem,
    "§6: modifiers that are not known are ignored, however often they stand there.": lambda pair, ours, plain: (
        "MUST appear at most once" in plain.problem and "exp=" not in plain.problem
    ),
    "§5.5: DNS trouble with ptr, and so with %{p}, is no match; pyspf: temperror.": lambda pair, ours, plain: (
        plain.result == "temperror" and _uses(pair, "ptr", "%{p")
    ),
    "§4.6.1: modifiers are known in any letter case.": lambda pair, ours, plain: _uses(pair, "Redirect="),
    "§7.3: a macro that keeps no part is an error.": lambda pair, ours, plain: _uses(pair, "0}"),
    "A macro is expanded when its term is reached. pyspf asks for all %{p} before, and counts what it does not find.": (
        lambda pair, ours, plain: "Void lookup" in plain.problem and _uses(pair, "%{p")
    ),
    "§4.3: a missing local part is postmaster, in %{s} too.": lambda pair, ours, plain: (
        (pair.envelope.sender or b"").startswith(b"@") and _uses(pair, "%{s", "%{S")
    ),
    "§4.3: a single label is no domain.": lambda pair, ours, plain: (
        not pair.envelope.sender and b"." not in pair.envelope.helo
    ),
}


def alike(ours: SpfVerdict, plain: Plain) -> bool:
    """The same word, and for a fail the same explanation."""
    if ours.result.value != plain.result:
        return False
    return plain.result != "fail" or (ours.text or DEFAULT) == plain.explanation


@pytest.mark.parametrize(("seed", "junk"), [(1, 0.15), (2, 0.0), (3, 0.8)])
def test_generated_records(seed: int, junk: float, monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    original = Walk.run

    async def watched(self: Walk) -> object:
        reason = await original(self)
        walked.append(reason is not None)
        return reason

    monkeypatch.setattr(Walk, "run", watched)
    words = set()
    for pair in pairs(COUNT // 3, seed, junk):
        ours = run(check_host(pair.envelope, pair.resolver, SpfPolicy()))
        plain = judge(pair.envelope, pair.resolver)
        words.add(plain.result)
        if not alike(ours, plain):
            assert any(explains(pair, ours, plain) for explains in UNLIKE.values()), (pair, ours, plain)
    assert words == {"pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"}
    assert 0.5 < sum(walked) / len(walked) < 1, "both ways of evaluation are to be tested"


@pytest.mark.parametrize("reason", UNLIKE)
def test_every_reason_explains_something(reason: str) -> None:
    for pair in pairs(COUNT, 1):
        ours = run(check_host(pair.envelope, pair.resolver, SpfPolicy()))
        plain = judge(pair.envelope, pair.resolver)
        if not alike(ours, plain) and UNLIKE[reason](pair, ours, plain):
            return
    raise AssertionError("no longer true")
