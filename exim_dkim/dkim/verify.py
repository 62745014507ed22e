"""Verification of DKIM signatures (RFC 6376 §6.1), in stages: the header with all DNS, body chunks, finish.

The only thing awaited is the resolver, once for all keys. Bad mail never raises: each signature gets a `Verdict`.
Where the RFC leaves a choice: signatures are judged in the order they stand; those beyond the policy's limit get a
verdict of their own and cost nothing. Of several key records at one name (undefined by §3.6.2.2) each is tried, up to
`keyuse.MAX_KEY_RECORDS`, as most verifiers do; text that is no key record at all does not disturb those that are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from exim_dkim.crypto import PublicKey
from exim_dkim.dkim.legacy import LegacyHash
from exim_dkim.dkim.signature import FIELD_NAME, Signature, parse_signature
from exim_dkim.errors import ParseError
from exim_dkim.hashing import BodyHash, BodyHasher, FieldChooser, header_text
from exim_dkim.keyrecord import KeyRecord, parse_key_record
from exim_dkim.keyuse import MAX_KEY_RECORDS, load_key, no_key, refuse_record
from exim_dkim.message import HeaderField, Message, is_well_formed
from exim_dkim.outcome import DkimReason, DkimResult
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Answer, Question, RecordType, Resolver
from exim_dkim.stages import BodyStage

MAX_VERDICTS: Final = 200
"""Signatures that get a verdict at all; a header can hold thousands."""

_REFUSED: Final = "the cryptographic library of this system refuses {}"

# Fields that RFC 5322 §3.6 and RFC 2045 §3 allow once. A second one that the signature does not cover could be what a
# reader is shown (RFC 6376 §8.15).
ONCE_ONLY: Final = frozenset(
    b"from sender reply-to to cc subject date message-id in-reply-to references mime-version content-type "
    b"content-transfer-encoding".split()
)


class Verdict(NamedTuple):
    """What verification found about one signature.

    `testing`: the key says t=y. `key_bits`: size of the key, 0 when none was fetched. `detail` is for people.
    """

    reason: DkimReason
    signature: Signature
    detail: str = ""
    testing: bool = False
    key_bits: int = 0

    @property
    def result(self) -> DkimResult:
        """The RFC 8601 word."""
        return self.reason.result

    @property
    def explanation(self) -> str:
        """One line for people: whose signature, what was found."""
        who = f"d={self.signature.domain or '?'} s={self.signature.selector or '?'}"
        detail = f" ({self.detail})" if self.detail else ""
        testing = "; the key says t=y: testing" if self.testing else ""
        return f"{who}: {self.reason.text}{detail}{testing}"


@dataclass(slots=True)
class _Pending:
    """A signature on its way: the verdict once it is known, until then what the body must be."""

    signature: Signature
    verdict: Verdict | None = None
    testing: bool = False
    key_bits: int = 0
    body_hash: BodyHash | None = None
    legacy: LegacyHash | None = None
    key: PublicKey | None = None  # of a legacy signature, which is checked last

    def end(self, reason: DkimReason, detail: str = "") -> Verdict:
        self.verdict = Verdict(reason, self.signature, detail, self.testing, self.key_bits)
        return self.verdict


class Verification(BodyStage[_Pending]):
    """A message whose header has been judged and whose body is still to come."""

    __slots__ = ("_partial_body",)

    def __init__(self, pending: Sequence[_Pending], hasher: BodyHasher, partial_body: bool) -> None:
        super().__init__(pending, hasher)
        self._partial_body = partial_body

    def finish(self) -> tuple[Verdict, ...]:
        """The verdicts, one a signature, in the order of the header. Empty for an unsigned message."""
        self._hasher.finish()
        return tuple([pending.verdict or self._judge_body(pending) for pending in self._pending])

    def _judge_body(self, pending: _Pending) -> Verdict:
        """RFC 6376 §6.1.3 step 3, and §3.5 on l=."""
        signature, body_hash = pending.signature, pending.body_hash
        if body_hash is None:
            return self._judge_legacy(pending)
        length = signature.body_length
        if length is not None and length > body_hash.total:
            return pending.end(DkimReason.BODY_TOO_SHORT, f"{length} bytes were signed, {body_hash.total} have arrived")
        if body_hash.digest() != signature.body_hash:
            return pending.end(DkimReason.BODY_HASH_MISMATCH)
        if length is not None and length < body_hash.total and not self._partial_body:
            return pending.end(DkimReason.PARTIAL_BODY, f"{body_hash.total - length} bytes at the end are not signed")
        return pending.end(DkimReason.GOOD)

    def _judge_legacy(self, pending: _Pending) -> Verdict:
        """As above, of a signature whose only hash is now complete."""
        signature, legacy, key = pending.signature, pending.legacy, pending.key
        assert legacy is not None
        assert key is not None
        length = signature.body_length
        if length is not None and length > legacy.total:
            return pending.end(DkimReason.BODY_TOO_SHORT, f"{length} bytes were signed, {legacy.total} have arrived")
        fits = key.verify_digest(signature.data, legacy.digest(signature.without_data()), signature.hash_name)
        if fits is None:
            return pending.end(DkimReason.HASH_NOT_ALLOWED, _REFUSED.format(signature.hash_name))
        if not fits:
            return pending.end(DkimReason.SIGNATURE_MISMATCH)
        if length is not None and length < legacy.total and not self._partial_body:
            return pending.end(DkimReason.PARTIAL_BODY, f"{legacy.total - length} bytes at the end are not signed")
        return pending.end(DkimReason.GOOD)


async def verify(message: Message, resolver: Resolver, policy: VerificationPolicy, now: float) -> tuple[Verdict, ...]:
    """The verdicts on a whole message. `now` is in seconds since the epoch."""
    verification = await verify_header(message.fields, resolver, policy, now)
    verification.take_body(message)
    return verification.finish()


async def verify_header(
    fields: Sequence[HeaderField], resolver: Resolver, policy: VerificationPolicy, now: float
) -> Verification:
    """The header stage: syntax, policy, keys and the signatures themselves. `now` is in seconds since the epoch."""
    chooser = FieldChooser(fields)
    found = chooser.all(FIELD_NAME)[:MAX_VERDICTS]
    everything = [_judge_signature(parse_signature(field, policy.legacy), chooser, policy, now) for field in found]
    open_ones = [pending for pending in everything if pending.verdict is None]
    if open_ones and not is_well_formed(fields):
        for pending in open_ones:
            pending.end(DkimReason.MALFORMED_HEADER)
        open_ones.clear()
    if len(open_ones) > policy.max_signatures:
        for pending in open_ones[policy.max_signatures :]:
            pending.end(DkimReason.TOO_MANY_SIGNATURES, f"the limit is {policy.max_signatures}")
        del open_ones[policy.max_signatures :]
    hasher = BodyHasher()
    if not open_ones:
        return Verification(everything, hasher, policy.partial_body)
    names = {pending.signature.key_name: None for pending in open_ones}
    fetched = await resolver.resolve(*[Question(name, RecordType.TXT) for name in names])
    answers = dict(zip(names, fetched, strict=True))
    for pending in open_ones:
        signature = pending.signature
        _judge_key(pending, answers[signature.key_name], chooser, policy)
        if pending.verdict is None and signature.legacy:
            chosen = chooser.choose(signature.names)
            pending.legacy = LegacyHash(chosen, signature.body_canonicalization, hasher, signature.body_length)
        elif pending.verdict is None:
            pending.body_hash = hasher.want(signature.hash_name, signature.body_canonicalization, signature.body_length)
    return Verification(everything, hasher, policy.partial_body)


def _judge_signature(signature: Signature, chooser: FieldChooser, policy: VerificationPolicy, now: float) -> _Pending:
    """What needs neither key nor body (RFC 6376 §6.1.1) and what policy says of it."""
    pending = _Pending(signature)
    if signature.fault is not None:
        pending.end(signature.fault, signature.detail)
    elif signature.expiration is not None and signature.expiration + policy.clock_drift < now:
        pending.end(DkimReason.EXPIRED, f"{now - signature.expiration:.0f} seconds ago")
    elif signature.timestamp is not None and signature.timestamp - policy.clock_drift > now:
        pending.end(DkimReason.IN_THE_FUTURE, f"{signature.timestamp - now:.0f} seconds ahead")
    elif signature.hash_name not in policy.hashes and not signature.legacy:
        pending.end(DkimReason.HASH_NOT_ALLOWED, f"{signature.hash_name}; accepted: {', '.join(policy.hashes)}")
    else:
        for name in ONCE_ONLY & chooser.repeated:
            count = chooser.count(name)
            if name in signature.names and count > signature.names.count(name):
                pending.end(DkimReason.UNSIGNED_DUPLICATE_FIELD, f"{count} {name.decode().title()} fields")
                break
    return pending


def _judge_key(pending: _Pending, answer: Answer, chooser: FieldChooser, policy: VerificationPolicy) -> None:
    """RFC 6376 §6.1.2 and §6.1.3 step 4, for each key record until one verifies. Sets the verdict if none does."""
    if not answer.records:
        pending.end(*no_key(DkimReason, answer, pending.signature.key_name))
        return
    signature = pending.signature
    chosen = chooser.choose(signature.names)
    text = b"" if signature.legacy else header_text(chosen, signature.without_data(), signature.header_canonicalization)
    tried = 0
    worst: Verdict | None = None
    for record_text in answer.records:
        try:
            record = parse_key_record(record_text)
        except ParseError as error:
            worst = worst or pending.end(DkimReason.KEY_BAD_RECORD, f"{signature.key_name}: {error}")
            continue
        reason, detail = _try_key(pending, record, text, policy)
        if reason is DkimReason.GOOD:
            pending.verdict = None
            return
        worst = pending.end(reason, detail)
        tried += 1
        if tried == MAX_KEY_RECORDS:
            break
    pending.verdict = worst


def _try_key(pending: _Pending, record: KeyRecord, text: bytes, policy: VerificationPolicy) -> tuple[DkimReason, str]:
    """What this key record makes of the signature; `GOOD` when the header fits it."""
    signature = pending.signature
    pending.testing = record.testing
    pending.key_bits = 0
    refusal = _refuse_record(record, signature)
    if refusal is not None:
        return refusal
    key = load_key(DkimReason, record, policy.min_key_bits.get(record.type, 0), policy.max_key_bits)
    if not isinstance(key, PublicKey):
        reason, detail, pending.key_bits = key
        return reason, detail
    pending.key_bits = key.bits
    if signature.legacy:
        pending.key = key
        return DkimReason.GOOD, ""
    fits = key.verify(signature.data, text, signature.hash_name)
    if fits is None:
        return DkimReason.HASH_NOT_ALLOWED, _REFUSED.format(signature.hash_name)
    return (DkimReason.GOOD if fits else DkimReason.SIGNATURE_MISMATCH), ""


def _refuse_record(record: KeyRecord, signature: Signature) -> tuple[DkimReason, str] | None:
    """What the record says against its use for this signature (RFC 6376 §6.1.2), or None."""
    refusal = refuse_record(DkimReason, record, signature, signature.key_type, signature.hash_name)
    if refusal is not None:
        return refusal
    if record.strict_identity and signature.identity_domain != signature.domain:
        return DkimReason.KEY_STRICT_IDENTITY, f"i=@{signature.identity_domain}, d={signature.domain}"
    if signature.legacy and not record.permits(signature.identity_local):
        shown = record.granularity[:40].decode("ascii", "backslashreplace")
        return DkimReason.KEY_GRANULARITY, f"g={shown}, i={signature.identity}"
    return None
