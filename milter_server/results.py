"""What is written into a message, and what becomes of it, once it has been verified.

Authentication-Results fields that bear our id and were there before are forged, and are removed, also those that cannot
be parsed; but for those of filters before this one (`stamp`, or `milter_trusted_results`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from exim_dkim.authentication import Authentication, Method
from exim_dkim.authres import FIELD_NAME, MethodResult, bears_id, parse_authres
from exim_dkim.errors import ParseError
from exim_dkim.message import HeaderField
from exim_dkim.outcome import DkimResult, SpfResult
from exim_dkim.senderid.evaluate import SenderIdVerdict
from exim_dkim.spf import SpfVerdict
from milter_server.actions import Cause, cause_of
from milter_server.message import Header

NO_KEY: Final = frozenset(("KEY_NXDOMAIN", "KEY_NO_DATA", "KEY_REVOKED"))
"""Names of reasons of DKIM and DomainKeys: the domain has no such key."""

ONCE: Final = (b"date", b"from")
"""Fields that RFC 5322 §3.6 wants exactly once."""
AT_MOST_ONCE: Final = (
    b"sender", b"reply-to", b"to", b"cc", b"bcc", b"message-id", b"in-reply-to", b"references", b"subject",
)  # fmt: skip
"""And those that it wants once at most."""


def forged(header: Header, authserv_id: str, is_ours: Callable[[bytes], bool]) -> Iterator[int]:
    """The numbers of forged fields, from the last to the first, as the MTA counts Authentication-Results fields.

    `is_ours` tells, for the value of a field that bears our id, whether it may stay.
    """
    for number, value in reversed(header.occurrences(FIELD_NAME)):
        field = HeaderField(FIELD_NAME, b"Authentication-Results:" + value)
        if bears_id(field, authserv_id) and not is_ours(value):
            yield number


def says_only(value: bytes, trusted: Collection[str]) -> bool:
    """Whether a field reports these methods and nothing else."""
    if not trusted:
        return False
    try:
        results = parse_authres(value).results
    except ParseError:
        return False
    return bool(results) and all(result.method in trusted for result in results)


def field_fault(fields: Sequence[HeaderField]) -> str:
    """What is wrong with the number of a field (`-r` of dkim-filter); empty if nothing is."""
    names = [field.name for field in fields]
    for name in ONCE:
        if names.count(name) != 1:
            return f"{names.count(name)} {name.decode().title()} fields"
    several = next((name for name in AT_MOST_ONCE if names.count(name) > 1), None)
    return f"{names.count(several)} {several.decode().title()} fields" if several else ""


Told = Mapping[Method, Sequence[MethodResult]]
"""What the field says of each method."""


def signature_cause(found: Authentication, told: Told) -> Cause | None:
    """What the signatures of a message amount to; None when there is a good one, or none was asked for."""
    results: list[tuple[DkimResult, bool]] = []
    for method, said in told.items():
        if not method.wants_body:
            continue
        if method in found.unfinished:
            results.append((DkimResult.TEMPERROR, False))
            continue
        verdicts = getattr(found, method.field) or ()
        no_keys = [verdict.reason.name in NO_KEY for verdict in verdicts]
        results += zip((DkimResult(one.result) for one in said), no_keys or [False], strict=False)
    return cause_of(results) if results else None


GUESSES: Final = {"GUESSED_PASS": SpfResult.PASS, "GUESS_UNDECIDED": SpfResult.TEMPERROR}
"""Reasons of SPF and Sender ID by their names: what a guess counts as, for a refusal only."""


def sender_words(found: Authentication) -> tuple[SpfResult | None, SpfResult | None]:
    """What SPF and Sender ID found, as it counts for a refusal; None for what was not asked for."""

    def word(method: Method) -> SpfResult | None:
        if method in found.unfinished:
            return SpfResult.TEMPERROR
        verdict: SpfVerdict | SenderIdVerdict | None = getattr(found, method.field)
        return None if verdict is None else GUESSES.get(verdict.reason.name, verdict.result)

    return word(Method.SPF), word(Method.SENDERID) or word(Method.SENDERID_MFROM)


def sender_refused(mode: int, spf: SpfResult | None, senderid: SpfResult | None) -> bool:
    """Whether SPF and Sender ID refuse a message, as `-r` of sid-filter says.

    0 never; 1 both fail; 2 one of them fails; 3 neither passes; 4 not both pass; 5 one fails and neither passes. Of a
    single method, "both" is that one.
    """
    words = [word for word in (spf, senderid) if word is not None]
    if not words:
        return False
    fails = [word is SpfResult.FAIL for word in words]
    passes = [word is SpfResult.PASS for word in words]
    decisions = (
        False, all(fails), any(fails), not any(passes), not all(passes), any(fails) and not any(passes),
    )  # fmt: skip
    return decisions[mode]


def sender_deferred(mode: int, spf: SpfResult | None, senderid: SpfResult | None) -> bool:
    """Whether the DNS must be asked again before it can be said that a message is not refused."""
    if not mode or SpfResult.TEMPERROR not in (spf, senderid):
        return False

    def possible(word: SpfResult | None) -> tuple[SpfResult | None, ...]:
        return (SpfResult.FAIL, SpfResult.PASS, SpfResult.NONE) if word is SpfResult.TEMPERROR else (word,)

    return any(sender_refused(mode, one, other) for one in possible(spf) for other in possible(senderid))
