"""Exim's own DKIM against ours, in both directions: what we sign it passes, what it signs is `good` here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import peers, samples
from tests.support.exim import Exim
from tests.support.samples import message, signed
from tests.support.smtp import Client, Reply, submit
from tests.support.unbound import Unbound
from tests.support.world import SIGNING, World

NATIVE_SIGNER = Path(__file__).with_name("native_signer.conf")

BODIES = {
    "text": b"Hello Bob\r\n",
    "dots": b".\r\n..\r\n.a\r\n...\r\n",
    "one empty line": b"\r\n",
    "empty lines": b"\r\n\r\ntext \t\r\n\r\n\r\n",
    "8 bit": "Grüße\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "long line": b"x" * 990 + b"\r\n",
}
SIGNED_BODIES = {name: body for name, body in BODIES.items() if body.strip()}
"""Without the one for which Exim's `simple` is wrong: see test_empty_body."""


@pytest.fixture(scope="module")
def nameserver(world: World) -> Iterator[Unbound]:
    unbound = Unbound(world.directory / "unbound", samples.RECORDS, refused=samples.BROKEN)
    yield unbound
    unbound.end()


@pytest.fixture(scope="module")
def receiver(world: World, nameserver: Unbound) -> Exim:
    """An Exim that verifies by itself and asks a look-up server too; both ask the same name server."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        peers.missing("mount namespaces are not permitted here", "run the tests outside of this container")
    server = world.server("dns-lookup", {"dns_zone_file": "", "dns_nameservers": nameserver.address})
    macros = {"NATIVE_DKIM": "yes", "LOOKUP_SOCKET": str(server.socket)}
    return world.receiver("native", macros, extra="queue_only", resolver=nameserver.resolv_conf)


def both(exim: Exim, reply: Reply) -> tuple[set[str], str]:
    """What Exim found for the signatures, and our word, for the message of this reply."""
    assert reply.code == 250, reply
    identifier = reply.text.partition("id=")[2]
    word = exim.wait_for_log(rf"{identifier} DKIM (\S+) for")[1]
    return set(re.findall(rf"^.* {identifier} native DKIM (\S+) for", exim.main_log(), re.MULTILINE)), word


@pytest.mark.parametrize("canonicalization", ["relaxed", "simple", "simple/relaxed", "relaxed/simple"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_exim_passes_what_the_filter_signs(world: World, receiver: Exim, body: bytes, canonicalization: str) -> None:
    sender = world.sender("hop", port=receiver.port)
    world.configure("hop", f"{SIGNING}dkim_canon = {canonicalization}\n")
    reply = submit(sender.port, message(body=body), sender="alice@example.org", recipients=["bob@rx.example"])
    delivered = sender.wait_for_log(rf"{reply.text.partition('id=')[2]} => .* C=\".*250 OK id=(\S+)\"")
    assert both(receiver, Reply(250, f"OK id={delivered[1]}")) == ({"pass"}, "good")


HEADERS = {
    "rsa, relaxed": b"",
    "rsa, simple": b"X-Canon: simple\r\n",
    "rsa, sha512": b"X-Hash: sha512\r\n",
    "ed25519, relaxed": b"X-Selector: ed\r\n",
    "ed25519, simple": b"X-Selector: ed\r\nX-Canon: simple\r\n",
    "identity": b"X-Identity: alice@example.org\r\n",
    "odd header": b"X-Odd:   a\t b  \r\n  folded \r\nCc:\r\nReply-To:  <a@example.org>\r\n\t,<b@example.org>\r\n",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("body", SIGNED_BODIES.values(), ids=SIGNED_BODIES)
def test_good_for_what_exim_signs(world: World, receiver: Exim, header: bytes, body: bytes) -> None:
    sender = world.other_exim(
        "native-signer",
        NATIVE_SIGNER,
        {"SMART_HOST": f"127.0.0.1::{receiver.port}", "KEYS": str(world.directory / "keys")},
    )
    text = message(header=header, body=body)
    reply = submit(sender.port, text, sender="alice@example.org", recipients=["bob@rx.example"])
    delivered = sender.wait_for_log(rf"{reply.text.partition('id=')[2]} => .* C=\".*250 OK id=(\S+)\"")
    assert both(receiver, Reply(250, f"OK id={delivered[1]}")) == ({"pass"}, "good")


def test_empty_body(receiver: Exim) -> None:
    """With `simple`, a body that is not there is hashed as one CRLF (RFC 6376 §3.4.3); Exim 4.96 hashes nothing."""
    for canonicalization in ("simple/simple", "relaxed/relaxed"):
        text = signed(message(body=b""), canonicalization=canonicalization)
        reply = submit(receiver.port, text, sender="", recipients=["bob@rx.example"])
        assert both(receiver, reply)[1] == "good"


def changed(text: bytes, old: bytes, new: bytes) -> bytes:
    assert old in text
    return text.replace(old, new)


COMPARED = {
    "good": (signed(message()), "pass", "good"),
    "good, simple": (signed(message(), canonicalization="simple/simple"), "pass", "good"),
    "body changed": (changed(signed(message()), b"Hello", b"HELLO"), "fail", "bad"),
    "header changed": (changed(signed(message()), b"Subject: A", b"Subject: B"), "fail", "bad"),
    "folding changed": (changed(signed(message()), b"A  test", b"A\r\n\ttest"), "pass", "good"),
    "folding changed, simple": (
        changed(signed(message(), canonicalization="simple/simple"), b"A  test", b"A\r\n\ttest"),
        "fail",
        "bad",
    ),
    "no such key": (signed(message(), selector="nowhere"), "invalid", "bad"),
    "revoked": (signed(message(), selector="revoked"), "invalid", "bad"),
    "name server refuses": (signed(message(), selector="broken"), "invalid", "defer"),
    "expired": (signed(message(), timestamp=1_700_000_000, expiration=1_700_000_100), "pass", "bad"),
}


@pytest.mark.parametrize("by", ["data", "bdat"])
@pytest.mark.parametrize(("text", "status", "word"), COMPARED.values(), ids=COMPARED)
def test_same_message_same_opinion(receiver: Exim, text: bytes, status: str, word: str, by: str) -> None:
    """Exim has no word of its own for a temporary failure of DNS, and 4.96 does not look at x=."""
    with Client(receiver.port) as client:
        client.hello()
        client.envelope("", ["bob@rx.example"])
        reply = client.data(text) if by == "data" else client.bdat(text)
        assert both(receiver, reply) == ({status}, word)


def test_nothing_amiss(receiver: Exim) -> None:
    assert receiver.panic_log() == ""
