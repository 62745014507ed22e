"""Verification as a whole; every single reason is reached by a vector in tests/vectors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.crypto import PublicKey
from exim_dkim.dkim.verify import MAX_VERDICTS, Verdict, verify, verify_header
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.outcome import DkimReason, DkimResult
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Trouble
from tests.support.mail import BODY, HEADER, MESSAGE, NOW, record, resolver, signed
from tests.support.run import run

POLICY = VerificationPolicy()


def verdicts(
    message: bytes, keys: MemoryResolver | None = None, policy: VerificationPolicy = POLICY, now: float = NOW
) -> tuple[Verdict, ...]:
    return run(verify(parse_message(message), keys or resolver(), policy, now))


def reasons(
    message: bytes, keys: MemoryResolver | None = None, policy: VerificationPolicy = POLICY
) -> list[DkimReason]:
    return [verdict.reason for verdict in verdicts(message, keys, policy)]


def test_unsigned() -> None:
    keys = resolver()
    assert verdicts(MESSAGE, keys) == ()
    assert keys.asked == []


@pytest.mark.parametrize("header", ["simple", "relaxed"])
@pytest.mark.parametrize("body", ["simple", "relaxed"])
@pytest.mark.parametrize("key_type", ["rsa", "ed25519"])
def test_good(header: str, body: str, key_type: str) -> None:
    message = signed(key_type=key_type, header_canonicalization=header, body_canonicalization=body)
    keys = MemoryResolver({"sel._domainkey.example.org": record(key_type)})
    (verdict,) = verdicts(message, keys)
    assert verdict.reason is DkimReason.GOOD
    assert verdict.result is DkimResult.PASS
    assert verdict.key_bits == (1024 if key_type == "rsa" else 256)
    assert verdict.explanation == "d=example.org s=sel: the signature is good"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"Hello", b"Hallo"), DkimReason.BODY_HASH_MISMATCH),
        ((b"Subject:  A", b"Subject:  B"), DkimReason.SIGNATURE_MISMATCH),
        ((b"alice@", b"mallory@"), DkimReason.SIGNATURE_MISMATCH),
        ((b"d=example.org", b"d=example.net"), DkimReason.KEY_NXDOMAIN),
        ((b"From: Alice", b"From: Mallory <m@example.net>\r\nFrom: Alice"), DkimReason.UNSIGNED_DUPLICATE_FIELD),
    ],
)
def test_changed(change: tuple[bytes, bytes], reason: DkimReason) -> None:
    message = signed()
    assert change[0] in message
    assert reasons(message.replace(*change)) == [reason]


@pytest.mark.parametrize(
    "line",
    [
        b"Click here to win\r\n", b"See here: https://example.net\r\n", b"X: 1\nFrom: Mallory <m@example.net>\r\n",
        b"From\r\n : Mallory <m@example.net>\r\n",
    ],
)  # fmt: skip
def test_a_header_that_readers_understand_differently(line: bytes) -> None:
    """Exim and others end the header at a line that is no field; what follows would be shown as the body."""
    keys = resolver()
    assert reasons(signed().replace(b"To: Bob", line + b"To: Bob"), keys) == [DkimReason.MALFORMED_HEADER]
    assert keys.asked == []


@pytest.mark.parametrize(
    "change",
    [
        (b"Received: from", b"Received: by"),
        (b"Subject:  A   folded\r\n\tsubject", b"SUBJECT: A folded subject"),
        (b"it.\t\r\n\r\n\r\n", b"it.  \r\n"),
        (b"Hello  Bob, ", b"Hello \t Bob,"),
    ],
)
def test_what_relaxed_forgives(change: tuple[bytes, bytes]) -> None:
    message = signed()
    assert change[0] in message
    assert reasons(message.replace(*change)) == [DkimReason.GOOD]
    simple = signed(header_canonicalization="simple", body_canonicalization="simple")
    expected = DkimReason.GOOD if change[0].startswith(b"Received") else None
    assert (reasons(simple.replace(*change)) == [DkimReason.GOOD]) is (expected is not None)


def test_several_signatures_and_one_question_a_key() -> None:
    message = signed(signed(signed(signed(), selector="none"), domain="example.net"), selector="sel")
    keys = resolver()
    got = verdicts(message, keys)
    assert [verdict.reason for verdict in got] == [
        DkimReason.GOOD, DkimReason.KEY_NXDOMAIN, DkimReason.KEY_NXDOMAIN, DkimReason.GOOD,
    ]  # fmt: skip
    assert len(keys.asked) == 3


def test_the_limit_counts_only_signatures_that_cost_something() -> None:
    junk = b"DKIM-Signature: v=1; junk\r\n" * 50
    message = signed(signed(junk + MESSAGE))
    policy = VerificationPolicy(max_signatures=1)
    got = reasons(message, policy=policy)
    assert got[0] is DkimReason.GOOD
    assert got[1] is DkimReason.TOO_MANY_SIGNATURES
    assert set(got[2:]) == {DkimReason.BAD_TAG_LIST}


def test_thousands_of_signatures() -> None:
    keys = resolver()
    assert len(verdicts(b"DKIM-Signature: x\r\n" * 5000 + signed(), keys)) == MAX_VERDICTS
    assert keys.asked == []


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record(number=1), record()], DkimReason.GOOD),
        (["v=spf1 -all", record()], DkimReason.GOOD),
        ([record(), "junk"], DkimReason.GOOD),
        ([record(number=1), record(number=2)], DkimReason.SIGNATURE_MISMATCH),
        (["junk", "v=spf1 -all"], DkimReason.KEY_BAD_RECORD),
        (["junk", "v=DKIM1; p="], DkimReason.KEY_REVOKED),
        ([record(number=1)] * 4 + [record()], DkimReason.SIGNATURE_MISMATCH),
        (Trouble.TIMEOUT, DkimReason.KEY_TIMEOUT),
        (Trouble.SERVFAIL, DkimReason.KEY_SERVFAIL),
        (Trouble.NO_DATA, DkimReason.KEY_NO_DATA),
        (Trouble.NXDOMAIN, DkimReason.KEY_NXDOMAIN),
    ],
    ids=range(11),
)
def test_what_dns_says(records: list[str] | Trouble, reason: DkimReason) -> None:
    assert reasons(signed(), MemoryResolver({"sel._domainkey.example.org": records})) == [reason]


def test_testing_is_told() -> None:
    (verdict,) = verdicts(
        signed().replace(b"Hello", b"Hallo"), MemoryResolver({"sel._domainkey.example.org": record() + "; t=y"})
    )
    assert verdict.testing
    assert "testing" in verdict.explanation


def test_a_signature_without_a_body() -> None:
    message = signed(HEADER)
    assert reasons(message) == [DkimReason.GOOD]
    assert reasons(message + b"\r\n") == [DkimReason.GOOD]


def test_stages() -> None:
    message = parse_message(signed())

    async def staged() -> tuple[Verdict, ...]:
        verification = await verify_header(message.fields, resolver(), POLICY, NOW)
        assert verification.wants_body
        for index in range(len(BODY)):
            verification.update(BODY[index : index + 1])
        return verification.finish()

    assert [verdict.reason for verdict in run(staged())] == [DkimReason.GOOD]


def test_the_body_is_not_wanted_when_the_header_has_decided() -> None:
    async def header_stage() -> bool:
        fields = parse_message(signed().replace(b"alice@", b"mallory@")).fields
        return (await verify_header(fields, resolver(), POLICY, NOW)).wants_body

    assert not run(header_stage())


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"timestamp": int(NOW), "expiration": int(NOW) + 10}, DkimReason.GOOD),
        ({"timestamp": int(NOW) + 299}, DkimReason.GOOD),
        ({"timestamp": int(NOW) + 301}, DkimReason.IN_THE_FUTURE),
        ({"timestamp": 1, "expiration": int(NOW) - 299}, DkimReason.GOOD),
        ({"timestamp": 1, "expiration": int(NOW) - 301}, DkimReason.EXPIRED),
    ],
)
def test_times(times: dict[str, int], reason: DkimReason) -> None:
    assert reasons(signed(**times)) == [reason]  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(signed()) - 1), st.binary(max_size=3))
def test_any_damage_gets_a_verdict(position: int, text: bytes) -> None:
    message = signed()
    for verdict in verdicts(message[:position] + text + message[position + 1 :]):
        assert verdict.explanation
        assert "\n" not in verdict.explanation


def test_a_library_that_refuses_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is the hash that is to blame: nobody has seen that the signature does not fit."""
    message = signed()
    monkeypatch.setattr(PublicKey, "verify", lambda *arguments: None)
    assert reasons(message) == [DkimReason.HASH_NOT_ALLOWED]
