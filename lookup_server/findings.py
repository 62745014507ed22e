"""What is known for one request: the findings, what was not looked at and why, and the words for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from exim_dkim.authentication import Authentication, Method
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.outcome import DkimResult, SpfResult
from exim_dkim.printable import one_line
from exim_dkim.senderid.evaluate import SenderIdVerdict
from exim_dkim.spf import SpfVerdict
from exim_dkim.words import Key, Word, dkim_word, domainkeys_word
from lookup_server.claims import Claims
from lookup_server.query import NAMES

MAX_TOLD: Final = 10
"""Signatures that `why` and the log tell of; a header can hold thousands."""

SignatureVerdict = Verdict | DomainKeysVerdict


class Findings(NamedTuple):
    """The findings on a message or envelope. `unverified`: the methods that were not used at all, each with the reason.

    `claims`: the Authentication-Results fields that the message came with.
    """

    authentication: Authentication = Authentication()
    unverified: Mapping[Method, str] = MappingProxyType({})
    claims: Claims = Claims()

    def word(self, method: Method, key: Key | None = None) -> str:
        """What an ACL is told: the words of 2008 for signatures (of `key`, or of all), else those of RFC 8601."""
        if method.wants_body:
            return self._signature_word(method, key).value
        if method in self.authentication.unfinished:
            return SpfResult.TEMPERROR.value
        verdict = self.verdict(method)
        return SpfResult.NONE.value if verdict is None else verdict.result.value

    def _signature_word(self, method: Method, key: Key | None) -> Word:
        if method in self.unverified:
            return Word.UNVERIFIED
        if method in self.authentication.unfinished:
            return Word.DEFER
        if method is Method.DOMAINKEYS:
            return domainkeys_word(self.authentication.domainkeys or (), key)
        return dkim_word(self.authentication.dkim or (), key)

    def verdicts(self, method: Method) -> Sequence[SignatureVerdict]:
        """The verdicts on all signatures."""
        return (self.authentication.domainkeys if method is Method.DOMAINKEYS else self.authentication.dkim) or ()

    def verdict(self, method: Method) -> SpfVerdict | SenderIdVerdict | None:
        """The one verdict of a method that is not about signatures."""
        found: SpfVerdict | SenderIdVerdict | None = getattr(self.authentication, method.field)
        return found

    def obstacle(self, method: Method) -> str:
        """Why the method has no finding; empty when it has."""
        return self.unverified.get(method) or self.authentication.unfinished.get(method, "")

    def chosen(self, method: Method, key: Key | None) -> Sequence[SignatureVerdict]:
        """The verdicts on the signatures of `key`, or on all."""
        if key is None:
            return self.verdicts(method)
        if method is Method.DOMAINKEYS:
            return [verdict for verdict in self.authentication.domainkeys or () if key.matches_domainkeys(verdict)]
        return [verdict for verdict in self.authentication.dkim or () if key.matches(verdict.signature)]

    def good_domains(self, method: Method) -> list[str]:
        """The domains that have a good signature."""
        good = (v.signature.domain for v in self.verdicts(method) if v.result is DkimResult.PASS)
        return [*dict.fromkeys(str(domain) for domain in good)]


def explain(findings: Findings, method: Method, key: Key | None) -> str:
    """`why ...`: the word, and what led to it."""
    word = findings.word(method, key)
    if obstacle := findings.obstacle(method):
        return f"{word}: {obstacle}"
    if not method.wants_body:
        verdict = findings.verdict(method)
        return f"{word}: {verdict.explanation}" if verdict else word
    chosen = findings.chosen(method, key)
    if chosen:
        told = "; ".join(verdict.explanation for verdict in chosen[:MAX_TOLD])
        more = f"; and {len(chosen) - MAX_TOLD} more" if len(chosen) > MAX_TOLD else ""
        hidden = word == Word.UNSIGNED.value and any(verdict.testing for verdict in chosen)
        testing = " (a failing signature counts as none while its key says t=y)"
        return f"{word}: {told}{more}{testing if hidden else ''}"
    verdicts = findings.verdicts(method)
    if not verdicts:
        return f"{word}: the message has no {_PROTOCOLS[method]} signature"
    others = dict.fromkeys(str(v.signature.domain or "?") for v in verdicts)
    return f"{word}: no signature matches; the message has signatures of {', '.join([*others][:MAX_TOLD])}"


_PROTOCOLS: Final = {Method.DKIM: "DKIM", Method.DOMAINKEYS: "DomainKeys"}


def tell_log(findings: Findings, methods: tuple[Method, ...]) -> str:
    """One line for the log, in the manner of Exim's own `DKIM:` lines."""
    return one_line(" ".join(_log_method(findings, method) for method in methods), 900)


def _log_method(findings: Findings, method: Method) -> str:
    word = f"{NAMES[method]}={findings.word(method)}"
    if obstacle := findings.obstacle(method):
        return f"{word} [{obstacle}]"
    if not method.wants_body:
        verdict = findings.verdict(method)
        return f"{word} [{verdict.explanation}]" if verdict else word
    verdicts = findings.verdicts(method)
    more = f" and {len(verdicts) - MAX_TOLD} more" if len(verdicts) > MAX_TOLD else ""
    return word + "".join(map(_log_verdict, verdicts[:MAX_TOLD])) + more


def _log_verdict(verdict: SignatureVerdict) -> str:
    signature = verdict.signature
    algorithm = ""
    if isinstance(verdict, Verdict):
        algorithm = f" a={one_line(verdict.signature.algorithm, 20) or '?'}"
    bits = f" b={verdict.key_bits}" if verdict.key_bits else ""
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return (
        f" d={signature.domain or '?'} s={signature.selector or '?'}{algorithm}{bits}"
        f" [{verdict.result.value}: {verdict.reason.text}{detail}]"
    )
