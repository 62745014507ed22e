"""sid-filter, dk-filter and dkim-filter with a real Sendmail and a real Postfix, in both directions."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from exim_dkim.api import verify
from exim_dkim.dkim.verify import Verdict
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from tests.support import samples
from tests.support.mail_world import (
    FORBIDDEN,
    PERMITTED,
    RECORDS,
    MailWorld,
    fields,
    first_names,
    mail_world,
    results,
)
from tests.support.mta import HOST_NAME
from tests.support.mtas import NAMES
from tests.support.postfix import smtp_source
from tests.support.run import run

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]


@pytest.fixture(scope="module", params=NAMES, name="mail")
def running(request: pytest.FixtureRequest) -> Iterator[MailWorld]:
    with mail_world(request.param) as world:
        yield world


def verdicts(message: bytes) -> list[str]:
    """What the engine finds in a delivered message: the result and the domain of each signature."""
    return [f"{one.result.value} {one.signature.domain}" for one in _verdicts(message)]


def _verdicts(message: bytes) -> tuple[Verdict, ...]:
    return run(verify(message, MemoryResolver(dict(RECORDS)), now=time.time()))


# --- signing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["sign", "simple", "both"])
def test_signs_for_a_listed_domain(mail: MailWorld, port: str) -> None:
    delivered = mail.through(port, samples.message())
    assert verdicts(delivered) == ["pass example.org"]
    assert first_names(delivered, 2) == ["DKIM-Signature", "Received"]
    assert results(delivered) == {}


@pytest.mark.parametrize(
    ("author", "source"),
    [
        ("Carol <carol@other.example>", "127.0.0.1"),
        ("Alice <alice@mail.example.org>", "127.0.0.1"),
        ("Alice <alice@example.org>", PERMITTED),
    ],
)
def test_does_not_sign_for_others(mail: MailWorld, author: str, source: str) -> None:
    """Another domain, a subdomain, and a client that is not one of ours."""
    assert verdicts(mail.through("sign", samples.message(author), source)) == []


def test_signs_what_is_unusual(mail: MailWorld) -> None:
    """Bytes that are no ASCII, long and folded fields, a body of several pieces."""
    header = (
        b"Comments: " + b"word " * 150 + b"\r\n"
        b"References:" + b"".join(b"\r\n <%d.%s@example.org>" % (n, b"x" * 50) for n in range(40)) + b"\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    )
    body = "Grüße \t an alle\r\n\r\n..\r\n".encode() * 6000 + b"\r\n\r\n"
    message = samples.message("Jörg <alice@example.org>", header=header, body=body, subject="Grüße")
    for port in ("sign", "simple"):
        delivered = mail.through(port, message)
        assert verdicts(delivered) == ["pass example.org"]
        assert parse_message(delivered).body == body


def test_several_messages_in_a_connection(mail: MailWorld) -> None:
    """One is given up in between, one comes from nobody, one is not ours."""
    ours, others = samples.message(), samples.message("carol@other.example")
    with mail.client("both") as client:
        for message, sender in ((ours, "alice@example.org"), (others, "carol@other.example"), (ours, "")):
            assert client.envelope(sender, ["bob@rx.example"]).code == 250
            assert client.data(message).code == 250, mail.logs()
            client.envelope("alice@example.org", ["bob@rx.example"])
            assert client.command("RSET").code == 250
        client.command("QUIT")
    assert sorted(verdicts(mail.sink.next().message) for _ in range(3)) == [
        [],
        ["pass example.org"],
        ["pass example.org"],
    ]


def test_many_at_once(mail: MailWorld) -> None:
    """Sixty messages over ten connections: all arrive, each with its own signature."""
    smtp_source(mail.mta.ports["both"], 60, 10, sender="alice@example.org", recipient="bob@rx.example")
    delivered = [mail.sink.next().message for _ in range(60)]
    assert [verdicts(message) for message in delivered] == [["pass example.org"]] * 60
    assert mail.sink.received.empty()


# --- verification ---------------------------------------------------------------------------------------------------

SIGNED = samples.signed(samples.message())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (SIGNED, {"dkim": "pass"}),
        (SIGNED.replace(b"Hello", b"Hallo"), {"dkim": "fail"}),
        (SIGNED.replace(b"A  test", b"Another"), {"dkim": "fail"}),
        (samples.message(), {"dkim": "none"}),
        (samples.signed(samples.message(), selector="nowhere"), {"dkim": "permerror"}),
        (samples.signed(samples.message(), selector="broken"), {"dkim": "temperror"}),
        (samples.signed(SIGNED, key="ed25519", selector="ed"), {"dkim": "pass", "dkim+": "pass"}),
    ],
    ids=["good", "body", "header", "unsigned", "no-key", "dns-trouble", "two"],
)
def test_verifies(mail: MailWorld, message: bytes, expected: dict[str, str]) -> None:
    """By the filter that only verifies, and by the one that also signs, for a client that is not ours."""
    for port, source in (("verify", "127.0.0.1"), ("both", PERMITTED)):
        delivered = mail.through(port, message, source)
        assert results(delivered) == expected, mail.logs()
        assert first_names(delivered, 2) == ["Authentication-Results", "Received"]
        assert parse_message(delivered).body == parse_message(message).body


def test_verifies_what_it_signed(mail: MailWorld) -> None:
    """A message goes through the MTA twice, and the signature survives both."""
    for port in ("sign", "simple"):
        assert results(mail.through("verify", mail.through(port, samples.message()))) == {"dkim": "pass"}


def test_an_eight_bit_message_is_verified(mail: MailWorld) -> None:
    header = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    message = samples.signed(
        samples.message("Jörg <alice@example.org>", header=header, body="Grüße\r\n".encode() * 20_000)
    )
    assert results(mail.through("verify", message)) == {"dkim": "pass"}


# --- DomainKeys -----------------------------------------------------------------------------------------------------


def test_domainkeys(mail: MailWorld) -> None:
    signed = mail.through("dk-sign", samples.message())
    assert first_names(signed, 2) == ["DomainKey-Signature", "Received"]
    assert results(mail.through("dk-verify", signed)) == {"domainkeys": "pass"}
    assert results(mail.through("dk-verify", signed.replace(b"Hello", b"Hallo"))) == {"domainkeys": "fail"}
    assert results(mail.through("dk-verify", samples.message())) == {"domainkeys": "none"}


# --- SPF and Sender ID ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "sender", "author", "expected"),
    [
        (PERMITTED, "alice@example.org", "alice@example.org", {"spf": "pass", "sender-id": "pass"}),
        (FORBIDDEN, "alice@example.org", "alice@example.org", {"spf": "fail", "sender-id": "fail"}),
        (PERMITTED, "alice@example.org", "carol@other.example", {"spf": "pass", "sender-id": "fail"}),
        (PERMITTED, "dave@quiet.example", "dave@quiet.example", {"spf": "none", "sender-id": "none"}),
        (
            PERMITTED,
            "dave@nowhere.example",
            "dave@nowhere.example",
            {"spf": "none", "sender-id": "fail"},
        ),  # RFC 4406 §4.3
    ],
)
def test_sender_id(mail: MailWorld, source: str, sender: str, author: str, expected: dict[str, str]) -> None:
    """A responsible domain that does not exist is a fail (RFC 4406 §4.3)."""
    delivered = mail.through("sid", samples.message(author), source, sender)
    assert results(delivered) == expected, mail.logs()


def test_two_filters_in_a_row(mail: MailWorld) -> None:
    """As in the paper of 2005: each adds what it found, and leaves alone what the other one has."""
    delivered = mail.through("sid-dkim", SIGNED, PERMITTED)
    assert results(delivered) == {"dkim": "pass", "spf": "pass", "sender-id": "pass"}
    assert [[result.method for result in field.results] for field in fields(delivered)] == [
        ["dkim"],
        ["spf", "sender-id"],
    ]


def test_all_filters_and_ipv6(mail: MailWorld) -> None:
    """A client at ::1, where there is such an address."""
    delivered = mail.through("all", SIGNED)
    found = results(delivered)
    assert (found["dkim"], found["domainkeys"], found["spf"]) == ("pass", "none", "fail")


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "source", "code", "words"),
    [
        (SIGNED, PERMITTED, 250, ""),
        (samples.message(), PERMITTED, 250, ""),
        (samples.message(), FORBIDDEN, 550, "5.7.23 "),
        (SIGNED.replace(b"Hello", b"Hallo"), PERMITTED, 550, "5.7."),
        (samples.signed(samples.message(), selector="broken"), PERMITTED, 451, "4.7."),
    ],
    ids=["good", "unsigned", "client", "signature", "dns-trouble"],
)
def test_refuses_what_it_is_told_to(mail: MailWorld, message: bytes, source: str, code: int, words: str) -> None:
    """sid-filter -r 1, dkim-filter -C badsignature=reject,dnserror=tempfail: the reply comes through as it was made."""
    answer = mail.send("refuse", message, source)
    assert (answer.code, answer.text[: len(words)]) == (code, words), mail.logs()
    if code == 250:
        assert results(mail.sink.next().message)["spf"] == "pass"


# --- forgeries ------------------------------------------------------------------------------------------------------


def test_forged_results_are_removed(mail: MailWorld) -> None:
    """Those with our name, also several, oddly written, or such as nobody can parse; not those of others."""
    forged = (
        f"Authentication-Results: {HOST_NAME}; dkim=pass header.d=bank.example\r\n"
        "Authentication-Results: other.example; dkim=pass header.d=bank.example\r\n"
        f"AUTHENTICATION-RESULTS:\r\n\t(comment) {HOST_NAME.upper()} 1;\r\n\tdkim=pass header.d=bank.example\r\n"
        f"Authentication-Results: {HOST_NAME}; dkim=pass (unfinished\r\n"
    )
    for port, source in (("verify", "127.0.0.1"), ("both", PERMITTED), ("sid-dkim", PERMITTED)):
        delivered = mail.through(port, samples.message(header=forged.encode()), source)
        assert results(delivered)["dkim"] == "none"
        assert delivered.count(b"bank.example") == 1
        assert b"other.example; dkim=pass" in delivered
        assert b"unfinished" not in delivered


def test_results_of_other_methods_are_forged_too(mail: MailWorld) -> None:
    """What a filter that is not there would report, and what one has reported about an earlier message."""
    claim = f"Authentication-Results: {HOST_NAME}; spf=pass smtp.mailfrom=ceo@bank.example\r\n".encode()
    for port in ("verify", "sid-dkim"):
        assert b"ceo@bank.example" not in mail.through(port, claim + samples.message(), PERMITTED)
    first = mail.through("sid-dkim", SIGNED, PERMITTED)
    assert results(first) == {"dkim": "pass", "spf": "pass", "sender-id": "pass"}
    again = mail.through("sid-dkim", first.replace(b"Hello", b"Hallo"), FORBIDDEN)
    assert results(again) == {"dkim": "fail", "spf": "fail", "sender-id": "fail"}
