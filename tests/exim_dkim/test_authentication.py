"""Findings, and the Authentication-Results field that tells them."""

from __future__ import annotations

import pytest

from exim_dkim.authentication import MAX_TOLD, Authentication, Method, authentication_results, merge
from exim_dkim.authres import AuthenticationResults, parse_authres
from exim_dkim.dkim.signature import parse_signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.sender import Sender
from exim_dkim.domainkeys.signature import parse_signature as parse_domainkeys
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.envelope import Envelope
from exim_dkim.message import parse_field
from exim_dkim.names import Domain
from exim_dkim.outcome import DkimReason, DomainKeysReason, SenderIdReason, SpfReason
from exim_dkim.senderid.evaluate import SenderIdVerdict
from exim_dkim.senderid.record import Scope
from exim_dkim.spf import SpfIdentity, SpfVerdict


def verdict(reason: DkimReason, data: str = "YWJjZGVmZ2hp", domain: str = "example.org", **more: object) -> Verdict:
    field = f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=sel; h=From; bh=YQ==; b={data}".encode()
    return Verdict(reason, parse_signature(parse_field(field)), **more)  # type: ignore[arg-type]


def read(authentication: Authentication) -> AuthenticationResults:
    return parse_authres(authentication_results(authentication, "mx.example").partition(b":")[2])


def test_nothing_was_asked_for() -> None:
    assert authentication_results(Authentication(), "mx.example") == b"Authentication-Results: mx.example;\r\n\tnone"


def test_unsigned() -> None:
    assert authentication_results(Authentication(dkim=()), "mx.example").endswith(b"\r\n\tdkim=none")


def test_two_signatures() -> None:
    good = verdict(DkimReason.GOOD, key_bits=2048)
    bad = verdict(DkimReason.SIGNATURE_MISMATCH, "cXFxcQ==", "other.example", testing=True)
    assert authentication_results(Authentication(dkim=(good, bad)), "mx.example").decode().split("\r\n\t") == [
        "Authentication-Results: mx.example;",
        "dkim=pass (2048-bit key) header.d=example.org header.i=@example.org",
        "header.s=sel header.a=rsa-sha256 header.b=YWJjZGVm;",
        "dkim=fail (the signature does not fit: header changed after signing, or wrong",
        "key; the key says t=y: testing) header.d=other.example",
        'header.i=@other.example header.s=sel header.a=rsa-sha256 header.b="cXFxcQ=="',
    ]


@pytest.mark.parametrize("reason", DkimReason)
def test_every_reason_has_its_word_and_a_comment(reason: DkimReason) -> None:
    (result,) = read(Authentication(dkim=(verdict(reason, detail="why"),))).results
    assert (result.method, result.result) == ("dkim", reason.result.value)
    assert result.comments == (() if reason is DkimReason.GOOD else (f"{reason.text} (why)",))


def test_what_could_not_be_read_is_left_out() -> None:
    broken = Verdict(DkimReason.BAD_TAG_LIST, parse_signature(parse_field(b"DKIM-Signature: nonsense")))
    (result,) = read(Authentication(dkim=(broken,))).results
    assert (result.result, result.properties) == ("neutral", ())


def test_signatures_are_told_apart() -> None:
    """RFC 6008 §4: header.b is long enough; equal signatures cannot be told apart."""
    same = "YWJjZGVmZ2hp"
    verdicts = [verdict(DkimReason.GOOD, data) for data in (same, "YWJjZGVmZ2hq", same, "YQ==")]
    shown = [result.value("header", "b") for result in read(Authentication(dkim=tuple(verdicts))).results]
    assert shown == ["YWJjZGVmZ2hp", "YWJjZGVmZ2hq", "YWJjZGVmZ2hp", "YQ=="]


def test_of_many_signatures_the_good_ones_are_told() -> None:
    verdicts = (verdict(DkimReason.TOO_MANY_SIGNATURES),) * 100 + (verdict(DkimReason.GOOD, domain="good.example"),)
    results = read(Authentication(dkim=verdicts)).results
    assert len(results) == MAX_TOLD
    assert results[0].value("header", "d") == "good.example"


