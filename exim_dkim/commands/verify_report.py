"""What `exim-dkim verify` says of one message: lines of a table, or an object for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from exim_dkim.authentication import Authentication, Method, verdict_comment
from exim_dkim.commands import senderid, spf
from exim_dkim.commands.breakage import UNEXPLAINED
from exim_dkim.commands.output import printable
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.words import Key, Word, dkim_word, domainkeys_word

ERROR: Final = "error"


class Report(NamedTuple):
    """What is said of one message. `problem` tells why it could not be judged; `word` is then without meaning.

    `word` is that of DKIM. `diagnoses`: for each verdict of DKIM what `breakage.explain` says; empty when nobody asked.
    `has_from`: there is a From field, as in every message.
    """

    name: str
    word: Word
    found: Authentication = Authentication()
    problem: str = ""
    diagnoses: tuple[str, ...] = ()
    has_from: bool = True

    @property
    def result(self) -> str:
        """The word, or `error`."""
        return ERROR if self.problem else self.word.value

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts of DKIM."""
        return self.found.dkim or ()


Row = tuple[str, str, str, str, str]


def report_rows(report: Report, key: Key | None) -> Iterator[Row]:
    """The lines of a table for one message: one a signature that `key` matches, or one that says why there is none.

    Then those of the other methods, if they were asked for; their reasons begin with the method's name.
    """
    if report.problem:
        yield ERROR, report.name, "-", "-", report.problem
        return
    yield from _dkim_rows(report, key)
    for verdict in report.found.domainkeys or ():
        if key is None or key.matches_domainkeys(verdict):
            yield _domainkeys_row(report.name, verdict)
    for method in (Method.SPF_HELO, Method.SPF, Method.SENDERID):
        found = getattr(report.found, method.field)
        if found is not None:
            yield found.result.value, report.name, found.domain or "-", "-", f"{method.word}: {found.explanation}"
    for method, why in report.found.unfinished.items():
        if method is not Method.DKIM:
            yield ERROR, report.name, "-", "-", f"{method.word}: {why}"


def _domainkeys_row(name: str, verdict: DomainKeysVerdict) -> Row:
    word = domainkeys_word((verdict,), None).value
    signature = verdict.signature
    reason = f"domainkeys: {verdict_comment(verdict) or verdict.reason.text}"
    return word, name, signature.domain or "-", signature.selector or "-", reason


def _dkim_rows(report: Report, key: Key | None) -> Iterator[Row]:
    diagnoses = report.diagnoses or ("",) * len(report.verdicts)
    pairs = zip(report.verdicts, diagnoses, strict=True)
    matching = [(verdict, text) for verdict, text in pairs if key is None or key.matches(verdict.signature)]
    if not matching:
        reason = "the message has no signature" + ("" if report.has_from else ", and no From: is this a message?")
        if report.verdicts:
            reason = f"no signature of the {len(report.verdicts)} that the message has is for the key"
        yield Word.UNSIGNED.value, report.name, "-", "-", reason
    for verdict, text in matching:
        signature = verdict.signature
        domain, selector = signature.domain or "-", signature.selector or "-"
        reason = reason_text(verdict) + (f"; {told(text)}" if text else "")
        yield dkim_word((verdict,), None).value, report.name, domain, selector, reason


def reason_text(verdict: Verdict) -> str:
    """Why a signature is what it is, in a line."""
    detail = f" ({verdict.detail})" if verdict.detail else ""
    testing = "; the key says t=y: testing" if verdict.testing else ""
    return verdict.reason.text + detail + testing


def told(diagnosis: str) -> str:
    """A diagnosis as a sentence."""
    return diagnosis if diagnosis == UNEXPLAINED else f"it fits {diagnosis}"


def report_object(report: Report) -> dict[str, object]:
    """One message for JSON: all its signatures, whatever the key."""
    return {
        "message": printable(report.name),
        "result": report.result,
        "error": report.problem or None,
        "signatures": [
            signature_object(verdict, report.diagnoses[i] if report.diagnoses else "")
            for i, verdict in enumerate(report.verdicts)
        ],
        **_others(report.found),
    }


def _others(found: Authentication) -> dict[str, object]:
    """The other methods, those that were asked for."""
    told: dict[str, object] = {}
    if found.domainkeys is not None:
        told["domainkeys"] = [domainkeys_object(verdict) for verdict in found.domainkeys]
    for name, verdict in (("spf_helo", found.spf_helo), ("spf", found.spf)):
        if verdict is not None:
            told[name] = spf.verdict_object(verdict, None)
    if found.senderid is not None:
        told["senderid"] = senderid.verdict_object(found.senderid)
    return told


def domainkeys_object(verdict: DomainKeysVerdict) -> dict[str, object]:
    """One DomainKeys signature for JSON."""
    signature, sender = verdict.signature, verdict.sender
    return {
        "result": verdict.result.value,
        "reason": verdict.reason.name.lower(),
        "explanation": verdict.explanation,
        "domain": signature.domain,
        "selector": signature.selector,
        "sender": sender.address if sender else None,
        "testing": verdict.testing,
        "key_bits": verdict.key_bits or None,
    }


def signature_object(verdict: Verdict, diagnosis: str = "") -> dict[str, object]:
    """One signature for JSON, as the server's `json` has it; `reason` is a name that never changes."""
    signature = verdict.signature
    return {
        "result": verdict.result.value,
        "reason": verdict.reason.name.lower(),
        "explanation": verdict.explanation,
        "domain": signature.domain,
        "selector": signature.selector,
        "identity": signature.identity or None,
        "algorithm": signature.algorithm or None,
        "testing": verdict.testing,
        "key_bits": verdict.key_bits or None,
        "diagnosis": told(diagnosis) if diagnosis else None,
    }
