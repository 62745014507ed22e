"""DomainKeys beside DKIM, through a real Exim and our filter, as Mail::DKIM and our own engine see what came out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from exim_dkim.domainkeys.verify import verify
from exim_dkim.message import parse_message
from exim_dkim.policy import DomainKeysPolicy
from exim_dkim.system.zone import ZoneResolver
from tests.support import dkim_peers
from tests.support.dkim_peers import MailDkim
from tests.support.exim import Exim
from tests.support.processes import wait_until
from tests.support.samples import RECORDS, RECORDS_ZONE, message
from tests.support.smtp import submit
from tests.support.world import SIGNING, World

DOMAINKEYS = """\
domainkeys_domain = example.org
domainkeys_selector = rsa
domainkeys_private_key = ${lookup {$domainkeys_selector.pem} dsearch,ret=full {DIRECTORY/keys} {$value}{0}}
"""
BODY = b"Hello  Bob \r\n\r\n .dot\r\n.\r\n\ttab \r\n\r\n\r\n"


@pytest.fixture(name="tx")
def sender(world: World) -> Iterator[Exim]:
    """The sender, with the usual configuration after the test."""
    exim = world.sender()
    yield exim
    world.configure("tx", SIGNING)
    wait_until("the queue is empty", lambda: not exim.queue())
    assert exim.panic_log() == ""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailDkim]:
    """Mail::DKIM, which knows no Ed25519."""
    with dkim_peers.opened("Mail::DKIM", tmp_path_factory.mktemp("peer")) as opened:
        assert isinstance(opened, MailDkim)
        opened.set_keys({name: record.encode() for name, record in RECORDS.items()})
        yield opened


def ours(text: bytes) -> list[str]:
    policy = DomainKeysPolicy(accept_sha1=True)
    verdicts = asyncio.run(verify(parse_message(text), ZoneResolver(RECORDS_ZONE), policy))
    return [verdict.reason.name for verdict in verdicts]


@pytest.mark.parametrize("canonicalization", ["nofws", "simple"])
@pytest.mark.parametrize("headers", ["", "domainkeys_sign_headers = *\n"])
def test_both_signatures(world: World, tx: Exim, peer: MailDkim, canonicalization: str, headers: str) -> None:
    dkim = SIGNING.replace("$dkim_selector.pem", "${if eq{$dkim_selector}{rsa}{rsa.pem}{no.pem}}")
    world.configure("tx", f"{dkim}{DOMAINKEYS}{headers}domainkeys_canon = {canonicalization}\n")
    assert submit(tx.port, message(body=BODY), sender="alice@example.org", recipients=["bob@rx.example"]).code == 250
    text = world.sink.next().message
    names = [field.name for field in parse_message(text).fields]
    assert names[:2] == [b"dkim-signature", b"domainkey-signature"]
    assert ours(text) == ["GOOD"]
    assert peer.verify(text) == [True, True]
    assert peer.verify(text.replace(b"Hello", b"Hallo")) == [False, False]


def test_domainkeys_alone(world: World, tx: Exim, peer: MailDkim) -> None:
    world.configure("tx", DOMAINKEYS)
    assert submit(tx.port, message(body=BODY), sender="alice@example.org", recipients=["bob@rx.example"]).code == 250
    text = world.sink.next().message
    assert text.startswith(b"DomainKey-Signature: ")
    assert peer.verify(text) == [True]


def test_mail_from_elsewhere_is_not_signed(world: World, tx: Exim) -> None:
    world.configure("tx", f"{DOMAINKEYS}dkim_strict = true\n")
    text = message(body=BODY).replace(b"@example.org", b"@elsewhere.example")
    assert submit(tx.port, text, sender="alice@example.org", recipients=["bob@rx.example"]).code == 250
    assert b"DomainKey-Signature" not in world.sink.next().message


def test_a_fault_keeps_the_mail(world: World, tx: Exim) -> None:
    """dkim_strict decides about DomainKeys, too; the mail goes out when the fault is gone."""
    world.configure("tx", DOMAINKEYS.replace("rsa\n", "ed\n") + "dkim_strict = true\n")
    reply = submit(tx.port, message(body=BODY), sender="alice@example.org", recipients=["bob@rx.example"])
    identifier = reply.text.partition("id=")[2]
    tx.wait_for_log(f"{identifier} == bob@rx.example .*transport filter")
    assert tx.queue() == [identifier]
    world.configure("tx", DOMAINKEYS)
    tx.run_queue()
    assert ours(world.sink.next().message) == ["GOOD"]
