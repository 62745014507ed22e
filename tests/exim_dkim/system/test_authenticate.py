"""All methods at once: what is asked, what is awaited together, and what one that breaks does to the others."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Sequence

import pytest

from exim_dkim.authentication import Authentication, Method
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.dkim.verify import Verdict
from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.errors import ConfigurationError
from exim_dkim.memory import MemoryResolver, Value
from exim_dkim.message import parse_message
from exim_dkim.outcome import DkimReason, DomainKeysReason, SenderIdReason, SpfReason
from exim_dkim.resolver import Answer, Question, Resolver
from exim_dkim.system.authenticate import INTERNAL, Authenticator, Policies, authserv_id, policies
from tests.support import domainkeys
from tests.support.mail import MESSAGE, NOW, record, resolver, signed

GOOD = signed()


def authenticate(
    resolver: Resolver,
    message: bytes,
    methods: Collection[Method],
    envelope: Envelope = Envelope(),  # noqa: B008 - a value
    seconds: float | None = None,
) -> Authentication:
    async def run() -> Authentication:
        parsed = parse_message(message)
        begun = await Authenticator(resolver, Policies(), lambda: NOW).begin(parsed.fields, envelope, methods, seconds)
        if begun.wants_body:
            for chunk in parsed.body_chunks(7):
                begun.update(chunk)
        return begun.finish()

    return asyncio.run(run())


def reasons(verdicts: Sequence[Verdict] | None) -> list[DkimReason]:
    assert verdicts is not None
    return [verdict.reason for verdict in verdicts]


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (GOOD, [DkimReason.GOOD]),
        (GOOD.replace(b"this", b"that"), [DkimReason.BODY_HASH_MISMATCH]),
        (GOOD.replace(b"Alice", b"Mallory"), [DkimReason.SIGNATURE_MISMATCH]),
        (MESSAGE, []),
    ],
)
def test_dkim(message: bytes, wanted: list[DkimReason]) -> None:
    envelope = Envelope(helo=b"client.example")
    found = authenticate(resolver(), message, {Method.DKIM}, envelope)
    assert reasons(found.dkim) == wanted
    assert found.envelope == envelope
    assert not found.unfinished


def test_nothing_is_asked_for_a_method_that_nobody_wants() -> None:
    keys = resolver()
    found = authenticate(keys, GOOD, ())
    assert found == Authentication()
    assert keys.asked == []


class Silent:
    """Never answers."""

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Broken:
    """A fault of ours."""

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        raise RuntimeError("a fault")


def test_the_time_is_over() -> None:
    found = authenticate(Silent(), GOOD, {Method.DKIM}, seconds=0.01)
    assert found.dkim is None
    assert found.unfinished == {Method.DKIM: "not finished within 0.01s"}


def test_a_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "exim_dkim"):
        found = authenticate(Broken(), GOOD, {Method.DKIM})
    assert found.unfinished == {Method.DKIM: INTERNAL}
    assert "RuntimeError: a fault at " in caplog.text


def test_without_the_body() -> None:
    async def run(message: bytes) -> Authentication:
        fields = parse_message(message).fields
        begun = await Authenticator(resolver(), Policies(), lambda: NOW).begin(fields, Envelope(), {Method.DKIM})
        return begun.without_body("the body is gone")

    found = asyncio.run(run(GOOD))
    assert (found.dkim, dict(found.unfinished)) == (None, {Method.DKIM: "the body is gone"})
    found = asyncio.run(run(GOOD.replace(b"Alice", b"Mallory")))
    assert reasons(found.dkim) == [DkimReason.SIGNATURE_MISMATCH]
    assert not found.unfinished


def test_policies_of_the_options() -> None:
    assert policies(Settings()).dkim.max_signatures == 8
    assert policies(Settings().replaced({"dkim_verify_signatures": b"3"})).dkim.max_signatures == 3


ENVELOPE = Envelope(parse_client(b"192.0.2.1"), b"mail.example.org", b"alice@example.org")
SPF: dict[str, Value] = {"example.org": "v=spf1 ip4:192.0.2.1 -all", "mail.example.org": "v=spf1 -all"}


def test_spf_of_both_identities() -> None:
    found = authenticate(MemoryResolver(SPF), MESSAGE, {Method.SPF, Method.SPF_HELO}, ENVELOPE)
    assert found.spf
    assert found.spf_helo
    assert (found.spf.reason, found.spf_helo.reason) == (SpfReason.MATCHED_PASS, SpfReason.MATCHED_FAIL)
    assert found.dkim is None


def test_spf_before_there_is_a_message() -> None:
    authenticator = Authenticator(MemoryResolver(SPF), Policies(), lambda: NOW)
    assert asyncio.run(authenticator.spf(ENVELOPE)).domain == "example.org"
    assert asyncio.run(authenticator.spf(ENVELOPE._replace(sender=b""))).domain == "mail.example.org"
    assert asyncio.run(authenticator.helo(ENVELOPE)).domain == "mail.example.org"


def test_whether_spf_records_stand_in_for_those_of_sender_id() -> None:
    for text, reason in ((b"", SenderIdReason.MATCHED_PASS), (b"senderid_spf1 = false\n", SenderIdReason.NO_RECORD)):
        judged_by = policies(parse_configuration(text))
        authenticator = Authenticator(MemoryResolver(SPF), judged_by, lambda: NOW)
        fields = parse_message(MESSAGE).fields
        assert asyncio.run(authenticator.senderid(fields, ENVELOPE)).reason is reason


class Slow(MemoryResolver):
    """Answers when the same number of others have asked."""

    def __init__(self, records: dict[str, Value], others: int) -> None:
        super().__init__(records)
        self._meeting = asyncio.Barrier(others)

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        await self._meeting.wait()
        return await super().resolve(*questions)


def test_methods_wait_together() -> None:
    """Each is still waiting for DNS when the other begins, or nobody would get an answer."""
    records: dict[str, Value] = {**SPF, "sel._domainkey.example.org": record()}

    async def run() -> Authentication:
        parsed = parse_message(GOOD)
        authenticator = Authenticator(Slow(records, 3), Policies(), lambda: NOW)
        methods = {Method.DKIM, Method.SPF, Method.SPF_HELO}
        begun = await authenticator.begin(parsed.fields, ENVELOPE, methods, 10)
        begun.update(parsed.body)
        return begun.finish()

    found = asyncio.run(run())
    assert not found.unfinished
    assert reasons(found.dkim) == [DkimReason.GOOD]


def test_one_that_breaks_leaves_the_others_alone() -> None:
    class HalfBroken(MemoryResolver):
        async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
            if any("_domainkey" in question.name for question in questions):
                raise RuntimeError("a fault")
            return await super().resolve(*questions)

    found = authenticate(HalfBroken(SPF), GOOD, {Method.DKIM, Method.SPF}, ENVELOPE)
    assert found.unfinished == {Method.DKIM: INTERNAL}
    assert found.spf
    assert found.spf.reason is SpfReason.MATCHED_PASS


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"authserv_id": b"ours.example", "primary_hostname": b"host.example"}, "ours.example"),
        ({"primary_hostname": b"host.example"}, "host.example"),
        ({}, os.uname().nodename),
    ],
)
def test_authserv_id(options: dict[str, bytes], name: str) -> None:
    assert authserv_id(Settings().replaced(options)) == name


@pytest.mark.parametrize("name", [b"a\nb", b"...", b"x" * 300])
def test_authserv_id_that_cannot_be_used(name: bytes) -> None:
    with pytest.raises(ConfigurationError, match="authserv_id"):
        authserv_id(Settings().replaced({"authserv_id": name}))


@pytest.mark.parametrize(
    ("method", "domain"), [(Method.SENDERID, "example.org"), (Method.SENDERID_MFROM, "sender.example")]
)
def test_senderid(method: Method, domain: str) -> None:
    records: dict[str, Value] = {
        "example.org": "spf2.0/pra ip4:192.0.2.1 -all",
        "sender.example": "spf2.0/mfrom ip4:192.0.2.1 -all",
    }
    envelope = ENVELOPE._replace(sender=b"bob@sender.example")
    found = authenticate(MemoryResolver(records), MESSAGE, {method}, envelope)
    verdict = found.senderid if method is Method.SENDERID else found.senderid_mfrom
    assert verdict
    assert (verdict.reason, verdict.domain) == (SenderIdReason.MATCHED_PASS, domain)


def test_dkim_and_domainkeys_read_the_body_once() -> None:
    message = domainkeys.signed(GOOD)
    chunks: list[bytes] = []

    async def run(text: bytes) -> Authentication:
        parsed = parse_message(text)
        authenticator = Authenticator(resolver(), Policies(domainkeys=domainkeys.POLICY), lambda: NOW)
        begun = await authenticator.begin(parsed.fields, Envelope(), (Method.DKIM, Method.DOMAINKEYS), 10)
        assert begun.wants_body
        for chunk in parsed.body_chunks(9):
            chunks.append(chunk)
            begun.update(chunk)
        return begun.finish()

    found = asyncio.run(run(message))
    assert reasons(found.dkim) == [DkimReason.GOOD]
    assert [verdict.reason for verdict in found.domainkeys or ()] == [DomainKeysReason.GOOD]
    found = asyncio.run(run(message.replace(b"this is", b"that is")))
    assert reasons(found.dkim) == [DkimReason.BODY_HASH_MISMATCH]
    assert [verdict.reason for verdict in found.domainkeys or ()] == [DomainKeysReason.SIGNATURE_MISMATCH]


def test_domainkeys_is_off_until_it_is_wanted() -> None:
    assert not policies(Settings()).domainkeys.accept_sha1
    assert policies(Settings().replaced({"domainkeys_verify": b"true"})).domainkeys.accept_sha1
