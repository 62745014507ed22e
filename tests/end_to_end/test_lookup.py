"""A real Exim asks the look-up server with `${acl {lookup_dkim}{KEY}}`, as examples/exim.conf has it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.exim import Exim
from tests.support.processes import free_port
from tests.support.samples import message, signed
from tests.support.smtp import Client, Reply, submit
from tests.support.world import World

ALICE = "Alice <alice@example.org>"
BANK = "Bank <info@bank.example>"
LISTS = "Lists <anybody@lists.example>"


def recorded(world: World, text: bytes, receiver: Exim | None = None) -> str:
    """The key and the word that the receiver (the usual one, if none is given) logs for a message, once delivered."""
    world.server()
    exim = receiver or world.receiver()
    reply = submit(exim.port, text, sender="envelope@client.example", recipients=["bob@rx.example"])
    assert reply.code == 250, reply
    identifier = reply.text.partition("id=")[2]
    exim.wait_for_log(f"{identifier} Completed")
    found = exim.wait_for_log(f"{identifier} DKIM ([a-z]+) for (.*)$")
    return f"{found[2]}={found[1]}"


def tampered(text: bytes) -> bytes:
    assert b"Hello" in text
    return text.replace(b"Hello", b"HELLO")


FIVE_WORDS = {
    "good": signed(message()),
    "good, Ed25519": signed(message(), selector="ed", key="ed25519"),
    "good, simple": signed(message(), canonicalization="simple/simple"),
    "bad": tampered(signed(message())),
    "bad, header changed": signed(message()).replace(b"Subject: A ", b"Subject: B "),
    "bad, no such key": signed(message(), selector="nowhere"),
    "bad, revoked": signed(message(), selector="revoked"),
    "bad, expired": signed(message(), timestamp=1_700_000_000, expiration=1_700_000_100),
    "defer": signed(message(), selector="broken"),
    "unsigned": message(),
    "unsigned, of somebody else": signed(message(), domain="other.example", key="rsa1024"),
    "unsigned, key in test mode": tampered(signed(message(), selector="testing")),
}


@pytest.mark.parametrize(("case", "text"), FIVE_WORDS.items(), ids=FIVE_WORDS)
def test_word(world: World, case: str, text: bytes) -> None:
    assert recorded(world, text) == f"example.org={case.partition(',')[0]}"


def test_unverified_without_control(world: World) -> None:
    """Nobody said `control = dkim_verify`."""
    world.server()
    exim = world.receiver("unasked", {"NO_DKIM_CONTROL": "yes"})
    submit(exim.port, signed(message()), sender="", recipients=["bob@rx.example"])
    exim.wait_for_log("DKIM unverified for example.org")


def test_unverified_before_data(world: World) -> None:
    """There is no message yet when RCPT has been accepted."""
    world.server()
    early = "acl_smtp_predata = accept logwrite = early: ${acl {lookup_dkim}{example.org}}\n"
    exim = world.receiver("early", extra=early)
    submit(exim.port, signed(message()), sender="", recipients=["bob@rx.example"])
    exim.wait_for_log("early: unverified$")
    exim.wait_for_log("DKIM good for example.org$")


def test_what_exim_rewrites_or_removes_is_bad(world: World) -> None:
    """Exim does so before the DATA ACL, and hands out what is left (docs/exim-notes.md)."""
    exim = world.receiver("rewriting", after="begin rewrite\n\nbob@rx.example bob@elsewhere.example h\n")
    assert recorded(world, signed(message(), names=(b"From", b"Subject")), exim) == "example.org=good"
    assert recorded(world, signed(message(), names=(b"From", b"To")), exim) == "example.org=bad"
    text = message(header=b"Return-Path: <alice@example.org>\r\n")
    assert recorded(world, signed(text, names=(b"From", b"Subject")), exim) == "example.org=good"
    assert recorded(world, signed(text, names=(b"From", b"Return-Path")), exim) == "example.org=bad"


OTHER_KEYS = {
    "alice@example.org": "good",
    "ALICE@EXAMPLE.ORG": "unsigned",  # local parts are compared as they are (RFC 6376 §3.5)
    "mallory@example.org": "unsigned",
    "example.org": "good",
    "sub.example.org": "unsigned",
    "other.example": "bad",
    "@example.org": "unsigned",
}


def test_identity_keys_and_two_signatures(world: World) -> None:
    """One message with a good signature and a bad one, asked about with many keys."""
    text = signed(message(), identity="alice@example.org")
    text = signed(tampered(text), domain="other.example", key="rsa1024")
    text = text.replace(b"HELLO", b"Hello")
    world.server()
    exim = world.receiver("keys", {"OTHER_KEYS": ";".join(OTHER_KEYS)})
    reply = submit(exim.port, text, sender="", recipients=["bob@rx.example"])
    found = exim.wait_for_log(f"{reply.text.partition('id=')[2]} DKIM (.*=.*)$")
    assert dict(each.split("=") for each in found[1].split(";")) == OTHER_KEYS


@pytest.mark.parametrize("first", ["good", "bad"])
def test_one_good_signature_of_two_is_enough(world: World, first: str) -> None:
    """The bad one may stand before the good one or after it."""
    bad = signed(message(), selector="nowhere")[: -len(message())]
    text = signed(message())
    text = text[: -len(message())] + bad + message() if first == "good" else bad + text
    assert recorded(world, text) == "example.org=good"


def test_good_beats_defer_and_defer_beats_bad(world: World) -> None:
    fields = {
        selector: signed(message(), selector=selector)[: -len(message())] for selector in ("rsa", "broken", "nowhere")
    }
    assert recorded(world, fields["broken"] + fields["rsa"] + message()) == "example.org=good"
    assert recorded(world, fields["nowhere"] + fields["broken"] + message()) == "example.org=defer"


def test_identity_below_the_domain(world: World) -> None:
    """A key that is a domain also finds the domain of i=."""
    text = signed(message("Alice <alice@mail.example.org>"), identity="@mail.example.org")
    assert recorded(world, text) == "mail.example.org=good"


ODD_AUTHORS = {
    "<@relay.example:alice@example.org>": "example.org=good",
    "group: alice@example.org;": "example.org=good",
    "alice@example.org, ": "example.org=good",
    "Alice\r\n <alice@example.org>\r\n\t(a comment)": "example.org=good",
    "ALICE@EXAMPLE.ORG": "example.org=good",
    '"Bob <bob@bank.example>, x" <alice@example.org>': "example.org=good",
    "=?utf-8?q?info=40bank.example=2C?= <alice@example.org>": "example.org=good",
    '"alice\\"@x" <"a b"@example.org>': "example.org=good",
    "alice": "=unsigned",
    "alice@[192.0.2.1]": "[192.0.2.1]=unsigned",
}


@pytest.mark.parametrize(("author", "word"), ODD_AUTHORS.items())
def test_odd_author(world: World, author: str, word: str) -> None:
    """One author, however written, is that author; what cannot have signed has not."""
    assert recorded(world, signed(message(author))) == word


@pytest.mark.parametrize(
    "author", ["alice@exa mple.org", "<>", "", "alice@example.org <bob@bank.example>", "alice@{}.example", "a@x, b@y"]
)
def test_no_author(world: World, author: str) -> None:
    world.server()
    reply = submit(world.receiver().port, message(author), sender="", recipients=["bob@rx.example"])
    assert reply == Reply(550, "5.6.0 The From field must hold exactly one valid address")


def test_international_author(world: World) -> None:
    """A domain in UTF-8 (RFC 6531) is looked up as the A-label that d= has (RFC 8616)."""
    text = signed(message("Ü <ü@müller.example>"), domain="xn--mller-kva.example")
    world.server()
    exim = world.receiver()
    with Client(exim.port) as client:
        client.hello()
        assert client.command("MAIL FROM:<ü@müller.example> SMTPUTF8").code == 250
        assert client.command("RCPT TO:<bob@rx.example>").code == 250
        identifier = client.data(text).text.partition("id=")[2]
    exim.wait_for_log(f"{identifier} DKIM good for ")


REQUIRED = {
    "good": (signed(message(BANK), domain="bank.example"), 250, "OK"),
    "bad": (tampered(signed(message(BANK), domain="bank.example")), 550, "5.7.22 .*bank.example .bad"),
    "unsigned": (message(BANK), 550, "5.7.22 .*bank.example .unsigned"),
    "signed by another": (signed(message(BANK)), 550, "5.7.22 .*bank.example .unsigned"),
    "defer": (signed(message(BANK), domain="bank.example", selector="broken"), 451, "4.7.0"),
    "two authors": (message(f"{ALICE}, {BANK}"), 550, "5.6.0"),
    "two From fields": (message(ALICE, header=f"From: {BANK}\r\n".encode()), 550, "5.6.0"),
    "no From": (b"Subject: x\r\n\r\nx\r\n", 550, "5.6.0"),
}


@pytest.mark.parametrize(("text", "code", "pattern"), REQUIRED.values(), ids=REQUIRED)
def test_domain_that_signs_always(world: World, text: bytes, code: int, pattern: str) -> None:
    world.server()
    reply = submit(world.receiver().port, text, sender="", recipients=["bob@rx.example"])
    assert reply.code == code
    assert re.match(pattern, reply.text)


def test_required_identity(world: World) -> None:
    """The file names an identity for lists.example, so another identity of that domain is not enough."""
    world.server()
    exim = world.receiver()
    reply = submit(exim.port, message(LISTS), sender="", recipients=["bob@rx.example"])
    assert reply == Reply(550, "5.7.22 No valid DKIM signature for announce@lists.example (unsigned)")


def test_many_messages_in_one_connection(world: World) -> None:
    """The words of one message do not stick to the next."""
    world.server()
    exim = world.receiver()
    with Client(exim.port) as client:
        client.hello()
        identifiers = []
        for text in (message(), signed(message()), tampered(signed(message())), message()):
            assert client.envelope("", ["bob@rx.example"]).code == 250
            identifiers.append(client.data(text).text.partition("id=")[2])
    words = [exim.wait_for_log(f"{each} DKIM ([a-z]+) for")[1] for each in identifiers]
    assert words == ["unsigned", "good", "bad", "unsigned"]
    assert exim.panic_log() == ""


def test_named_queue(world: World) -> None:
    """The body lies in the queue that an ACL has chosen."""
    world.server()
    exim = world.receiver("queued", extra="acl_smtp_predata = accept queue = second\n")
    submit(exim.port, signed(message()), sender="", recipients=["bob@rx.example"])
    assert exim.wait_for_log(r" DKIM (\w+) for example.org$")[1] == "good"
    exim.wait_for_log(r"Q=second R=mailbox")


def test_over_tcp(world: World) -> None:
    """With `inet:`, and a server that is allowed to read the spool for it."""
    port = free_port()
    world.server("tcp-lookup", {"lookup_listen": f"SOCKET ; inet:127.0.0.1:{port}", "lookup_spool_over_inet": "true"})
    exim = world.receiver("inet", {"LOOKUP_SOCKET": f"inet:127.0.0.1:{port}"})
    assert recorded(world, signed(message()), exim) == "example.org=good"
    assert recorded(world, tampered(signed(message())), exim) == "example.org=bad"


def test_many_at_once(world: World) -> None:
    """Sixty messages over six connections at the same time: each gets its own answer."""
    world.server()
    exim = world.receiver()
    texts = {"good": signed(message()), "bad": tampered(signed(message())), "unsigned": message()}

    def send_ten(word: str) -> list[tuple[str, str]]:
        with Client(exim.port) as client:
            client.hello()
            sent = []
            for _ in range(10):
                client.envelope("", ["bob@rx.example"])
                sent.append((word, client.data(texts[word]).text.partition("id=")[2]))
            return sent

    with ThreadPoolExecutor(6) as pool:
        sent = [one for each in pool.map(send_ten, [*texts, *texts]) for one in each]
    for word, identifier in sent:
        assert exim.wait_for_log(f"{identifier} DKIM ([a-z]+) for")[1] == word