def test_what_was_not_finished_is_a_temporary_error() -> None:
    (result,) = read(Authentication(unfinished={Method.DKIM: "not finished within 4s"})).results
    assert (result.method, result.result, result.comments) == ("dkim", "temperror", ("not finished within 4s",))


def test_methods_have_the_names_of_the_registry() -> None:
    assert {method.word for method in Method} == {"dkim", "domainkeys", "spf", "sender-id"}
    assert [method for method in Method if method.wants_body] == [Method.DKIM, Method.DOMAINKEYS]


def spf(reason: SpfReason, identity: SpfIdentity = SpfIdentity.MAILFROM, **more: str) -> SpfVerdict:
    return SpfVerdict(reason, identity, "example.org", "alice@example.org", **more)  # type: ignore[arg-type]


ENVELOPE = Envelope(helo=b"mail.example.org", sender=b"alice@example.org")


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            Authentication(ENVELOPE, spf=spf(SpfReason.MATCHED_PASS, mechanism="ip4:192.0.2.0/24")),
            "spf=pass (the domain permits this client (ip4:192.0.2.0/24)) smtp.mailfrom=alice@example.org",
        ),
        (
            Authentication(ENVELOPE._replace(sender=b""), spf=spf(SpfReason.NO_RECORD)),
            "spf=none (the domain has no SPF record) smtp.helo=mail.example.org",
        ),
        (
            Authentication(ENVELOPE, spf_helo=spf(SpfReason.BAD_SYNTAX, SpfIdentity.HELO, detail="all.x")),
            "spf=permerror (an SPF record is not well-formed (all.x)) smtp.helo=mail.example.org",
        ),
        (
            Authentication(Envelope(sender=b'"a b"@example.org'), spf=spf(SpfReason.NO_CLIENT)),
            'spf=none (the message came from no host) smtp.mailfrom="\\"a b\\"@example.org"',
        ),
        (
            Authentication(Envelope(sender="ü@müller.example".encode()), spf=spf(SpfReason.TIMEOUT)),
            'spf=temperror (the name servers did not answer in time) smtp.mailfrom="ü@müller.example"',
        ),
        (
            Authentication(Envelope(helo=b"[192.0.2.1]\r\nX: y"), spf=spf(SpfReason.DOMAIN_LITERAL)),
            'spf=none (an address literal stands where the domain should be) smtp.helo="[192.0.2.1] X: y"',
        ),
    ],
)
def test_spf(found: Authentication, line: str) -> None:
    written = authentication_results(found, "mx.example").decode()
    assert " ".join(written.split("\r\n\t")[1:]).replace("]  X", "] X") == line


@pytest.mark.parametrize("reason", SpfReason)
def test_every_reason_of_spf(reason: SpfReason) -> None:
    (result,) = read(Authentication(ENVELOPE, spf=spf(reason))).results
    assert (result.method, result.result, result.comments) == ("spf", reason.result.value, (reason.text,))


def test_all_methods_in_one_field() -> None:
    found = Authentication(
        ENVELOPE,
        dkim=(),
        spf=spf(SpfReason.NO_RECORD),
        unfinished={Method.SPF_HELO: "no time"},
    )
    assert [(r.method, r.result) for r in read(found).results] == [
        ("dkim", "none"),
        ("spf", "none"),
        ("spf", "temperror"),
    ]


