"""What sender authentication found about one message, and the Authentication-Results field that says so (RFC 8601).

Pure values. `system.authenticate` finds them out; front ends tell them.
"""

from __future__ import annotations

import binascii
import enum
import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar, assert_never

from exim_dkim.authres import AuthenticationResults, MethodResult, Property, format_authres
from exim_dkim.dkim.signature import Signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.envelope import Envelope
from exim_dkim.outcome import DkimResult, SpfResult
from exim_dkim.senderid.evaluate import SenderIdVerdict
from exim_dkim.senderid.record import Scope
from exim_dkim.spf import SpfIdentity, SpfVerdict

MAX_TOLD: Final = 20
"""Signatures that one field tells of; a header can hold thousands. Those that pass come first when not all do."""
B_CHARACTERS: Final = 8
"""Characters of b= that header.b shows at least (RFC 6008 §4)."""


SignatureVerdict = TypeVar("SignatureVerdict", Verdict, DomainKeysVerdict)


class Method(enum.Enum):
    """What can be asked for. `word` is the method's name in RFC 8601 §2.7, `field` that of its finding here."""

    DKIM = "dkim"
    DOMAINKEYS = "domainkeys"
    SPF = "spf"
    SPF_HELO = "spf helo"
    SENDERID = "sender-id"
    SENDERID_MFROM = "sender-id mfrom"

    __hash__ = object.__hash__  # members are single; Enum's own hash is slow, and every look-up needs it

    @property
    def word(self) -> str:
        """The name that stands before `=`."""
        return self.value.partition(" ")[0]

    @functools.cached_property
    def field(self) -> str:
        """The field of `Authentication`."""
        return self.name.lower()

    @functools.cached_property
    def wants_body(self) -> bool:
        """True for those that sign bodies."""
        return self in (Method.DKIM, Method.DOMAINKEYS)


class Authentication(NamedTuple):
    """The findings of all methods on one message; None: not asked for, or in `unfinished`.

    `unfinished` holds the methods that were asked for and have no finding, each with the reason for people: no time was
    left, or something broke. Its result is temperror.
    """

    envelope: Envelope = Envelope()
    dkim: tuple[Verdict, ...] | None = None
    domainkeys: tuple[DomainKeysVerdict, ...] | None = None
    spf: SpfVerdict | None = None
    spf_helo: SpfVerdict | None = None
    senderid: SenderIdVerdict | None = None
    senderid_mfrom: SenderIdVerdict | None = None
    unfinished: Mapping[Method, str] = MappingProxyType({})

    @property
    def temporary(self) -> bool:
        """True when asking again later may find something else."""
        others = (self.spf, self.spf_helo, self.senderid, self.senderid_mfrom)
        return (
            bool(self.unfinished)
            or any(verdict.result is DkimResult.TEMPERROR for verdict in self.dkim or ())
            or any(verdict.result is DkimResult.TEMPERROR for verdict in self.domainkeys or ())
            or any(verdict is not None and verdict.result is SpfResult.TEMPERROR for verdict in others)
        )


def merge(envelope: Envelope, parts: Mapping[Method, Authentication]) -> Authentication:
    """One `Authentication` from the parts in which each method's finding is."""
    found = {method.field: getattr(part, method.field) for method, part in parts.items()}
    unfinished = {method: part.unfinished[method] for method, part in parts.items() if method in part.unfinished}
    return Authentication(envelope, unfinished=unfinished, **found)


def authentication_results(authentication: Authentication, authserv_id: str) -> bytes:
    """One whole field in wire form, without the CRLF after it: what was asked for, in the order of `Method`.

    `none` stands there when nothing was.
    """
    results = [result for method in Method for result in method_results(authentication, method)]
    return format_authres(AuthenticationResults(authserv_id, tuple(results)))


def method_results(authentication: Authentication, method: Method) -> Sequence[MethodResult]:
    """What the field says of one method; nothing if it was not asked for."""
    if method in authentication.unfinished:
        return [MethodResult(method.word, "temperror", comments=(authentication.unfinished[method],))]
    found, envelope = getattr(authentication, method.field), authentication.envelope
    if found is None:
        return ()
    match method:
        case Method.DKIM:
            return _dkim_results(found)
        case Method.DOMAINKEYS:
            return _domainkeys_results(found)
        case Method.SPF | Method.SPF_HELO:
            return [_spf_result(found, envelope)]
        case Method.SENDERID | Method.SENDERID_MFROM:
            return [_senderid_result(found, envelope)]
    assert_never(method)


def _dkim_results(verdicts: Sequence[Verdict]) -> Sequence[MethodResult]:
    told = _told(verdicts)
    if not told:
        return [MethodResult(Method.DKIM.word, DkimResult.NONE.value)]
    shown = _shown_data([verdict.signature for verdict in told])
    return [_dkim_result(verdict, data) for verdict, data in zip(told, shown, strict=True)]


