"""What MTAs change in a message after a filter has signed it, and which settings keep signatures whole.

Every message gets four signatures, and the table says which of them verify when it has been delivered. The next hop
offers no 8BITMIME. `plain` is the MTA as it is configured by default, `kept` with the settings of `KEPT`, which
docs/milter.md recommends. A row that is not true any more fails, also when things have become better.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from exim_dkim.api import verify
from exim_dkim.domainkeys.verify import verify as verify_domainkeys
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.policy import DomainKeysPolicy
from tests.support import samples
from tests.support.filter_process import MilterFilter
from tests.support.mail_world import KEY, SIGNING
from tests.support.mta import Listener, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.run import run
from tests.support.smtp import Client, Sink

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

# From the top of the header: the signatures that were made last.
SIGNATURES = {
    "simple": ("dkim-filter", "-k", KEY, "-s", "simple", "-c", "simple"),
    "relaxed": ("dkim-filter", "-k", KEY, "-s", "relaxed", "-c", "relaxed"),
    "lists": ("dkim-filter", "-k", KEY, "-s", "lists", "-c", "relaxed", "--sendmail-lists"),
    "omitted": ("dkim-filter", "-k", KEY, "-s", "omitted", "-c", "relaxed", "-o", "To,Cc,Reply-To"),
    "nofws": ("dk-filter", "-s", KEY, "-S", "nofws", "-c", "nofws", "-H"),
}
RECORDS = {f"{name}._domainkey.example.org": samples.key_record("rsa2048") for name in SIGNATURES}

DIRECT = "define(`SMART_HOST', `esmtp:[127.0.0.1]')dnl"
KEPT = {
    "sendmail": (
        "define(`confMUST_QUOTE_CHARS', `')dnl",
        "define(`confMAX_MIME_HEADER_LENGTH', `0/0')dnl",
        "define(`SMTP_MAILER_LL', `0')dnl",
        "define(`SMTP_MAILER_FLAGS', `8')dnl",
    ),
    "postfix": ("smtp_line_length_limit = 0", "disable_mime_output_conversion = yes"),
}


class Row(NamedTuple):
    """A message, and for each MTA, plain and kept, the initials of the signatures that survive."""

    message: bytes
    sendmail: str = "srlon"
    sendmail_kept: str = "srlon"
    postfix: str = "srlon"
    postfix_kept: str = "srlon"


def made(*changes: tuple[str, str], more: str = "", body: bytes = b"Hello Bob\r\n") -> bytes:
    """A message with other values in some of its fields; those without a value are left out."""
    values = {
        "From": " Alice <alice@example.org>",
        "To": " bob@rx.example",
        "Subject": " A  test",
        "Date": " Mon, 2 Nov 2026 09:15:39 +0000",
        "Message-ID": " <1@example.org>",
        **dict(changes),
    }
    header = "".join(f"{name}:{value}\r\n" for name, value in values.items() if value != "-")
    return (header + more + "\r\n").encode() + body


MANY = [f"person{number}@rx.example" for number in range(12)]
EIGHT_BIT = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
MULTIPART = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
PART = b"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"

LISTS = ("lon", "lon", "sron", "sron")
"""What survives for lists of addresses that Sendmail writes with other blanks."""
HOLES = ("lo", "lo", "sron", "sron")
"""The same where it also takes commas away."""

ROWS: dict[str, Row] = {
    "plain": Row(made()),
    "author-alone": Row(made(("From", " alice@example.org"))),
    "author-with-comment": Row(made(("From", " alice@example.org (Alice  Adams)"))),
    "author-tight": Row(made(("From", "Alice<alice@example.org>"))),
    "author-folded": Row(made(("From", " Alice Adams\r\n <alice@example.org>"))),
    "author-quoted": Row(made(("From", ' "Adams, Alice" <alice@example.org>'))),
    "author-with-dot": Row(made(("From", " Alice A. Adams <alice@example.org>")), sendmail=""),
    "author-eight-bit": Row(made(("From", " Jörg <alice@example.org>"))),
    "two-authors-tight": Row(
        made(("From", " alice@example.org,carol@example.org")),
        sendmail="ln",
        sendmail_kept="ln",
        postfix="sron",
        postfix_kept="sron",
    ),
    "recipients": Row(made(("To", " bob@rx.example, carol@rx.example"))),
    "recipients-tight": Row(
        made(("To", " bob@rx.example,carol@rx.example")),
        *LISTS,
    ),
    "recipients-spaced": Row(
        made(("To", " bob@rx.example ,  carol@rx.example")),
        *LISTS,
    ),
    "recipients-many": Row(made(("To", " " + ", ".join(MANY))), sendmail="rlon", sendmail_kept="rlon"),
    "recipients-folded": Row(made(("To", " " + ",\r\n\t".join(MANY))), sendmail="rlon", sendmail_kept="rlon"),
    "recipients-folded-before-comma": Row(
        made(("To", " bob@rx.example\r\n , carol@rx.example")),
        *LISTS,
    ),
    "recipients-odd": Row(
        made(("To", '"B, b" <b@rx.example>,c@rx.example (C, c),<d@rx.example>')),
        *LISTS,
    ),
    "recipients-encoded": Row(
        made(("To", " =?utf-8?q?B=2C_b?= <b@rx.example>,J\xf6rg <j@rx.example>")),
        *LISTS,
    ),
    "recipients-group": Row(
        made(("To", " friends:bob@rx.example,carol@rx.example;")),
        *LISTS,
    ),
    "recipients-trailing-comma": Row(
        made(("To", " bob@rx.example,carol@rx.example,")),
        *HOLES,
    ),
    "recipients-empty-element": Row(
        made(("To", " bob@rx.example,,carol@rx.example")),
        *HOLES,
    ),
    "recipient-comma": Row(made(("To", " bob@rx.example,")), *HOLES),
    "recipient-without-domain": Row(made(("To", " bob")), sendmail="o", sendmail_kept="o"),
    "recipients-undisclosed": Row(made(("To", " undisclosed-recipients:;"))),
    "copies-tight": Row(
        made(more="Cc: a@rx.example,b@rx.example\r\n"),
        *LISTS,
    ),
    "reply-to-tight": Row(
        made(more="Reply-To: a@rx.example,b@rx.example\r\n"),
        *LISTS,
    ),
    "blind-copies": Row(made(more="Bcc: secret@rx.example\r\n")),
    "return-path": Row(made(more="Return-Path: <x@example.org>\r\n")),
    "no-date": Row(made(("Date", "-"))),
    "no-message-id": Row(made(("Message-ID", "-"))),
    "no-recipient": Row(made(("To", "-"))),
    "resent": Row(made(more="Resent-From: carol@example.org\r\nResent-Date: Mon, 2 Nov 2026 09:15:39 +0000\r\n")),
    "subject-empty": Row(made(("Subject", ""))),
    "subject-tight": Row(made(("Subject", "tight"))),
    "subject-trailing-blanks": Row(made(("Subject", " a test  "))),
    "subject-folded": Row(made(("Subject", " a\r\n  b\r\n\tc"))),
    "subject-eight-bit": Row(made(("Subject", " Grüße"))),
    "subject-long": Row(made(("Subject", " " + "word " * 300)), sendmail="", postfix="rlon"),
    "subject-longer": Row(made(("Subject", " " + "x" * 2500)), sendmail="", sendmail_kept="", postfix="n"),
    "references-folded": Row(made(more="References:" + "\r\n <1.a.long.message.identifier@example.org>" * 60 + "\r\n")),
    "references-long": Row(
        made(more="References:" + " <1.a.long.message.identifier@example.org>" * 60 + "\r\n"),
        sendmail="",
        sendmail_kept="",
        postfix="n",
    ),
    "body-eight-bit": Row(made(more=EIGHT_BIT, body="Grüße\r\n".encode()), sendmail="", postfix=""),
    "body-eight-bit-without-mime": Row(made(body="Grüße\r\n".encode()), sendmail=""),
    "body-long-line": Row(made(body=b"x" * 1500 + b"\r\n"), sendmail="", postfix=""),
    "body-longer-line": Row(made(body=b"x" * 3000 + b"\r\n"), sendmail="", postfix=""),
    "body-multipart": Row(made(more=MULTIPART, body=PART + b"\r\n--b--\r\n")),
    "body-multipart-unfinished": Row(made(more=MULTIPART, body=PART), sendmail=""),
    "body-trailing-lines": Row(made(body=b"text  \r\n\r\n\r\n")),
    "body-empty": Row(made(body=b"")),
    "body-dots": Row(made(body=b".\r\n..\r\nFrom here\r\n")),
}


class Running(NamedTuple):
    """An MTA, a connection to it, and where its mail arrives."""

    mta: Mta
    client: Client
    sink: Sink

    def survivors(self, message: bytes) -> str:
        """The initials of the signatures that verify when the message has been delivered."""
        self.client.envelope("alice@example.org", ["bob@rx.example"], " BODY=8BITMIME")
        answer = self.client.data(message)
        assert answer.code == 250, (answer, self.mta.log()[-3000:])
        delivered = self.sink.next(20).message
        good = {
            str(verdict.signature.selector)
            for verdict in run(verify(delivered, MemoryResolver(dict(RECORDS)), now=time.time()))
            if verdict.result.value == "pass"
        }
        policy = DomainKeysPolicy(accept_sha1=True)
        for one in run(verify_domainkeys(parse_message(delivered), MemoryResolver(dict(RECORDS)), policy)):
            good |= {"nofws"} if one.result.value == "pass" else set()
        return "".join(name[0] for name in SIGNATURES if name in good)


@pytest.fixture(scope="module", name="place")
def signing(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The filters, for both MTAs."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mail_directory("exim-dkim-rewriting-"))
        filters = [
            stack.enter_context(MilterFilter(program, directory, *SIGNING, *arguments, name=name))
            for name, (program, *arguments) in reversed(SIGNATURES.items())
        ]
        for each in filters:
            each.wait()
        yield Place(directory, Listener(tuple(each.milter for each in filters)))


class Place(NamedTuple):
    """Where MTAs are made, and the listener with all filters."""

    directory: Path
    listener: Listener

    @contextlib.contextmanager
    def running(self, kind: str, settings: tuple[str, ...]) -> Iterator[Running]:
        """An MTA with these settings."""
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(Sink(extensions=("SIZE",)))
            direct = (DIRECT, f"define(`ESMTP_MAILER_ARGS', `TCP $h {sink.port}')dnl") if kind == "sendmail" else ()
            made_mta = mta(kind, self.directory, sink.port, {"all": self.listener}, (*direct, *settings))
            server = stack.enter_context(made_mta)
            client = stack.enter_context(Client(server.ports["all"]))
            client.hello()
            yield Running(server, client, sink)


@pytest.fixture(scope="module", params=NAMES)
def running(request: pytest.FixtureRequest, place: Place) -> Iterator[dict[str, Running]]:
    """The MTA by default, and with the settings that keep signatures."""
    kind = request.param
    with place.running(kind, ()) as plain, place.running(kind, KEPT[kind]) as kept:
        yield {"plain": plain, "kept": kept}


@pytest.mark.parametrize("name", ROWS)
def test_survivors(running: dict[str, Running], name: str) -> None:
    row = ROWS[name]
    kind = running["plain"].mta.package
    expected = {"plain": getattr(row, kind), "kept": getattr(row, f"{kind}_kept")}
    assert {key: each.survivors(row.message) for key, each in running.items()} == expected


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("postfix", ("header_checks = regexp:{DIRECTORY/checks}",), "srlon"),
        ("postfix", ("smtp_header_checks = regexp:{DIRECTORY/checks}",), ""),
        ("postfix", ("canonical_maps = regexp:{DIRECTORY/authors}",), "srlon"),
        ("postfix", ("smtp_generic_maps = regexp:{DIRECTORY/authors}",), ""),
        ("sendmail", ("MASQUERADE_AS(`elsewhere.example')dnl", "MASQUERADE_DOMAIN(`example.org')dnl"), ""),
    ],
    ids=["header_checks", "smtp_header_checks", "canonical_maps", "smtp_generic_maps", "masquerade"],
)
def test_tables(place: Place, kind: str, settings: tuple[str, ...], expected: str) -> None:
    """What rewrites before the filters does no harm, what does so after them breaks signatures."""
    tables = {"checks": "/^Subject: (.*)/ REPLACE Subject: [x] $1", "authors": "/^alice@/ carol@example.org"}
    for name, text in tables.items():
        (place.directory / name).write_text(text + "\n")
        (place.directory / name).chmod(0o644)
    ready = tuple(line.replace("{DIRECTORY", str(place.directory)).replace("}", "") for line in settings)
    with place.running(kind, ready) as server:
        assert server.survivors(made()) == expected, server.mta.log()[-3000:]
