"""What may be reported: which verdicts, of what kind, once a domain."""

from __future__ import annotations

import pytest

from exim_dkim.authentication import Authentication
from exim_dkim.dkim.signature import parse_signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.policy import DomainPolicy
from exim_dkim.domainkeys.sender import Sender
from exim_dkim.domainkeys.signature import parse_signature as parse_domainkeys
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.message import parse_field, parse_header
from exim_dkim.names import Domain
from exim_dkim.outcome import DkimReason, DkimResult, DomainKeysReason
from exim_dkim.reports import failures, is_answerable
from exim_dkim.reports.failure import KINDS, MAX_REPORTS, USUAL_FIELDS, AuthFailure
from exim_dkim.reports.record import ReportKind

NEVER = {DkimReason.GOOD, DkimReason.TOO_MANY_SIGNATURES, DkimReason.INTERNAL_ERROR}
"""What is no failure, or none that the signer can do anything about."""


def verdict(reason: DkimReason, domain: str = "example.org", more: str = "r=y; ") -> Verdict:
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=sel; h=From:To; {more}bh=YQ==; b=YWJj"
    return Verdict(reason, parse_signature(parse_field(field.encode())))


def test_every_reason_has_its_kind() -> None:
    assert set(KINDS) | NEVER == set(DkimReason)
    assert not set(KINDS) & NEVER
    assert set(KINDS.values()) == set(ReportKind) - {ReportKind.UNKNOWN_TAG}
    for reason in KINDS:
        expected = ReportKind.DNS if reason.result is DkimResult.TEMPERROR else None
        assert expected in (None, KINDS[reason])


@pytest.mark.parametrize("reason", DkimReason)
def test_what_is_reported(reason: DkimReason) -> None:
    found = failures(Authentication(dkim=(verdict(reason),)))
    if reason in NEVER:
        assert not found
        return
    (failure,) = found
    assert (failure.domain, failure.kind, failure.identity, failure.selector) == (
        "example.org", KINDS[reason], "@example.org", "sel",
    )  # fmt: skip
    assert failure.names == (b"from", b"to")
    assert (failure.result.method, failure.result.result) == ("dkim", reason.result.value)


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        (DkimReason.BODY_HASH_MISMATCH, AuthFailure.BODYHASH),
        (DkimReason.BODY_TOO_SHORT, AuthFailure.BODYHASH),
        (DkimReason.KEY_REVOKED, AuthFailure.REVOKED),
        (DkimReason.SIGNATURE_MISMATCH, AuthFailure.SIGNATURE),
        (DkimReason.EXPIRED, AuthFailure.SIGNATURE),
    ],
)
def test_what_failed(reason: DkimReason, what: AuthFailure) -> None:
    assert failures(Authentication(dkim=(verdict(reason),)))[0].what is what


@pytest.mark.parametrize("more", ["", "r=n; ", "r=Y; ", "r=yes; ", "r=; "])
def test_who_does_not_ask_gets_none(more: str) -> None:
    assert not failures(Authentication(dkim=(verdict(DkimReason.SIGNATURE_MISMATCH, more=more),)))


def test_a_signature_that_cannot_be_understood_may_ask() -> None:
    broken = parse_signature(parse_field(b"DKIM-Signature: v=2; d=example.org; s=sel; r=y; h=From; bh=YQ==; b=YQ=="))
    assert broken.fault is DkimReason.MISSING_TAG
    (failure,) = failures(Authentication(dkim=(Verdict(broken.fault, broken),)))
    assert (failure.kind, failure.names) == (ReportKind.SYNTAX, USUAL_FIELDS)


def test_one_report_a_domain_and_few_a_message() -> None:
    bad = DkimReason.SIGNATURE_MISMATCH
    verdicts = [verdict(DkimReason.GOOD, "good.example"), verdict(bad), verdict(DkimReason.EXPIRED)]
    verdicts += [verdict(bad, f"d{number}.example") for number in range(9)]
    found = failures(Authentication(dkim=tuple(verdicts)))
    assert [one.domain for one in found] == ["example.org", "d0.example", "d1.example"]
    assert len(found) == MAX_REPORTS
    assert found[0].kind is ReportKind.VERIFICATION


def test_a_domain_that_is_no_host_name_gets_none() -> None:
    assert not failures(Authentication(dkim=(verdict(DkimReason.SIGNATURE_MISMATCH, "_x.example"),)))


def domainkeys(reason: DomainKeysReason, address: bytes | None = b"a@example.org") -> DomainKeysVerdict:
    signature = parse_domainkeys(parse_field(b"DomainKey-Signature: a=rsa-sha1; d=example.org; s=k; c=nofws; b=YQ=="))
    policy = None if address is None else DomainPolicy(address=address)
    sender = Sender(b"alice", Domain("sub.example.org"), "from")
    return DomainKeysVerdict(reason, signature, sender=sender, domain_policy=policy)


@pytest.mark.parametrize("reason", DomainKeysReason)
def test_domainkeys(reason: DomainKeysReason) -> None:
    found = failures(Authentication(domainkeys=(domainkeys(reason),)))
    assert bool(found) is (reason.result in (DkimResult.FAIL, DkimResult.PERMERROR))
    for failure in found:
        assert (failure.domain, failure.address, failure.kind) == ("sub.example.org", b"a@example.org", None)
        assert failure.what is (
            AuthFailure.REVOKED if reason is DomainKeysReason.KEY_REVOKED else AuthFailure.SIGNATURE
        )


@pytest.mark.parametrize("address", [None, b""])
def test_domainkeys_without_an_address(address: bytes | None) -> None:
    assert not failures(Authentication(domainkeys=(domainkeys(DomainKeysReason.SIGNATURE_MISMATCH, address),)))


@pytest.mark.parametrize(
    ("header", "sender", "answerable"),
    [
        (b"From: a@b.example\r\n", b"a@b.example", True),
        (b"From: a@b.example\r\n", b"", False),
        (b"Auto-Submitted: no\r\n", b"a@b.example", True),
        (b"Auto-Submitted: auto-generated\r\n", b"a@b.example", False),
        (b"auto-submitted:\r\n\tauto-replied (vacation)\r\n", b"a@b.example", False),
        (b"Content-Type: Multipart/Report; report-type=delivery-status\r\n", b"a@b.example", False),
        (b"Content-Type: multipart/mixed\r\n", b"a@b.example", True),
    ],
)
def test_what_gets_no_answer(header: bytes, sender: bytes, answerable: bool) -> None:
    assert is_answerable(parse_header(header), sender) is answerable
