"""A real Exim sends through `exim-dkim-filter` as its transport_filter, as examples/exim.conf has it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

import pytest

from exim_dkim.dkim.verify import verify
from exim_dkim.message import parse_message
from exim_dkim.outcome import DkimResult
from exim_dkim.policy import VerificationPolicy
from exim_dkim.system.zone import ZoneResolver
from tests.support.exim import Exim
from tests.support.processes import wait_until
from tests.support.samples import RECORDS_ZONE, message
from tests.support.smtp import Client, Received, submit
from tests.support.world import SIGNING, World

FIXED = """\
dkim_domain = example.org
dkim_selector = rsa
dkim_private_key = DIRECTORY/keys/rsa.pem
dkim_strict = true
"""


@pytest.fixture(name="tx")
def sender(world: World) -> Iterator[Exim]:
    """The sender, with the usual configuration before and after the test, and an empty queue after it."""
    world.configure("tx", SIGNING)
    exim = world.sender()
    yield exim
    world.configure("tx", SIGNING)
    wait_until("the queue is empty", lambda: not exim.queue())
    assert exim.panic_log() == ""


def send(exim: Exim, text: bytes) -> str:
    """Hand a message in; its id."""
    reply = submit(exim.port, text, sender="alice@example.org", recipients=["bob@rx.example"])
    assert reply.code == 250, reply
    return reply.text.partition("id=")[2]


def results(received: Received) -> list[tuple[str, str, str]]:
    """Domain, selector and result of every signature, as our engine sees what came over the wire."""
    resolver = ZoneResolver(RECORDS_ZONE)
    verdicts = asyncio.run(verify(parse_message(received.message), resolver, VerificationPolicy(), time.time()))
    return [(str(one.signature.domain), str(one.signature.selector), one.result.value) for one in verdicts]


def assert_same(received: Received, text: bytes) -> None:
    """The sink got `text`: all its fields in a row, and all of its body. Exim adds fields before and behind."""
    header, _, body = text.partition(b"\r\n\r\n")
    assert header + b"\r\n" in received.message
    assert received.message.partition(b"\r\n\r\n")[2] == body


PASS = DkimResult.PASS.value
BOTH = [("example.org", "rsa", PASS), ("example.org", "ed", PASS)]

BODIES = {
    "text": b"Hello Bob\r\n",
    "dots": b".\r\n..\r\n.a\r\n...\r\n",
    "empty": b"",
    "empty lines": b"\r\n\r\ntext \t\r\n\r\n\r\n",
    "8 bit": "Grüße\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "NUL": b"\0\r\na\0b\0\r\n",
    "From line": b"From here\r\n>From there\r\n",
    "long line": b"x" * 990 + b"\r\n",
}


@pytest.mark.parametrize("canonicalization", ["relaxed", "simple", "simple/relaxed"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_signed_mail_passes(world: World, tx: Exim, body: bytes, canonicalization: str) -> None:
    world.configure("tx", f"{SIGNING}dkim_canon = {canonicalization}\n")
    send(tx, message(body=body))
    received = world.sink.next()
    assert results(received) == BOTH
    assert received.message.partition(b"\r\n\r\n")[2] == body


def test_wire_format_spool(world: World) -> None:
    """With such a spool our clients are not offered BDAT, for Exim could not feed the filter from what comes by it."""
    exim = world.sender("tx-wire", {"WIRE_FORMAT_SPOOL": "yes", "SPLIT_SPOOL": "yes"})
    text = message(body=b".dot\r\n\r\n trailing \r\n")
    with Client(exim.port) as client:
        assert "CHUNKING" not in client.hello().text
        client.envelope("alice@example.org", ["bob@rx.example"])
        assert client.data(text).code == 250
    received = world.sink.next()
    assert results(received) == BOTH
    assert_same(received, text)


def test_20_megabytes(world: World, tx: Exim) -> None:
    line = b"0123456789abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmnopqrstuvwxyz\r\n"
    text = message(body=line * (20_000_000 // len(line)))
    send(tx, text)
    received = world.sink.next()
    assert results(received) == BOTH
    assert_same(received, text)


def test_only_signature_fields_are_added(world: World) -> None:
    """Byte for byte: what the filter wrote is what it got, with fields on top, and just that goes over the wire."""
    script = world.filter_script('tee DIRECTORY/filter-in | FILTER "$@" 2>/dev/null | tee DIRECTORY/filter-out\n')
    (world.directory / "filter-in").touch()
    (world.directory / "filter-out").touch()
    for name in ("filter-in", "filter-out"):
        (world.directory / name).chmod(0o666)
    exim = world.sender("scripted", {"SIGNING_FILTER": str(script)})
    send(exim, message(body=b"".join(BODIES.values())))
    received = world.sink.next()
    before, after = ((world.directory / name).read_bytes() for name in ("filter-in", "filter-out"))
    assert after.endswith(before)
    added = after.removesuffix(before)
    assert re.fullmatch(rb"(DKIM-Signature: [^\n]*\n(\t[^\n]*\n)*){2}", added)
    assert b"\r" not in added
    assert received.message == after.replace(b"\n", b"\r\n")
    assert max(map(len, added.split(b"\n"))) <= 78


def test_mail_of_a_local_user_is_signed(world: World, tx: Exim) -> None:
    """Not by SMTP, but from a program on this host."""
    text = "From: alice@example.org\nTo: bob@rx.example\nSubject: cron\n\n.\n..\nlast line\n"
    tx.run("-i", "-f", "alice@example.org", "bob@rx.example", text=text)
    received = world.sink.next()
    assert results(received) == BOTH


def test_two_recipients_and_a_connection_that_is_used_again(world: World, tx: Exim) -> None:
    """The filter runs once for each message that goes over the wire, not once for each connection."""
    with Client(tx.port) as client:
        client.hello()
        for subject in ("one", "two", "three"):
            client.envelope("alice@example.org", ["bob@rx.example", "carol@rx.example"])
            assert client.data(message(subject=subject)).code == 250
    received = [world.sink.next() for _ in range(3)]
    assert {one.recipients for one in received} == {("bob@rx.example", "carol@rx.example")}
    for one in received:
        assert results(one) == BOTH


def test_author_we_do_not_sign_for(world: World, tx: Exim) -> None:
    send(tx, message("Carol <carol@elsewhere.example>"))
    received = world.sink.next()
    assert results(received) == []
    assert b"DKIM-Signature" not in received.message


def test_key_that_is_missing_means_no_signature_where_the_option_says_so(world: World, tx: Exim) -> None:
    """`{$value}{0}`: strict or not, a key option of 0 is no error."""
    send(tx, message("Olga <olga@other.example>"))
    assert results(world.sink.next()) == []


def test_variables_of_the_envelope(world: World, tx: Exim) -> None:
    """$sender_address comes from the -H file in the spool."""
    world.configure("tx", FIXED + "dkim_identity = ${lc:$sender_address}\ndkim_timestamps = 86400\n")
    send(tx, message())
    received = world.sink.next()
    assert results(received) == [("example.org", "rsa", PASS)]
    assert b"i=alice@example.org;" in received.message
    found = re.search(rb"t=(\d+);\s+x=(\d+);", received.message)
    assert found
    assert int(found[2]) - int(found[1]) == 86400


def test_named_queue(world: World) -> None:
    """Its -H file, which has the envelope, is not where others are."""
    exim = world.sender("tx-queued", {}, extra="acl_smtp_predata = accept queue = second")
    world.configure("tx-queued", FIXED + "dkim_identity = $sender_address\n")
    send(exim, message())
    received = world.sink.next()
    assert results(received) == [("example.org", "rsa", PASS)]
    assert b"i=alice@example.org;" in received.message
    exim.wait_for_log("Q=second R=outgoing_signed")


FAILURES = {
    "no such key": "dkim_private_key = DIRECTORY/keys/absent.pem",
    "not a key": "dkim_private_key = DIRECTORY/domains",
    "path with ..": "dkim_private_key = DIRECTORY/keys/../keys/rsa.pem",
    "relative path inside a key": "dkim_private_key = -----BEGIN PRIVATE KEY-----",
    "tainted path": "dkim_private_key = DIRECTORY/keys/${sg{$h_subject:}{.*}{rsa}}.pem",
    "a directory": "dkim_private_key = DIRECTORY/keys",
    "unknown hash": "dkim_private_key = DIRECTORY/keys/rsa.pem\ndkim_hash = md5",
    "bad expansion": "dkim_private_key = ${lookup{a}lsearch{/nonexistent}}",
}


def with_failure(text: str, strict: str) -> str:
    return f"dkim_domain = example.org\ndkim_selector = rsa\ndkim_strict = {strict}\n{text}\n"


@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES)
def test_strict_failure_defers_and_then_goes_out_signed(world: World, tx: Exim, text: str) -> None:
    world.configure("tx", with_failure(text, "true"))
    identifier = send(tx, message())
    tx.wait_for_log(f"{identifier} == bob@rx.example .*transport filter")
    assert tx.queue() == [identifier]
    assert world.sink.received.empty()
    world.configure("tx", FIXED)
    tx.run_queue()
    assert results(world.sink.next()) == [("example.org", "rsa", PASS)]
    tx.wait_for_log(f"{identifier} Completed")


@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("strict", ["false", "0", ""])
def test_failure_that_is_not_strict_goes_out_unsigned(world: World, tx: Exim, text: str, strict: str) -> None:
    world.configure("tx", with_failure(text, strict))
    send(tx, message())
    received = world.sink.next()
    assert b"DKIM-Signature" not in received.message
    assert_same(received, message())


@pytest.mark.parametrize("text", ["dkim_domian = example.org\n", ".ifdef X\n", "dkim_domain\n", FIXED + "\0"])
def test_wrong_configuration_defers(world: World, tx: Exim, text: str) -> None:
    """A file that cannot be read says nothing of strictness, so the mail waits."""
    world.configure("tx", text)
    identifier = send(tx, message())
    tx.wait_for_log(f"{identifier} == bob@rx.example ")
    world.configure("tx", FIXED)
    tx.run_queue()
    assert results(world.sink.next()) == [("example.org", "rsa", PASS)]


STARVED = {
    "killed before it reads": "kill -9 $$",
    "killed while it reads": "head -c 50000 >/dev/null; kill -9 $$",
    "killed while it writes": "head -c 50000; kill -9 $$",
    "ends with an error": "cat; exit 1",
    "not there": "exec /nonexistent/filter",
    "no memory": 'ulimit -v 30000; exec FILTER "$@"',
    "no processor time": 'ulimit -t 0; exec FILTER "$@"',
    "no room on disk": 'ulimit -f 100; exec FILTER "$@"',
    "no descriptors": 'ulimit -n 3; exec FILTER "$@"',
}


@pytest.mark.parametrize("script", STARVED.values(), ids=STARVED)
def test_starved_filter_loses_nothing(world: World, script: str) -> None:
    """Whatever happens to the filter: the mail stays in the queue, nothing of it is delivered, and it is not cut."""
    exim = world.sender("scripted", {"SIGNING_FILTER": str(world.filter_script(script))})
    text = message(body=b"0123456789abcdef" * 50 + b"\r\n" + b"line of text\r\n" * 400_000)
    identifier = send(exim, text)
    exim.wait_for_log(f"{identifier} == bob@rx.example ")
    assert world.sink.received.empty()
    world.filter_script('exec FILTER "$@"')
    exim.run_queue()
    received = world.sink.next()
    assert results(received) == BOTH
    assert_same(received, text)


def test_strangers_cannot_have_mail_signed(world: World, tx: Exim) -> None:
    """Who is not a client of ours can send only to us, so nothing of theirs gets to the signing transport."""
    reply = submit(tx.port, message(), sender="alice@example.org", recipients=["bob@rx.example"], source="127.0.0.2")
    assert reply.code == 550
