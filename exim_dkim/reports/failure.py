"""Which verdicts are failures that may be reported, and of what kind (RFC 6651 §5.1, RFC 6591 §3.3).

DKIM: the signature itself must ask (r=y). DomainKeys: the policy record of the sending domain names an address (r=,
RFC 4870 §3.6). A domain gets one report of a message at most, and a message causes `MAX_REPORTS` (RFC 6651 §3.3).

Good signatures with unknown tags (rr=u) are no failures, and are not reported.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from exim_dkim.authentication import Authentication, signature_result
from exim_dkim.authres import MethodResult
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.message import HeaderField
from exim_dkim.names import Domain
from exim_dkim.outcome import DkimReason, DkimResult, DomainKeysReason
from exim_dkim.reports.record import ReportKind

MAX_REPORTS: Final = 3
"""Reports that one message can cause."""

USUAL_FIELDS: Final = (b"from", b"sender", b"to", b"cc", b"subject", b"date", b"message-id")
"""What is told of a header when the signature does not say what it is about."""

_BY_KIND: Final = {
    ReportKind.DNS: "KEY_NXDOMAIN KEY_NO_DATA KEY_SERVFAIL KEY_TIMEOUT",
    ReportKind.OTHER: """UNKNOWN_VERSION UNKNOWN_ALGORITHM UNKNOWN_CANONICALIZATION UNKNOWN_QUERY_METHOD KEY_REVOKED
        KEY_TYPE_MISMATCH KEY_HASH_MISMATCH KEY_NOT_FOR_MAIL KEY_STRICT_IDENTITY KEY_GRANULARITY""",
    ReportKind.POLICY: """IN_THE_FUTURE HASH_NOT_ALLOWED KEY_TOO_SMALL KEY_TOO_LARGE PARTIAL_BODY
        UNSIGNED_DUPLICATE_FIELD MALFORMED_HEADER""",
    ReportKind.SYNTAX: """BAD_TAG_LIST DUPLICATE_TAG MISSING_TAG BAD_TAG_VALUE IDENTITY_NOT_UNDER_DOMAIN FROM_NOT_SIGNED
        KEY_BAD_RECORD KEY_UNKNOWN_VERSION KEY_UNUSABLE""",
    ReportKind.VERIFICATION: "BODY_TOO_SHORT BODY_HASH_MISMATCH SIGNATURE_MISMATCH",
    ReportKind.EXPIRED: "EXPIRED",
}
KINDS: Final = {DkimReason[name]: kind for kind, names in _BY_KIND.items() for name in names.split()}
"""The kind of each reason. What is not here is no failure, or none of the signer's: it is ours."""


class AuthFailure(enum.Enum):
    """What failed (RFC 6591 §3.3); the words for other methods are not needed here."""

    BODYHASH = "bodyhash"
    REVOKED = "revoked"
    SIGNATURE = "signature"


class Failure(NamedTuple):
    """A failure that its domain may want to hear of.

    `kind` and the rest up to `selector` are of DKIM. `address`: of DomainKeys, as the policy has it. `names`: the
    fields that may be told to the domain, since it has signed them; `field` is the signature.
    """

    domain: Domain
    what: AuthFailure
    result: MethodResult
    field: HeaderField
    names: Sequence[bytes] = USUAL_FIELDS
    kind: ReportKind | None = None
    identity: str = ""
    selector: str = ""
    address: bytes = b""


def failures(found: Authentication) -> Sequence[Failure]:
    """What of a message may be reported: one failure a domain."""
    by_domain: dict[Domain, Failure] = {}
    for failure in (*_of_dkim(found.dkim or ()), *_of_domainkeys(found.domainkeys or ())):
        by_domain.setdefault(failure.domain, failure)
    return tuple(islice(by_domain.values(), MAX_REPORTS))


def _of_dkim(verdicts: Sequence[Verdict]) -> Iterator[Failure]:
    for verdict in verdicts:
        signature, kind = verdict.signature, KINDS.get(verdict.reason)
        domain = signature.domain
        if kind is None or domain is None or not signature.wants_reports or not domain.is_host_name:
            continue
        yield Failure(
            domain, _what(verdict.reason), signature_result(verdict), signature.field, signature.names or USUAL_FIELDS,
            kind, signature.identity or f"@{domain}", signature.selector or "",
        )  # fmt: skip


def _what(reason: DkimReason) -> AuthFailure:
    if reason in (DkimReason.BODY_HASH_MISMATCH, DkimReason.BODY_TOO_SHORT):
        return AuthFailure.BODYHASH
    return AuthFailure.REVOKED if reason is DkimReason.KEY_REVOKED else AuthFailure.SIGNATURE


def _of_domainkeys(verdicts: Sequence[DomainKeysVerdict]) -> Iterator[Failure]:
    """What the domain can mend: the key, the signature, the message on its way. Not what we do not accept."""
    for verdict in verdicts:
        policy, sender = verdict.domain_policy, verdict.sender
        if policy is None or not policy.address or sender is None:
            continue
        if verdict.result not in (DkimResult.FAIL, DkimResult.PERMERROR):
            continue
        revoked = verdict.reason is DomainKeysReason.KEY_REVOKED
        yield Failure(
            sender.domain, AuthFailure.REVOKED if revoked else AuthFailure.SIGNATURE, signature_result(verdict),
            verdict.signature.field, verdict.signature.names or USUAL_FIELDS, address=policy.address,
        )  # fmt: skip


def is_answerable(fields: Sequence[HeaderField], sender: bytes) -> bool:
    """Whether a message may cause a report: not one that is a report or another answer itself (RFC 3834 §2)."""
    if not sender:
        return False
    for field in fields:
        if field.name == b"auto-submitted" and field.value.strip().lower() != b"no":
            return False
        if field.name == b"content-type" and field.value.strip().lower().startswith(b"multipart/report"):
            return False
    return True