def _told(verdicts: Sequence[SignatureVerdict]) -> Sequence[SignatureVerdict]:
    """All of them; of very many those that pass, and as many of the others as there is room for."""
    if len(verdicts) <= MAX_TOLD:
        return verdicts
    return sorted(verdicts, key=lambda verdict: verdict.result is not DkimResult.PASS)[:MAX_TOLD]


def _domainkeys_results(verdicts: Sequence[DomainKeysVerdict]) -> Sequence[MethodResult]:
    told = _told(verdicts)
    if not told:
        return [MethodResult(Method.DOMAINKEYS.word, DkimResult.NONE.value)]
    return [_domainkeys_result(verdict) for verdict in told]


def _domainkeys_result(verdict: DomainKeysVerdict) -> MethodResult:
    """With header.from or header.sender, the field that gave the sending address (RFC 4870 §3.1)."""
    properties = []
    if verdict.signature.domain:
        properties.append(Property("header", "d", verdict.signature.domain))
    if verdict.sender:
        properties.append(Property("header", verdict.sender.field, verdict.sender.address))
    comment = verdict_comment(verdict)
    comments = (comment,) if comment else ()
    return MethodResult(Method.DOMAINKEYS.word, verdict.result.value, tuple(properties), comments=comments)


def _dkim_result(verdict: Verdict, data: str) -> MethodResult:
    signature = verdict.signature
    properties = {
        "d": signature.domain or "",
        "i": signature.identity,
        "s": signature.selector or "",
        "a": signature.algorithm,
        "b": data,
    }
    comment = verdict_comment(verdict)
    return MethodResult(
        Method.DKIM.word,
        verdict.result.value,
        tuple(Property("header", name, value) for name, value in properties.items() if value),
        comments=(comment,) if comment else (),
    )


def signature_result(verdict: Verdict | DomainKeysVerdict) -> MethodResult:
    """What the field would say of this signature alone."""
    if isinstance(verdict, Verdict):
        return _dkim_result(verdict, _shown_data([verdict.signature])[0])
    return _domainkeys_result(verdict)


def verdict_comment(verdict: Verdict | DomainKeysVerdict) -> str:
    """Why a signature is what it is, for people; of a good one, how strong its key is."""
    testing = ""
    if verdict.testing:
        testing = f"the {'key' if isinstance(verdict, Verdict) else 'domain'} says t=y: testing"
    if verdict.result is DkimResult.PASS:
        told = [f"{verdict.key_bits}-bit key" if verdict.key_bits else "", testing]
    else:
        detail = f" ({verdict.detail})" if verdict.detail else ""
        told = [f"{verdict.reason.text}{detail}", testing]
    return "; ".join(filter(None, told))


def _spf_result(verdict: SpfVerdict, envelope: Envelope) -> MethodResult:
    """With smtp.helo where the HELO name was judged, be it for a null reverse-path (RFC 7208 §2.4)."""
    name = "helo" if verdict.identity is SpfIdentity.HELO or not envelope.sender else "mailfrom"
    properties = (_smtp(name, envelope), *_guessed(verdict))
    return MethodResult(Method.SPF.word, verdict.result.value, properties, comments=(_record_comment(verdict),))


def _senderid_result(verdict: SenderIdVerdict, envelope: Envelope) -> MethodResult:
    """With header.FIELD, the field that gave the PRA; smtp.mailfrom or smtp.helo where not the PRA was judged."""
    properties: tuple[Property, ...] = ()
    if verdict.scope is Scope.MFROM:
        properties = (_smtp("mailfrom" if envelope.sender else "helo", envelope),)
    elif verdict.field and verdict.address:
        properties = (Property("header", verdict.field, verdict.address),)
    properties += _guessed(verdict)
    comments = (_record_comment(verdict),)
    return MethodResult(Method.SENDERID.word, verdict.result.value, properties, comments=comments)


def _guessed(verdict: SpfVerdict | SenderIdVerdict) -> tuple[Property, ...]:
    """A guess is local policy, and is told as such: the result stays what the protocol says (RFC 8601 §2.4)."""
    return (Property("policy", "best-guess", "pass"),) if verdict.reason.name == "GUESSED_PASS" else ()


def _smtp(name: str, envelope: Envelope) -> Property:
    value = envelope.sender or b"" if name == "mailfrom" else envelope.helo
    return Property("smtp", name, value.decode("utf-8", "replace"))


def _record_comment(verdict: SpfVerdict | SenderIdVerdict) -> str:
    why = verdict.mechanism or verdict.detail
    return f"{verdict.reason.text} ({why})" if why else verdict.reason.text


def _shown_data(signatures: Sequence[Signature]) -> list[str]:
    """For each signature the beginning of its b=, long enough to tell it from the others (RFC 6008 §4)."""
    data = [binascii.b2a_base64(signature.data, newline=False).decode("ascii") for signature in signatures]
    different = set(filter(None, data))
    length = B_CHARACTERS
    while len({each[:length] for each in different}) < len(different):
        length *= 2
    return [each[:length] for each in data]
