"""What the tests with real MTAs share: every filter, an MTA with a port for each use of them, a sink, keys and DNS.

The filters know the names of `RECORDS`. Mail from 127.0.0.1 and ::1 is that of our own clients; mail from elsewhere
(127.0.0.2 is the client that SPF permits) comes from outside.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from exim_dkim.authres import AuthenticationResults, parse_authres
from exim_dkim.message import parse_message
from tests.support import samples
from tests.support.filter_process import MilterFilter
from tests.support.mta import HOST_NAME, Listener, Mta, has_ipv6, mail_directory
from tests.support.mtas import mta
from tests.support.smtp import Client, Reply, Sink

PERMITTED, FORBIDDEN = "127.0.0.2", "127.0.0.3"
"""Clients from outside, as SPF records see them."""

RECORDS = {
    **samples.RECORDS,
    "example.org": f"v=spf1 ip4:{PERMITTED} -all",
    "quiet.example": "no policy",
    "other.example": f"v=spf1 ip4:{FORBIDDEN} -all",
    "_domainkey.example.org": "o=~; r=postmaster@example.org",
    "_domainkey.strict.example": "o=-",
}
ZONE = samples.zone_text(RECORDS, samples.BROKEN)

SIGNING = ("-b", "s", "-d", "example.org")
KEY = str(samples.KEY_DIRECTORY / "rsa2048.pem")


class MailWorld:
    """See the module. `kind` is the MTA."""

    def __init__(self, kind: str, directory: Path, sink: Sink, stack: contextlib.ExitStack) -> None:
        self.directory = directory
        self.sink = sink
        self._zone = directory / "zone"
        self._zone.write_text(ZONE)
        self.filters = {name: stack.enter_context(each) for name, each in self._filters()}
        for each in self.filters.values():
            each.wait()
        self.mta: Mta = stack.enter_context(mta(kind, directory, sink.port, self._listeners()))

    def _filters(self) -> Iterator[tuple[str, MilterFilter]]:
        for name, program, arguments in (
            ("sign", "dkim-filter", (*SIGNING, "-k", KEY, "-s", "rsa")),
            ("simple", "dkim-filter", (*SIGNING, "-k", KEY, "-s", "rsa", "-c", "simple")),
            ("verify", "dkim-filter", ("-b", "v")),
            ("both", "dkim-filter", ("-d", "example.org", "-k", KEY, "-s", "rsa")),
            ("dk-sign", "dk-filter", (*SIGNING, "-s", KEY, "-S", "rsa", "-c", "nofws", "-H")),
            ("dk-verify", "dk-filter", ("-b", "v")),
            ("sid", "sid-filter", ("-t",)),
            ("refuse-sid", "sid-filter", ("-r", "1")),
            ("refuse-dkim", "dkim-filter", ("-b", "v", "-C", "badsignature=reject,dnserror=tempfail")),
        ):
            yield (
                name,
                MilterFilter(program, self.directory, *arguments, "--set", f"dns_zone_file={self._zone}", name=name),
            )

    def _listeners(self) -> dict[str, Listener]:
        ports = {name: Listener((each.milter,)) for name, each in self.filters.items()}
        ports["sid-dkim"] = Listener((*ports["sid"].milters, *ports["verify"].milters))
        ports["all"] = Listener(
            (*ports["sid-dkim"].milters, *ports["dk-verify"].milters), host="::1" if has_ipv6() else "127.0.0.1"
        )
        ports["refuse"] = Listener((*ports.pop("refuse-sid").milters, *ports.pop("refuse-dkim").milters))
        return ports

    def client(self, port: str, source: str = "127.0.0.1") -> Client:
        """A connection to a port of the MTA, greeted."""
        host = self.mta.listeners[port].host
        client = Client(self.mta.ports[port], host=host, source="::1" if ":" in host else source)
        client.hello()
        return client

    def send(self, port: str, message: bytes, source: str = "127.0.0.1", sender: str = "alice@example.org") -> Reply:
        """What the MTA answers to a message."""
        with self.client(port, source) as client:
            answer = client.envelope(sender, ["bob@rx.example"], " BODY=8BITMIME")
            return client.data(message) if answer.code == 250 else answer

    def through(self, port: str, message: bytes, source: str = "127.0.0.1", sender: str = "alice@example.org") -> bytes:
        """What the MTA delivers when it is sent `message`."""
        answer = self.send(port, message, source, sender)
        assert answer.code == 250, (answer, self.logs())
        return self.sink.next(20).message

    def logs(self) -> str:
        """The ends of all logs."""
        parts = {"the MTA": self.mta.log(), **{name: each.log() for name, each in self.filters.items()}}
        return "\n".join(f"--- {name}\n{text[-1000:]}" for name, text in parts.items())


def results(message: bytes) -> dict[str, str]:
    """What our Authentication-Results fields say: the results by method, a second one of a method with a plus."""
    found: dict[str, str] = {}
    for field in fields(message):
        for result in field.results:
            found[result.method + "+" * (result.method in found)] = result.result
    return found


def fields(message: bytes) -> list[AuthenticationResults]:
    """Our Authentication-Results fields, from the top."""
    parsed = [field for field in parse_message(message).fields if field.name == b"authentication-results"]
    return [each for each in (parse_authres(field.value) for field in parsed) if each.authserv_id == HOST_NAME]


def first_names(message: bytes, count: int) -> list[str]:
    """The names of the first fields of a message."""
    return re.findall(r"(?m)^([!-9;-~]+):", message.partition(b"\r\n\r\n")[0].decode("latin-1"))[:count]


@contextlib.contextmanager
def mail_world(kind: str) -> Iterator[MailWorld]:
    """A world for as long as the context lasts. Skips, or in CI fails, without the MTA or without root."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mail_directory("exim-dkim-mail-"))
        sink = stack.enter_context(Sink())
        yield MailWorld(kind, directory, sink, stack)
