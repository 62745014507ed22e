"""The public Python API, as the README shows it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import exim_dkim
from exim_dkim import DkimReason, KeyFormatError, MemoryResolver, ParseError, SigningError, Trouble, VerificationPolicy
from exim_dkim.policy import DomainKeysPolicy
from exim_dkim.system.authenticate import Policies
from tests.support.mail import MESSAGE, NOW, pem, record

KEYS = MemoryResolver({"sel._domainkey.example.org": record()})


def sign(message: bytes = MESSAGE, **changes: object) -> bytes:
    arguments: dict[str, object] = {"domain": "example.org", "selector": "sel", "private_key": pem(), "now": NOW}
    return exim_dkim.sign(message, **{**arguments, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [MESSAGE, MESSAGE.replace(b"\r\n", b"\n")])
@pytest.mark.parametrize("canonicalization", ["relaxed/relaxed", "simple/simple", "relaxed", "simple/relaxed"])
def test_there_and_back(message: bytes, canonicalization: str) -> None:
    field = sign(message, canonicalization=canonicalization, lifetime=60, identity="joe@mail.example.org")
    assert (b"\r\n" in field) == (b"\r\n" in message)
    (verdict,) = exim_dkim.verify_blocking(field + message, KEYS, now=NOW)
    assert verdict.reason is DkimReason.GOOD
    assert verdict.signature.identity == "joe@mail.example.org"
    (late,) = exim_dkim.verify_blocking(field + message, KEYS, now=NOW + 1000)
    assert late.reason is DkimReason.EXPIRED


def test_inside_an_event_loop() -> None:
    async def work() -> str:
        (verdict,) = await exim_dkim.verify(sign() + MESSAGE, KEYS, now=NOW)
        return verdict.result.value

    assert asyncio.run(work()) == "pass"


def test_troubles_and_policies() -> None:
    down = MemoryResolver({"sel._domainkey.example.org": Trouble.SERVFAIL})
    (verdict,) = exim_dkim.verify_blocking(sign() + MESSAGE, down, now=NOW)
    assert verdict.result.value == "temperror"
    policy = VerificationPolicy(min_key_bits={"rsa": 2048})
    (verdict,) = exim_dkim.verify_blocking(sign() + MESSAGE, KEYS, now=NOW, policy=policy)
    assert verdict.reason is DkimReason.KEY_TOO_SMALL


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"private_key": b"junk"}, KeyFormatError),
        ({"domain": "a b"}, ParseError),
        ({"selector": ""}, ParseError),
        ({"identity": "joe"}, ParseError),
        ({"identity": "joe@example.com"}, SigningError),
        ({"message": b"To: x\n\nno From\n"}, SigningError),
        ({"canonicalization": "nowsp"}, SigningError),
    ],
)
def test_errors(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        sign(**changes)  # type: ignore[arg-type]


def test_everything_that_is_offered_is_there() -> None:
    for name in exim_dkim.__all__:
        assert getattr(exim_dkim, name) is not None
    assert dir(exim_dkim) == sorted(exim_dkim.__all__)
    with pytest.raises(AttributeError):
        exim_dkim.__getattr__("nonsense")


def test_importing_the_package_imports_next_to_nothing() -> None:
    program = "import sys, exim_dkim; print([m for m in sys.modules if m.startswith(('exim_dkim.', 'crypto', 'dns'))])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


RECORDS = {
    "sel._domainkey.example.org": record(),
    "example.org": "v=spf1 ip4:192.0.2.1 -all",
    "sender.example": "v=spf1 ip4:192.0.2.1 -all",
}


def test_authenticate() -> None:
    dns = MemoryResolver(RECORDS)

    async def work() -> exim_dkim.Authentication:
        return await exim_dkim.authenticate(
            sign() + MESSAGE, dns, now=NOW, client="192.0.2.1", helo="mail.example", sender="x@sender.example"
        )

    found = asyncio.run(work())
    field = exim_dkim.authentication_results(found, "mx.example").decode()
    assert field.startswith("Authentication-Results: mx.example;\r\n\tdkim=pass")
    assert "spf=pass" in field
    assert "smtp.mailfrom=x@sender.example" in field
    assert "sender-id=pass" in field
    assert found.spf
    assert found.spf.domain == "sender.example"


def test_authenticate_without_a_client_asks_for_keys_only() -> None:
    dns = MemoryResolver(RECORDS)
    found = asyncio.run(exim_dkim.authenticate((sign() + MESSAGE).replace(b"\r\n", b"\n"), dns, now=NOW))
    assert [verdict.reason for verdict in found.dkim or ()] == [DkimReason.GOOD]
    assert (found.spf, found.senderid, found.domainkeys) == (None, None, None)
    assert [question.name for question in dns.asked] == ["sel._domainkey.example.org"]


def test_authenticate_by_domainkeys_where_sha1_is_accepted() -> None:
    policies = Policies(domainkeys=DomainKeysPolicy(accept_sha1=True))
    found = asyncio.run(exim_dkim.authenticate(MESSAGE, KEYS, now=NOW, policies=policies))
    assert found.domainkeys == ()


def test_a_client_that_is_no_address() -> None:
    with pytest.raises(ParseError):
        _ = exim_dkim.authenticate(MESSAGE, KEYS, now=NOW, client="mail.example")
