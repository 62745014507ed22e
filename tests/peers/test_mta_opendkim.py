"""Sendmail and Postfix with OpenDKIM as their milter: what it signs there we verify, and the reverse.

That is also the proof that the sandboxes work as these MTAs do elsewhere.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from exim_dkim.api import verify
from exim_dkim.memory import MemoryResolver
from tests.support import samples
from tests.support.mta import Listener, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.opendkim import SIGNER, VERIFIER, OpenDkim
from tests.support.run import run
from tests.support.smtp import Sink, submit

pytestmark = [pytest.mark.peer("opendkim"), pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

RECIPIENTS = ["bob@rx.example"]


class Mail(NamedTuple):
    """An MTA whose port `sign` has a signing OpenDKIM and `verify` a verifying one; its mail goes to `sink`."""

    mta: Mta
    sink: Sink

    def through(self, port: str, message: bytes) -> bytes:
        """What becomes of `message`."""
        reply = submit(self.mta.ports[port], message, sender="alice@example.org", recipients=RECIPIENTS)
        assert reply.code == 250, (reply, self.mta.log())
        return self.sink.next().message


@pytest.fixture(scope="module", params=NAMES)
def mail(request: pytest.FixtureRequest) -> Iterator[Mail]:
    with (
        mail_directory("exim-dkim-opendkim-") as directory,
        Sink() as sink,
        OpenDkim(directory / "signer", SIGNER) as signer,
        OpenDkim(directory / "verifier", VERIFIER) as verifier,
    ):
        listeners = {
            "sign": Listener((signer.milter,)),
            "verify": Listener((verifier.milter._replace(name="verifier"),)),
        }
        with mta(request.param, directory, sink.port, listeners) as running:
            yield Mail(running, sink)


def results(message: bytes) -> list[bytes]:
    """The results in the Authentication-Results fields that OpenDKIM has added."""
    head = message.partition(b"\r\n\r\n")[0]
    return re.findall(rb"^Authentication-Results: opendkim\.test\.example;\s+dkim=(\w+)", head, re.MULTILINE)


def test_we_verify_what_it_signs(mail: Mail) -> None:
    delivered = mail.through("sign", samples.message())
    (verdict,) = run(verify(delivered, MemoryResolver(dict(samples.RECORDS)), now=time.time()))
    assert (verdict.result.value, str(verdict.signature.domain)) == ("pass", "example.org")


@pytest.mark.parametrize("key", ["rsa2048", "ed25519"])
def test_it_verifies_what_we_sign(mail: Mail, key: str) -> None:
    selector = {"rsa2048": "rsa", "ed25519": "ed"}[key]
    signed = samples.signed(samples.message(), key=key, selector=selector)
    assert results(mail.through("verify", signed)) == [b"pass"]
    assert results(mail.through("verify", signed.replace(b"Hello", b"Hallo"))) == [b"fail"]


def test_unsigned(mail: Mail) -> None:
    assert results(mail.through("verify", samples.message())) == [b"none"]
