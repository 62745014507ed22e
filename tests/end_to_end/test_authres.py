"""A real Exim records all methods in one Authentication-Results field, and removes forged ones."""

from __future__ import annotations

import re

import pytest

from exim_dkim.authres import AuthenticationResults, parse_authres
from exim_dkim.message import HeaderField, parse_header
from tests.support.exim import Exim
from tests.support.samples import domainkeys_signed, message, signed
from tests.support.smtp import Client, submit
from tests.support.world import World

SENDER = "alice@permitted.example"
NAME = b"authentication-results"


def receiver(world: World) -> Exim:
    """Asks a server that verifies DomainKeys, too."""
    server = world.server("everything", {"domainkeys_verify": "true"})
    return world.receiver("all", {"LOOKUP_SOCKET": str(server.socket)})


def delivered(exim: Exim, text: bytes, sender: str = SENDER) -> tuple[HeaderField, ...]:
    """The header with which a message arrives, lines ending in CRLF."""
    reply = submit(exim.port, text, sender=sender, recipients=["bob@rx.example"])
    assert reply.code == 250, reply
    identifier = reply.text.partition("id=")[2]
    exim.wait_for_log(f"{identifier} Completed")
    whole = next(each for each in exim.delivered("bob") if identifier.encode() in each)
    return parse_header(whole.partition(b"\n\n")[0].replace(b"\n", b"\r\n"))


def results(fields: tuple[HeaderField, ...]) -> list[AuthenticationResults]:
    return [parse_authres(field.value) for field in fields if field.name == NAME]


def test_all_methods_in_one_field_on_top(world: World) -> None:
    text = domainkeys_signed(signed(message()))
    fields = delivered(receiver(world), text)
    # Above it only what the transport adds.
    assert [field.name for field in fields[:5]] == [
        b"return-path",
        b"envelope-to",
        b"delivery-date",
        NAME,
        b"received",
    ]
    (found,) = results(fields)
    assert found.authserv_id == "rx.example"
    told = {
        result.method: (result.result, {f"{p.type}.{p.name}": p.value for p in result.properties})
        for result in found.results
    }
    assert told.keys() == {"dkim", "domainkeys", "spf", "sender-id"}
    assert told["dkim"][0] == "pass"
    assert told["dkim"][1]["header.d"] == "example.org"
    assert told["domainkeys"] == ("pass", {"header.d": "example.org", "header.from": "alice@example.org"})
    assert told["spf"] == ("pass", {"smtp.mailfrom": SENDER})
    assert told["sender-id"] == ("neutral", {"header.from": "alice@example.org"})
    raw = next(field.raw for field in fields if field.name == NAME)
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))


def test_the_log_tells_all_words(world: World) -> None:
    exim = receiver(world)
    reply = submit(exim.port, signed(message()), sender=SENDER, recipients=["bob@rx.example"])
    found = exim.wait_for_log(f"{reply.text.partition('id=')[2]} authentication: (.*)$")
    assert found[1] == (
        'dkim=good dkim_domains="example.org" domainkeys=unsigned domainkeys_domains="" spf=pass senderid=neutral'
        " forged=0"
    )


@pytest.mark.parametrize(
    ("text", "sender", "words"),
    [
        (message(), "", {"dkim": "none", "spf": "none", "sender-id": "neutral"}),
        (signed(message()).replace(b"Hello", b"HELLO"), SENDER, {"dkim": "fail"}),
        (signed(message(), selector="broken"), SENDER, {"dkim": "temperror"}),
        (domainkeys_signed(message()).replace(b"Hello", b"HELLO"), SENDER, {"domainkeys": "fail"}),
        (message("Bob <bob@permitted.example>"), SENDER, {"sender-id": "pass"}),
        (message(header=b"Sender: <bob@permitted.example>\r\n"), SENDER, {"sender-id": "pass"}),
        (message(), "a@unheard.example", {"spf": "none"}),
        (message(), "a@failing.example", {"spf": "temperror"}),
    ],
)
def test_words(world: World, text: bytes, sender: str, words: dict[str, str]) -> None:
    (found,) = results(delivered(receiver(world), text, sender))
    assert words.items() <= {result.method: result.result for result in found.results}.items()


def test_hostile_envelope(world: World) -> None:
    """Whatever stands in the envelope stays in its property."""
    exim = receiver(world)
    (found,) = results(delivered(exim, message(), '"x; dkim=pass (\\" ) header.d=bank.example"@permitted.example'))
    assert [result.method for result in found.results] == ["dkim", "domainkeys", "spf", "sender-id"]
    assert found.results[2].value("smtp", "mailfrom") == '"x; dkim=pass (\\" ) header.d=bank.example"@permitted.example'


