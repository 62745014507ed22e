"""DKIM signatures of 2005: what we sign we verify, and only where dkim_legacy is set."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim import crypto
from exim_dkim.config.settings import Settings
from exim_dkim.crypto import PublicKey
from exim_dkim.dkim.legacy_sign import LegacySigning
from exim_dkim.dkim.verify import verify, verify_header
from exim_dkim.errors import SigningError
from exim_dkim.expansion import EmptyEnvironment
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import parse_message
from exim_dkim.policy import VerificationPolicy
from exim_dkim.signing import SigningPlan, plan_signatures, signature_fields
from tests.support import mail
from tests.support.run import run

LEGACY = VerificationPolicy(legacy=True)
OPTIONS = {
    "dkim_domain": "example.org",
    "dkim_selector": "sel",
    "dkim_private_key": mail.pem().decode().replace("\n", "\\n"),
    "dkim_canon": "nowsp",
    "dkim_legacy": "true",
}


def plan(message: bytes = mail.MESSAGE, **changes: str) -> SigningPlan:
    values = Settings().replaced({name: value.encode() for name, value in {**OPTIONS, **changes}.items()})
    return plan_signatures(values, EmptyEnvironment(), parse_message(message).fields, mail.NOW, lambda path: b"")


def signed(message: bytes = mail.MESSAGE, **changes: str) -> bytes:
    made, parsed = plan(message, **changes), parse_message(message)
    hasher = BodyHasher()
    hashes = made.body_hashes(hasher)
    hasher.update(parsed.body)
    hasher.finish()
    return signature_fields(made, parsed.fields, hashes) + message


def reasons(message: bytes, policy: VerificationPolicy = LEGACY) -> list[str]:
    verdicts = run(verify(parse_message(message), mail.resolver(), policy, mail.NOW))
    return [verdict.reason.name for verdict in verdicts]


def test_what_it_looks_like() -> None:
    message = signed(dkim_timestamps="0", dkim_sign_headers="To:From")
    head = b"DKIM-Signature: a=rsa-sha1; c=nowsp; d=example.org; s=sel; t=1700000000; h=To\r\n\t:From; b="
    assert message.startswith(head)
    assert reasons(message) == ["GOOD"]


def test_only_where_it_is_wanted() -> None:
    assert reasons(signed(), VerificationPolicy()) == ["MISSING_TAG"]
    made = plan(dkim_legacy="false")
    assert made.notes == ("dkim_canon gives nowsp, which dkim_legacy does not permit: using relaxed",)
    assert reasons(signed(dkim_legacy="false")) == ["GOOD"]
    assert b"v=1;" in signed(dkim_legacy="false")


def test_beside_others() -> None:
    more = {
        "dkim_selector": "sel : sel2",
        "dkim_canon": "${if eq{$dkim_selector}{sel2}{nowsp}{relaxed}}",
        "dkim_sign_headers": "=From:=DomainKey-Signature:+To",
        "domainkeys_domain": "example.org",
        "domainkeys_selector": "sel",
        "domainkeys_private_key": OPTIONS["dkim_private_key"],
    }
    message = signed(mail.MESSAGE, **more)
    resolver = mail.resolver(sel2___domainkey__example__org=mail.record())
    verdicts = run(verify(parse_message(message), resolver, LEGACY, mail.NOW))
    assert [verdict.reason.name for verdict in verdicts] == ["GOOD", "GOOD"]


def test_changes() -> None:
    message = signed()
    assert reasons(message.replace(b"Hello  Bob", b"Hel lo\r\nBob")) == ["GOOD"]
    assert reasons(message.replace(b"Hello", b"Hallo")) == ["SIGNATURE_MISMATCH"]


def test_a_library_that_refuses_sha1(monkeypatch: pytest.MonkeyPatch) -> None:
    message = signed()
    monkeypatch.setattr(PublicKey, "verify_digest", lambda *arguments: None)
    assert reasons(message) == ["HASH_NOT_ALLOWED"]


def test_faults() -> None:
    fields = parse_message(mail.MESSAGE).fields
    key = crypto.load_private_key(mail.pem("ed25519"))
    with pytest.raises(SigningError, match="rsa-sha1 only"):
        LegacySigning(fields, mail.request(header_canonicalization="nowsp"), key)
    with pytest.raises(SigningError, match="use nowsp or simple"):
        LegacySigning(fields, mail.request(), crypto.load_private_key(mail.pem()))


BODIES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r", b"\n", b"\0", b"\xff"])).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(BODIES, st.integers(1, 5))
def test_any_body_in_chunks(body: bytes, size: int) -> None:
    parsed = parse_message(signed(mail.HEADER + b"\r\n" + body))
    verification = run(verify_header(parsed.fields, mail.resolver(), LEGACY, mail.NOW))
    for start in range(0, len(body), size):
        verification.update(body[start : start + size])
    assert [verdict.reason.name for verdict in verification.finish()] == ["GOOD"]
