"""All methods at once: what is asked, what is awaited together, and what one that breaks does to the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

import pytest

from exim_dkim.authentication import Authentication, Method
from exim_dkim.config.settings import Settings
from exim_dkim.dkim.verify import Verdict
from exim_dkim.envelope import Envelope
from exim_dkim.message import parse_message
from exim_dkim.outcome import DkimReason
from exim_dkim.resolver import Answer, Question, Resolver
from exim_dkim.system.authenticate import INTERNAL, Authenticator, Policies, policies
from tests.support.mail import MESSAGE, NOW, resolver, signed

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

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Broken:
    """A fault of ours."""

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
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
