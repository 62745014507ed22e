"""SPF compared with Mail::SPF on generated records. What it does otherwise is in `UNLIKE`, with the reason.

A row that explains nothing any more is an error. (pyspf is compared in tests/exim_dkim/spf/test_against_pyspf.py.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from exim_dkim.memory import Key, Value
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import Trouble
from exim_dkim.spf import SpfPolicy, SpfVerdict, check_host
from tests.support import mail_spf
from tests.support.mail_spf import Answer
from tests.support.peers import MAIL_SPF, only_with
from tests.support.run import run
from tests.support.senderid_cases import Zone
from tests.support.spf_generated import Pair, pairs

COUNT = 1200


class Comparison(NamedTuple):
    """One envelope, judged by both."""

    pair: Pair
    ours: SpfVerdict
    peer: Answer

    @property
    def alike(self) -> bool:
        """The same word, and for a fail the same explanation."""
        if self.ours.result.value != self.peer.result:
            return False
        return self.peer.result != "fail" or self.ours.text == self.peer.text

    def uses(self, *texts: str) -> bool:
        """Whether one of the texts is anywhere in the zone."""
        return any(text in str(value) for value in self.pair.zone.values() for text in texts)


Explains = Callable[[Comparison], bool]

UNLIKE: dict[str, Explains] = {
    "ip6 with a length of 0 matches IPv4 clients too (§5.6: other address families do not match).": lambda both: (
        "." in str(both.pair.envelope.client) and both.uses("::1/0", "::77/0")
    ),
    "§4.6: syntax errors anywhere in a record are permerror; those in macros it finds when a term is reached.": (
        lambda both: both.ours.reason is SpfReason.BAD_SYNTAX and "acro" in both.ours.detail
    ),
    "§4.6.4 leaves open what a void look-up is; it counts terms, and pyspf each question.": lambda both: (
        both.ours.reason is SpfReason.TOO_MANY_VOID_LOOKUPS or "void DNS" in both.peer.why
    ),
    "It dies of a domain with an empty label; §4.8: such a term does not match.": lambda both: (
        both.peer.result == "exception" and "empty label" in both.peer.why
    ),
    "§4.3: a missing local part is postmaster, in %{s} too.": lambda both: (
        both.ours.reason is SpfReason.MATCHED_FAIL and (both.pair.envelope.sender or b"").startswith(b"@")
    ),
    "%{i} of an IPv6 address has capital letters, as in pyspf; DNS does not mind.": lambda both: (
        both.ours.text.lower() == both.peer.text.lower() and both.ours.text != both.peer.text
    ),
}


def without_partial_trouble(zone: dict[Key, Value]) -> dict[Key, Value]:
    """The zone, in which a name fails for all types or for none: the peer's test resolver knows no more."""
    failing = {key for key, value in zone.items() if isinstance(key, str) and isinstance(value, Trouble)}
    return {
        key: value
        for key, value in zone.items()
        if isinstance(key, str) or (key[0] not in failing and not isinstance(value, Trouble))
    }


def zone_of(zone: dict[Key, Value]) -> Zone:
    """The zone as the peer takes it."""
    found: Zone = {}
    for key, value in zone.items():
        name, record_type = (key, "TXT") if isinstance(key, str) else (key[0], key[1].name)
        if isinstance(value, Trouble):
            found[name] = value.name
            continue
        held = found.setdefault(name, {})
        assert isinstance(held, dict)
        texts = [value] if isinstance(value, str | bytes) else value
        held.setdefault(record_type, []).extend(str(text) for text in texts)
    return found


@pytest.fixture(scope="module")
def comparisons() -> Iterator[list[Comparison]]:
    """Every pair judged by both, once."""
    with mail_spf.opened() as peer:
        yield list(compare(peer))


def compare(peer: mail_spf.MailSpf) -> Iterator[Comparison]:
    """Judge each pair twice."""
    for drawn in pairs(COUNT, 1, 0.1):
        pair = drawn._replace(zone=without_partial_trouble(drawn.zone))
        envelope = pair.envelope
        if not envelope.sender:
            continue
        ours = run(check_host(envelope, pair.resolver, SpfPolicy()))
        sender, helo = envelope.sender.decode(), envelope.helo.decode()
        yield Comparison(pair, ours, peer.judge("mfrom", sender, str(envelope.client), helo, zone_of(pair.zone)))


@pytest.mark.peer("Mail::SPF")
def test_mail_spf_agrees(comparisons: list[Comparison]) -> None:
    only_with(MAIL_SPF)
    assert {both.ours.result.value for both in comparisons} >= {"pass", "fail", "softfail", "neutral", "permerror"}
    for both in comparisons:
        assert both.alike or any(explains(both) for explains in UNLIKE.values()), both
    assert sum(both.alike for both in comparisons) > 0.9 * len(comparisons)


@pytest.mark.peer("Mail::SPF")
@pytest.mark.parametrize("reason", UNLIKE)
def test_every_reason_explains_something(comparisons: list[Comparison], reason: str) -> None:
    only_with(MAIL_SPF)
    assert any(not both.alike and UNLIKE[reason](both) for both in comparisons), "no longer true"
