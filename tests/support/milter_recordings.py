"""Records what Sendmail and Postfix say to a milter: `python -m tests.support.milter_recordings` writes vectors/milter.

The filter is OpenDKIM (so libmilter), or a script that shares no code with `milter_server`. As root, on loopback only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import samples
from tests.support.milter_proxy import MilterProxy, Recorded, form
from tests.support.mta import Listener, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.opendkim import SIGNER, VERIFIER, OpenDkim
from tests.support.scripted_filter import Negotiation, ScriptedFilter
from tests.support.smtp import Client, Sink, stuffed

DIRECTORY = Path(__file__).parents[1] / "vectors" / "milter"
LEADING_SPACE = 0x100000
SKIP = 0x400
MAX_LISTENERS = 8
"""Sendmail has no more than ten."""
NO_REPLIES = 0x0FF080
LEFT_OUT = 0x01 | 0x02 | 0x08 | 0x10 | 0x100 | 0x200
"""No connect, helo, recipients, body, unknown, data."""

ODD_FIELDS = (
    b"X-Empty:\r\nX-No-Blank:value\r\nX-Tab:\tvalue\r\nX-Two:  value  \r\nX-Fold: a\r\n b\r\n\tc\r\n"
    b"X-8bit: gr\xc3\xbc\xdf\r\nX-Blank-Before-Colon : odd\r\n"
    b"Received: from a\r\n\tby b; Mon, 2 Nov 2026 09:15:38 +0000\r\n"
)
LONG_LINE = b"0123456789abcdef" * 3 + b"0123456789abcd\r\n"


def field(letter: bytes, name: bytes, value: bytes, index: int | None = None) -> bytes:
    """A packet that adds (h), inserts (i) or changes (m) a field."""
    return letter + (b"" if index is None else index.to_bytes(4, "big")) + name + b"\0" + value + b"\0"


def one(client: Client, message: bytes = b"", sender: str = "alice@example.org", parameters: str = "") -> None:
    """One message, whatever the answers are."""
    if client.envelope(sender, ["bob@rx.example", "carol@rx.example"], parameters).code // 100 == 2:
        client.data(message or samples.message(header=ODD_FIELDS))


def plain(client: Client) -> None:
    client.hello()
    one(client)


def everything(client: Client) -> None:
    """Greetings, a command that does not exist, a message with parameters after its sender."""
    client.command("HELO first.example")
    client.hello()
    client.command("XUNKNOWN something")
    one(client, parameters=" SIZE=1000 BODY=8BITMIME")


def signed(client: Client) -> None:
    client.hello()
    one(client, samples.signed(samples.message()))


def several(client: Client) -> None:
    """A message, one that is given up after its recipients, one from nobody."""
    client.hello()
    one(client)
    client.envelope("alice@example.org", ["bob@rx.example"])
    client.command("RSET")
    one(client, sender="")


def lost(client: Client) -> None:
    """The client goes away in the middle of a message."""
    client.hello()
    client.envelope("alice@example.org", ["bob@rx.example"])
    client.command("DATA")
    client.send(stuffed(samples.message()) + b"not the end")
    client.close()


def long_body(client: Client) -> None:
    client.hello()
    one(client, samples.message(body=LONG_LINE * 3000))


def non_ascii(client: Client) -> None:
    """An internationalised message, if the MTA takes such (RFC 6531)."""
    if "SMTPUTF8" in client.hello().text:
        one(client, samples.message("Jörg <jörg@müller.example>"), "jörg@müller.example", " SMTPUTF8 BODY=8BITMIME")


class Scenario(NamedTuple):
    """What is recorded: a client's words, and the filter's."""

    shows: str
    talk: Callable[[Client], None] = plain
    replies: Mapping[bytes, Sequence[bytes]] | None = None
    negotiation: Negotiation = Negotiation()
    host: str = "127.0.0.1"


MODIFICATIONS = (
    field(b"h", b"X-Added", b" at the end"),
    field(b"i", b"X-First", b" one\n\tfolded", 0),
    field(b"i", b"X-Second", b" two", 1),
    field(b"i", b"X-Far", b" ninety-nine", 99),
    field(b"m", b"Subject", b" changed", 1),
    field(b"m", b"X-Tab", b"", 1),
    b"p",
    b"+<dave@rx.example>\0",
    b"-<carol@rx.example>\0",
    b"e<other@example.org>\0",
    b"bAnother body.\r\n",
    b"c",
)
SCENARIOS = {
    "opendkim-signs": Scenario("OpenDKIM signs", plain),
    "opendkim-verifies": Scenario("OpenDKIM verifies a good signature", signed),
    "everything": Scenario("every step, each with an answer", everything),
    "leading-space": Scenario(
        "values with the blank after the colon", everything, negotiation=Negotiation(steps=LEADING_SPACE)
    ),
    "version-2": Scenario("a filter of version 2", everything, negotiation=Negotiation(version=2)),
    "no-replies": Scenario(
        "no answer but to the end of the message",
        everything,
        negotiation=Negotiation(steps=LEADING_SPACE | SKIP | NO_REPLIES),
    ),
    "left-out": Scenario(
        "only the sender and the header", everything, negotiation=Negotiation(steps=LEADING_SPACE | LEFT_OUT)
    ),
    "macros": Scenario(
        "macros that the filter asks for",
        negotiation=Negotiation(
            more=b"\0\0\0\0j {client_addr} {client_name}\0\0\0\0\2i {mail_addr} {auth_authen}\0\0\0\0\5i\0"
        ),
    ),
    "several": Scenario("three messages in a connection", several, negotiation=Negotiation(steps=LEADING_SPACE)),
    "lost": Scenario("the client goes away", lost),
    "long-body": Scenario("a body in several pieces", long_body),
    "skipped": Scenario(
        "a body of which no more is wanted", long_body, {b"B": (b"s",)}, Negotiation(steps=LEADING_SPACE | SKIP)
    ),
    "non-ascii": Scenario("an internationalised message", non_ascii, negotiation=Negotiation(steps=LEADING_SPACE)),
    "ipv6": Scenario("a client with an IPv6 address", host="::1"),
    "modified": Scenario(
        "every change at the end", replies={b"E": MODIFICATIONS}, negotiation=Negotiation(steps=LEADING_SPACE)
    ),
    "quarantined": Scenario("a message put into quarantine", replies={b"E": (b"qnot today\0", b"c")}),
    "sender-deferred": Scenario("a sender deferred", replies={b"M": (b"t",)}),
    "recipient-refused": Scenario(
        "every recipient refused with words", replies={b"R": (b"y550 5.7.1 not for 100%% of us\0",)}
    ),
    "accepted-early": Scenario("a message accepted at its first field", replies={b"L": (b"a",)}),
    "discarded": Scenario("a message thrown away", replies={b"E": (b"d",)}),
    "refused": Scenario(
        "a message refused in two lines", replies={b"E": (b"y554-5.7.0 a line\r\n554 5.7.0 another\0",)}
    ),
    "connection-refused": Scenario("a connection refused", replies={b"C": (b"r",)}),
}
FILTERS = {"opendkim-signs": SIGNER, "opendkim-verifies": VERIFIER}


def recorded(server: Mta, name: str, take: Callable[[], list[list[Recorded]]]) -> str:
    """The text of a recording of one scenario."""
    scenario = SCENARIOS[name]
    with (
        contextlib.suppress(OSError),
        Client(server.ports[name], host=scenario.host, source=scenario.host) as it,
    ):
        scenario.talk(it)
        it.command("QUIT")
    return f"# {server.package.capitalize()}: {scenario.shows}\n{form(take())}"


def record(directory: Path, names: Sequence[str]) -> None:
    """Record these scenarios with each MTA."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink())
        filters: dict[str, MilterProxy | ScriptedFilter] = {}
        for name in names:
            if name in FILTERS:
                peer = stack.enter_context(OpenDkim(directory / name, FILTERS[name]))
                filters[name] = stack.enter_context(MilterProxy(peer.port))
            else:
                filters[name] = stack.enter_context(
                    ScriptedFilter(SCENARIOS[name].replies, SCENARIOS[name].negotiation)
                )
        listeners = {
            name: Listener((each.milter._replace(name=name),), SCENARIOS[name].host) for name, each in filters.items()
        }
        for kind in NAMES:
            server = stack.enter_context(mta(kind, directory, sink.port, listeners))
            for name, each in filters.items():
                each.take()
                (DIRECTORY / f"{kind}-{name}.trace").write_text(recorded(server, name, each.take))


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    names = list(SCENARIOS)
    for start in range(0, len(names), MAX_LISTENERS):
        with mail_directory("exim-dkim-record-") as directory:
            record(directory, names[start : start + MAX_LISTENERS])


if __name__ == "__main__":
    main()
