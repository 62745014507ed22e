"""Verification of DomainKeys signatures (RFC 4870 §3.7), in stages: the header with all DNS, body chunks, finish.

As `dkim.verify`, with what DomainKeys has of its own: one SHA-1 over header and body, so that a signature can be
checked only when the body has come; the sending address, which must be under d=; g= of keys; and the policy record of
the sending domain, which is asked for together with the keys (RFC 4870 §3.7.6: it matters when the message is unsigned
or a signature fails). A policy that cannot be fetched counts as the default, "signs some".

Where the RFC leaves a choice: fields above the signature are not looked at, but a second field of a kind that may
stand once is not accepted there (RFC 6376 §8.15 has the reason). Key records are those of DKIM, too, and what they say
about hash, service and identity is heeded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exim_dkim.canonical import CRLF, DOMAINKEYS_HEADERS
from exim_dkim.crypto import PublicKey, new_hash
from exim_dkim.domainkeys.fields import SignedFields, choose_fields
from exim_dkim.domainkeys.policy import DomainPolicy, parse_domain_policy, policy_name
from exim_dkim.domainkeys.sender import Sender
from exim_dkim.domainkeys.signature import HASH_NAME, Signature, parse_signature
from exim_dkim.errors import ParseError
from exim_dkim.hashing import BodyHasher
from exim_dkim.keyrecord import KeyRecord, parse_key_record
from exim_dkim.keyuse import MAX_KEY_RECORDS, load_key, no_key, refuse_record
from exim_dkim.message import HeaderField, Message, is_well_formed
from exim_dkim.outcome import DkimResult, DomainKeysReason
from exim_dkim.policy import DomainKeysPolicy
from exim_dkim.resolver import Answer, Question, RecordType, Resolver
from exim_dkim.stages import BodyStage


class DomainKeysVerdict(NamedTuple):
    """What verification found about one signature.

    `sender`: who the signed fields say sends; None when that is not known. `testing`: the key or the domain's policy
    says t=y. `key_bits`: size of the key, 0 when none was fetched. `domain_policy`: None when there is no record. With
    `UNSIGNED_SIGNS_ALL` the signature is empty.
    """

    reason: DomainKeysReason
    signature: Signature
    detail: str = ""
    testing: bool = False
    key_bits: int = 0
    sender: Sender | None = None
    domain_policy: DomainPolicy | None = None

    @property
    def result(self) -> DkimResult:
        """The RFC 8601 word."""
        return self.reason.result

    @property
    def explanation(self) -> str:
        """One line for people: whose signature, what was found."""
        if self.reason is DomainKeysReason.UNSIGNED_SIGNS_ALL:
            who = self.sender.address if self.sender else "?"
        else:
            who = f"d={self.signature.domain or '?'} s={self.signature.selector or '?'}"
        detail = f" ({self.detail})" if self.detail else ""
        testing = "; the domain says t=y: testing" if self.testing else ""
        return f"{who}: {self.reason.text}{detail}{testing}"


@dataclass(slots=True)
class _Pending:
    """A signature on its way: the verdict once it is known, until then what will be compared with the digest."""

    signature: Signature
    place: int  # of the signature in the header
    sender: Sender | None = None
    verdict: DomainKeysVerdict | None = None
    keys: list[tuple[PublicKey, bool]] = field(default_factory=list)  # and whether its record says t=y
    digest: Callable[[], bytes] | None = None

    def end(self, reason: DomainKeysReason, detail: str = "", testing: bool = False, key_bits: int = 0) -> None:
        self.verdict = DomainKeysVerdict(reason, self.signature, detail, testing, key_bits, self.sender)


class Verification(BodyStage[_Pending]):
    """A message whose header has been judged and whose body is still to come."""

    __slots__ = ("_policy", "_sender")

    def __init__(
        self, pending: Sequence[_Pending], hasher: BodyHasher, sender: Sender | None, policy: DomainPolicy | None
    ) -> None:
        """`sender` and `policy` are those of the whole message."""
        super().__init__(pending, hasher)
        self._sender = sender
        self._policy = policy

    def finish(self) -> tuple[DomainKeysVerdict, ...]:
        """The verdicts, one a signature, in the order of the header.

        Empty for an unsigned message, unless its domain says that it signs all mail.
        """
        self._hasher.finish()
        if not self._pending:
            return self._judge_unsigned()
        for pending in self._pending:
            if pending.verdict is None:
                _compare(pending)
        return tuple([self._with_policy(pending.verdict) for pending in self._pending if pending.verdict])

    def _with_policy(self, verdict: DomainKeysVerdict) -> DomainKeysVerdict:
        policy, sender, signer = self._policy, self._sender, verdict.signature.domain
        if policy is None or sender is None:
            return verdict
        if verdict.sender not in (None, sender) or (signer is not None and not sender.domain.is_under(signer)):
            return verdict
        return verdict._replace(domain_policy=policy, testing=verdict.testing or policy.testing)

    def _judge_unsigned(self) -> tuple[DomainKeysVerdict, ...]:
        policy = self._policy
        if policy is None or not policy.signs_all:
            return ()
        nothing = Signature(HeaderField(b"", b""))
        reason = DomainKeysReason.UNSIGNED_SIGNS_ALL
        return (DomainKeysVerdict(reason, nothing, "", policy.testing, 0, self._sender, policy),)


def _compare(pending: _Pending) -> None:
    """RFC 4870 §3.7.5, with each key until one fits."""
    assert pending.digest is not None
    digest = pending.digest()
    for key, testing in pending.keys:
        fits = key.verify_digest(pending.signature.data, digest, HASH_NAME)
        if fits is None:
            pending.end(DomainKeysReason.SHA1_REFUSED, "", testing, key.bits)
            return
        if fits:
            pending.end(DomainKeysReason.GOOD, "", testing, key.bits)
            return
    key, testing = pending.keys[0]
    pending.end(DomainKeysReason.SIGNATURE_MISMATCH, "", testing, key.bits)


async def verify(
    message: Message, resolver: Resolver, policy: DomainKeysPolicy, now: float = 0
) -> tuple[DomainKeysVerdict, ...]:
    """The verdicts on a whole message."""
    verification = await verify_header(message.fields, resolver, policy, now)
    verification.take_body(message)
    return verification.finish()


async def verify_header(
    fields: Sequence[HeaderField], resolver: Resolver, policy: DomainKeysPolicy, now: float = 0
) -> Verification:
    """The header stage: syntax, sending address, keys and policy. `now` is as for DKIM; DomainKeys has no dates."""
    header = SignedFields(fields)
    everything = [_judge_signature(header, place, policy) for place in header.signatures]
    open_ones = [pending for pending in everything if pending.verdict is None]
    hasher = BodyHasher()
    if not policy.accept_sha1:
        return Verification(everything, hasher, None, None)
    if everything and not is_well_formed(fields):
        for pending in open_ones:
            pending.end(DomainKeysReason.MALFORMED_HEADER)
        return Verification(everything, hasher, None, None)
    for pending in open_ones[policy.max_signatures :]:
        pending.end(DomainKeysReason.TOO_MANY_SIGNATURES, f"the limit is {policy.max_signatures}")
    del open_ones[policy.max_signatures :]
    sender = open_ones[0].sender if open_ones else header.sender()
    names = {pending.signature.key_name: None for pending in open_ones}
    if sender is not None:
        names[policy_name(sender.domain)] = None
    fetched = await resolver.resolve(*[Question(name, RecordType.TXT) for name in names]) if names else ()
    answers = dict(zip(names, fetched, strict=True))
    for pending in open_ones:
        _judge_key(pending, answers[pending.signature.key_name], policy)
        if pending.verdict is None:
            _begin_hash(pending, fields, hasher)
    found = None if sender is None else _domain_policy(answers[policy_name(sender.domain)])
    return Verification(everything, hasher, sender, found)


def _judge_signature(header: SignedFields, place: int, policy: DomainKeysPolicy) -> _Pending:
    """What needs neither key nor body: RFC 4870 §3.3, §3.1, and what policy says of it."""
    signature = parse_signature(header.fields[place])
    pending = _Pending(signature, place)
    found = header.signed_sender(signature, place)
    if not policy.accept_sha1:  # whatever else may be wrong: nothing is said of it
        pending.sender = found if isinstance(found, Sender) else None
        pending.end(DomainKeysReason.SHA1_NOT_ACCEPTED, "domainkeys_verify is not set")
        return pending
    if signature.fault is not None:
        pending.end(signature.fault, signature.detail)
        return pending
    domain = signature.domain
    assert domain is not None
    if not isinstance(found, Sender):
        pending.end(found.reason, found.detail)
        return pending
    pending.sender = found
    if not found.domain.is_under(domain):
        pending.end(DomainKeysReason.SENDER_NOT_UNDER_DOMAIN, f"{found.field} is at {found.domain}, d={domain}")
        return pending
    for name, places in header.places.items():
        if len(places) > 1 and 0 < header.signed(name, signature, place) < len(places):
            shown = f"{len(places)} {name.decode().title()} fields"
            pending.end(DomainKeysReason.UNSIGNED_DUPLICATE_FIELD, shown)
            break
    return pending


def _begin_hash(pending: _Pending, fields: Sequence[HeaderField], hasher: BodyHasher) -> None:
    """Hash the header (RFC 4870 §3.4.2), and have the body follow."""
    signature = pending.signature
    chosen = choose_fields(signature.names, fields[pending.place + 1 :])
    hash_ = new_hash(HASH_NAME)
    hash_.update(DOMAINKEYS_HEADERS[signature.canonicalization](chosen) + CRLF)
    hasher.add(f"domainkeys-{signature.canonicalization}", hash_.update)
    pending.digest = hash_.finalize


def _judge_key(pending: _Pending, answer: Answer, policy: DomainKeysPolicy) -> None:
    """Collect the keys of this name that may be tried; sets the verdict if there is none (RFC 4870 §3.7.4)."""
    if not answer.records:
        pending.end(*no_key(DomainKeysReason, answer, pending.signature.key_name))
        return
    for record_text in answer.records:
        try:
            record = parse_key_record(record_text)
        except ParseError as error:
            if pending.verdict is None:
                pending.end(DomainKeysReason.KEY_BAD_RECORD, f"{pending.signature.key_name}: {error}")
            continue
        _take_key(pending, record, policy)
        if len(pending.keys) == MAX_KEY_RECORDS:
            break
    if pending.keys:
        pending.verdict = None


def _take_key(pending: _Pending, record: KeyRecord, policy: DomainKeysPolicy) -> None:
    """Add the key of this record to those that may be tried, or say what is against it."""
    refusal = _refuse_record(record, pending)
    if refusal is not None:
        pending.end(*refusal, record.testing)
        return
    key = load_key(DomainKeysReason, record, policy.min_key_bits, policy.max_key_bits)
    if isinstance(key, PublicKey):
        pending.keys.append((key, record.testing))
    else:
        reason, detail, bits = key
        pending.end(reason, detail, record.testing, bits)


def _refuse_record(record: KeyRecord, pending: _Pending) -> tuple[DomainKeysReason, str] | None:
    """What the record says against its use for this signature, or None."""
    signature, sender = pending.signature, pending.sender
    assert sender is not None
    refusal = refuse_record(DomainKeysReason, record, signature, "rsa", HASH_NAME)
    if refusal is not None:
        return refusal
    if record.strict_identity and sender.domain != signature.domain:
        return DomainKeysReason.KEY_STRICT_IDENTITY, f"{sender.field} is at {sender.domain}, d={signature.domain}"
    if not record.permits(sender.local):
        shown = record.granularity[:40].decode("ascii", "backslashreplace")
        return DomainKeysReason.KEY_GRANULARITY, f"g={shown}, {sender.field} is {sender.address}"
    return None


def _domain_policy(answer: Answer) -> DomainPolicy | None:
    """The first record that is a policy. Trouble counts as no record: only a known o=- is held against a message."""
    for record in answer.records[:MAX_KEY_RECORDS]:
        try:
            return parse_domain_policy(record)
        except ParseError:
            continue
    return None