def senderid(reason: SenderIdReason, scope: Scope = Scope.PRA, **more: str) -> SenderIdVerdict:
    return SenderIdVerdict(reason, scope, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            senderid(SenderIdReason.MATCHED_FAIL, address="alice@x.example", field="resent-from", mechanism="-all"),
            "sender-id=fail (the domain says that this client is not permitted (-all))"
            " header.resent-from=alice@x.example",
        ),
        (
            senderid(SenderIdReason.PRA_MISSING),
            "sender-id=permerror (no header field says who is responsible for the message)",
        ),
        (
            senderid(SenderIdReason.PRA_SEVERAL_FIELDS, field="from"),
            f"sender-id=permerror ({SenderIdReason.PRA_SEVERAL_FIELDS.text})",
        ),
        (
            senderid(SenderIdReason.NO_RECORD, Scope.MFROM, address="alice@example.org"),
            "sender-id=none (the domain has no SPF record) smtp.mailfrom=alice@example.org",
        ),
    ],
)
def test_senderid(found: SenderIdVerdict, line: str) -> None:
    pra = found.scope is Scope.PRA
    authentication = Authentication(ENVELOPE, senderid=found if pra else None, senderid_mfrom=None if pra else found)
    written = authentication_results(authentication, "mx.example").decode()
    assert " ".join(written.split("\r\n\t")[1:]) == line


def test_merge() -> None:
    """Of each part only what it is there for."""
    first = Authentication(dkim=(), spf=spf(SpfReason.NO_RECORD), unfinished={Method.SPF_HELO: "x"})
    second = Authentication(spf=spf(SpfReason.MATCHED_PASS), unfinished={Method.SENDERID: "no time"})
    parts = {Method.DKIM: first, Method.SPF: second, Method.SENDERID: second}
    assert merge(ENVELOPE, parts) == Authentication(
        ENVELOPE, dkim=(), spf=second.spf, unfinished={Method.SENDERID: "no time"}
    )


@pytest.mark.parametrize(
    ("found", "temporary"),
    [
        (Authentication(dkim=()), False),
        (Authentication(dkim=(verdict(DkimReason.KEY_TIMEOUT),)), True),
        (Authentication(spf=spf(SpfReason.TIMEOUT)), True),
        (Authentication(spf=spf(SpfReason.BAD_SYNTAX), dkim=(verdict(DkimReason.GOOD),)), False),
        (Authentication(senderid=senderid(SenderIdReason.SERVFAIL)), True),
        (Authentication(unfinished={Method.SPF: "x"}), True),
    ],
)
def test_temporary(found: Authentication, temporary: bool) -> None:
    assert found.temporary == temporary


ALICE = Sender(b"alice", Domain.parse(b"example.org"), "sender")


def domainkey(reason: DomainKeysReason, **more: object) -> DomainKeysVerdict:
    signature = parse_domainkeys(parse_field(b"DomainKey-Signature: a=rsa-sha1; q=dns; d=example.org; s=sel; b=YQ=="))
    return DomainKeysVerdict(reason, signature, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ((), "domainkeys=none"),
        (
            (domainkey(DomainKeysReason.GOOD, key_bits=1024, sender=ALICE),),
            "domainkeys=pass (1024-bit key) header.d=example.org header.sender=alice@example.org",
        ),
        (
            (domainkey(DomainKeysReason.SIGNATURE_MISMATCH, testing=True), domainkey(DomainKeysReason.KEY_TIMEOUT)),
            f"domainkeys=fail ({DomainKeysReason.SIGNATURE_MISMATCH.text}; the domain says t=y: testing)"
            f" header.d=example.org; domainkeys=temperror ({DomainKeysReason.KEY_TIMEOUT.text}) header.d=example.org",
        ),
    ],
)
def test_domainkeys(verdicts: tuple[DomainKeysVerdict, ...], line: str) -> None:
    written = authentication_results(Authentication(domainkeys=verdicts), "mx.example").decode()
    assert " ".join(written.split("\r\n\t")[1:]) == line


@pytest.mark.parametrize("reason", DomainKeysReason)
def test_every_reason_of_domainkeys(reason: DomainKeysReason) -> None:
    found = Authentication(domainkeys=(domainkey(reason),))
    (result,) = read(found).results
    assert (result.method, result.result) == ("domainkeys", reason.result.value)
    assert result.comments == (() if reason is DomainKeysReason.GOOD else (reason.text,))
    assert found.temporary == (result.result == "temperror")