def test_international_sender(world: World) -> None:
    """UTF-8 of SMTPUTF8 (RFC 6531) is quoted (RFC 8601 §2.2, RFC 6532)."""
    exim = receiver(world)
    with Client(exim.port) as client:
        client.hello()
        assert client.command("MAIL FROM:<ü@müller.example> SMTPUTF8").code == 250
        assert client.command("RCPT TO:<bob@rx.example>").code == 250
        identifier = client.data(message()).text.partition("id=")[2]
    exim.wait_for_log(f"{identifier} Completed")
    arrived = next(each for each in exim.delivered("bob") if identifier.encode() in each)
    assert 'smtp.mailfrom="ü@müller.example"'.encode() in arrived
    (found,) = results(parse_header(arrived.partition(b"\n\n")[0].replace(b"\n", b"\r\n")))
    assert found.results[2].value("smtp", "mailfrom") == "ü@müller.example"


FORGED = {
    "plain": b"Authentication-Results: rx.example; dkim=pass header.d=bank.example\r\n",
    "odd case": b"AUTHENTICATION-results: RX.Example; spf=pass\r\n",
    "folded": b"Authentication-Results:\r\n\t(a (comment))\r\n rx.example\r\n\t; dkim=pass\r\n",
    "quoted": b'Authentication-Results: "rx.example" 1; dkim=pass\r\n',
    "blank before the colon": b"Authentication-Results : rx.example; dkim=pass\r\n",
    "encoded": b"Authentication-Results: =?utf-8?q?rx=2Eexample?=; dkim=pass\r\n",
    "does not parse": b"Authentication-Results: rx.example; dkim= ((( header\r\n",
    "no semicolon": b"Authentication-Results: rx.example dkim=pass\r\n",
    "comment without end": b"Authentication-Results: (rx.example; dkim=pass\r\n",
}
FOREIGN = (
    b"Authentication-Results: other.example; dkim=pass (rx.example)\r\n",
    b"authentication-results: third.example;\r\n\tspf=pass smtp.mailfrom=x@rx.example;\r\n\tdkim=none\r\n",
    b"Authentication-Results: rx.example.evil.example; none (\xe4 in Latin-1)\r\n",
)


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forged_fields_are_removed(world: World, forged: bytes) -> None:
    exim = receiver(world)
    fields = delivered(exim, FOREIGN[0] + forged + FOREIGN[1] + message(header=forged + FOREIGN[2]))
    own, *others = [field for field in fields if field.name == NAME]
    assert parse_authres(own.value).authserv_id == "rx.example"
    assert [result.result for result in parse_authres(own.value).results][:2] == ["none", "none"]
    assert [field.raw + b"\r\n" for field in others] == list(FOREIGN)
    exim.wait_for_log(r"Authentication-Results removed, forged: 2$")


@pytest.mark.parametrize(
    "end", [b"\r\n :", b"\x0b:", b"\xa0:", b"\r\n \r\n\t :"], ids=["folded", "control", "8bit", "twice"]
)
def test_a_name_that_only_some_readers_know_is_refused(world: World, end: bytes) -> None:
    exim = receiver(world)
    field = b"Authentication-Results%s rx.example; dkim=pass\r\n" % end
    for text in (field + message(), message(header=FOREIGN[0] + field + FOREIGN[1])):
        reply = submit(exim.port, text, sender=SENDER, recipients=["bob@rx.example"])
        assert (reply.code, reply.text[:5]) == (550, "5.6.0"), reply


def test_names_that_only_begin_alike_are_not(world: World) -> None:
    header = b"Authentication-Results-Old: rx.example; x\r\nX: y\r\n Authentication-Results\r\n : x\r\n" + FOREIGN[0]
    assert len(delivered(receiver(world), message(header=header))) > 5


def test_foreign_fields_stay_where_they_are(world: World) -> None:
    """Without a forged one nothing is touched."""
    exim = receiver(world)
    text = FOREIGN[0] + b"Received: from x by y; Mon, 2 Nov 2026 09:15:39 +0000\r\n" + message(header=FOREIGN[1])
    fields = delivered(exim, text)
    names = [field.name for field in fields]
    start = names.index(b"received") + 1
    assert b"".join(field.raw + b"\r\n" for field in fields[start:]) + b"\r\n" in text + b"\r\n"
    assert names.count(NAME) == 3


def test_only_forged_fields(world: World) -> None:
    fields = delivered(receiver(world), FORGED["plain"] * 3 + message())
    assert len(results(fields)) == 1


def test_a_header_too_long_to_be_looked_at_keeps_none(world: World) -> None:
    """Exim hands out 64 KiB; what is behind that cannot be seen."""
    padding = b"".join(b"X-Padding: %s\r\n" % (b"y" * 900) for _ in range(80))
    fields = delivered(receiver(world), message(header=padding + FORGED["plain"] + FOREIGN[0]))
    (found,) = results(fields)
    assert [result.method for result in found.results] == ["spf"]


def test_clients_do_not_forge_either(world: World) -> None:
    world.server()
    exim = world.sender("forging")
    forged = FORGED["plain"].replace(b"rx.example", b"tx.example.org")
    text = forged + FOREIGN[0] + message("x@third.example")
    submit(exim.port, text, sender="x@third.example", recipients=["bob@rx.example"])
    sent = world.sink.next().message
    assert re.findall(rb"(?im)^authentication-results: ([a-z.]+)", sent) == [b"other.example"]
