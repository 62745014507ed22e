"""A real Exim refuses at RCPT what SPF says is forged; Sender ID and DomainKeys are asked in other ACLs."""

from __future__ import annotations

import pytest

from tests.support.exim import EXAMPLE, Exim
from tests.support.samples import domainkeys_signed, message
from tests.support.smtp import Client, Reply, submit
from tests.support.world import World


def rcpt(exim: Exim, sender: str, helo: str = "client.example") -> Reply:
    """What RCPT is told; Exim makes two lines of a long text at its colon."""
    with Client(exim.port) as client:
        client.hello(helo)
        code, text = client.envelope(sender, ["bob@rx.example"])
        return Reply(code, text.replace("\n5.7.23", ""))


ANSWERS = {
    "permitted": ("a@permitted.example", 250, "Accepted"),
    "softfail": ("a@doubtful.example", 250, "Accepted"),
    "no record": ("a@unheard.example", 250, "Accepted"),
    "record that is wrong": ("a@two.example", 250, "Accepted"),
    "trouble of DNS": ("a@failing.example", 250, "Accepted"),
    "forbidden": (
        "a@forbidden.example",
        550,
        "5.7.23 SPF check of MAIL FROM failed: 127.0.0.1 is not permitted to send mail for forbidden.example",
    ),
    "explained": (
        "a@explained.example",
        550,
        "5.7.23 SPF check of MAIL FROM failed; explained.example explains: "
        "127.0.0.1 may not send mail for explained.example",
    ),
}


@pytest.mark.parametrize(("sender", "code", "text"), ANSWERS.values(), ids=ANSWERS)
def test_rcpt(world: World, sender: str, code: int, text: str) -> None:
    world.server()
    assert rcpt(world.receiver(), sender) == Reply(code, text)


def test_null_sender(world: World) -> None:
    """The HELO name stands in (RFC 7208 §2.4)."""
    world.server()
    exim = world.receiver()
    assert rcpt(exim, "", "permitted.example").code == 250
    assert rcpt(exim, "", "forbidden.example").code == 550


def test_one_sender_after_another(world: World) -> None:
    """The answer for one does not stick to the next; the server is asked once for a sender."""
    server = world.server()
    exim = world.receiver()
    before = server.ask(b"stats\n").split()[0]
    codes = []
    with Client(exim.port) as client:
        client.hello()
        for sender in ("a@permitted.example", "a@doubtful.example", "a@permitted.example"):
            codes.append(client.envelope(sender, ["bob@rx.example", "bob@rx.example"]).code)
            client.command("RSET")
        codes.append(client.envelope("a@forbidden.example", ["bob@rx.example"]).code)
    assert codes == [250, 250, 250, 550]
    asked = int(server.ask(b"stats\n").split()[0].partition(b"=")[2]) - int(before.partition(b"=")[2])
    assert asked == 3 + 2 + 1  # three senders; the forbidden one twice, with the text; the last look at the counts


def test_refusal_can_be_switched_off(world: World) -> None:
    world.server()
    macros = {"WHEN_SPF_FAILS": "accept", "WHEN_DEFERRED": "defer"}
    exim = world.receiver("lenient", macros)
    assert rcpt(exim, "a@forbidden.example").code == 250
    assert rcpt(exim, "a@failing.example") == Reply(451, "4.7.24 SPF cannot be checked now, please try again later")
    reply = submit(exim.port, message(), sender="a@forbidden.example", recipients=["bob@rx.example"])
    assert exim.wait_for_log(f"{reply.text.partition('id=')[2]} authentication: .* spf=(\\w+)")[1] == "fail"


def test_hosts_that_forward(world: World) -> None:
    world.server()
    exim = world.receiver("forwarding", {"NO_SPF_HOSTS": "127.0.0.1"})
    assert rcpt(exim, "a@forbidden.example").code == 250


def test_hostile_sender(world: World) -> None:
    """What a sender writes cannot become a request of its own."""
    world.server()
    exim = world.receiver()
    assert rcpt(exim, '"\\\n\\\nping"@forbidden.example').code in (501, 550)
    assert rcpt(exim, "%{i}{1r}@forbidden.example").code == 550
    assert rcpt(exim, '"a\\"\\\\"@forbidden.example').code == 550
    assert exim.panic_log() == ""


def test_senderid_and_domainkeys_in_an_acl(world: World) -> None:
    server = world.server("everything", {"domainkeys_verify": "true"})
    asks = (
        "  warn logwrite = words: ${acl {lookup_senderid}} ${acl {lookup_senderid}{mfrom}} ${acl {lookup_spf}{helo}}"
        " ${acl {lookup_domainkeys}{example.org}} ${acl {lookup_domainkeys}{a@b.example}}\n\n"
    )
    place = "  # Record everything:"
    configuration = world.directory / "asking.conf"
    configuration.write_text(EXAMPLE.read_text().replace(place, asks + place))
    macros = {
        "LOOKUP_SOCKET": str(server.socket),
        "SIGNS_ALWAYS": str(world.directory / "signs-always"),
        "MAIL_HOST_NAME": "rx.example",
        "LOCAL_DOMAIN_LIST": "rx.example",
    }
    exim = world.other_exim("asking", configuration, macros)
    exim.mailbox("bob")
    text = domainkeys_signed(message(header=b"Resent-From: x@permitted.example\r\n"))
    submit(exim.port, text, sender="a@doubtful.example", recipients=["bob@rx.example"])
    assert exim.wait_for_log("words: (.*)$")[1] == "pass softfail none good unsigned"
