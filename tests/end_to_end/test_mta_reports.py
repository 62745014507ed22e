"""Failed signatures reported through a real Sendmail and a real Postfix: by their own commands, and by SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from exim_dkim.api import verify
from exim_dkim.config.options import OPTIONS
from exim_dkim.memory import MemoryResolver
from milter_server.report_delivery import Command, parse_command
from tests.support import peers, samples
from tests.support.filter_process import MilterFilter
from tests.support.mta import HOST_NAME, Listener, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.postfix import Postfix
from tests.support.processes import exim_user, give, shared_directory
from tests.support.run import run
from tests.support.sendmail import Sendmail
from tests.support.smtp import Client, Received, Sink

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

OUTSIDE = "127.0.0.2"
RECORDS = {
    **samples.RECORDS,
    "_report._domainkey.example.org": "ra=dkim-errors; rp=100; rr=v",
    "_domainkey.example.org": "o=~; r=dk-errors@example.org",
}
KEY = str(samples.KEY_DIRECTORY / "rsa2048.pem")


class World:
    """An MTA with filters that report, and a sink for all that it sends on."""

    def __init__(self, kind: str, directory: Path, stack: contextlib.ExitStack) -> None:
        self.sink = stack.enter_context(Sink())
        zone = directory / "zone"
        zone.write_text(samples.zone_text(RECORDS))
        self._command = directory / "report-command"
        common = ["--set", f"dns_zone_file={zone}", "--set", f"primary_hostname={HOST_NAME}", "-b", "v", "-R"]
        by_command = [*common, "--set", f"milter_report_command={self._command} -t -i -f <>"]
        self.filters = {
            "dkim": MilterFilter("dkim-filter", directory, *by_command, name="dkim"),
            "dk": MilterFilter("dk-filter", directory, *by_command, name="dk"),
            "smtp": MilterFilter("dkim-filter", directory, *common, "-x", str(directory / "smtp.conf"), name="smtp"),
            "sign": MilterFilter(
                "dkim-filter", directory, "-b", "s", "-d", f"{HOST_NAME},example.org", "-k", KEY, "-s", "rsa",
                "--set", "dkim_request_reports=true", name="sign",
            ),
        }  # fmt: skip
        listeners = {name: Listener((each.milter,)) for name, each in self.filters.items()}
        self.mta: Mta = mta(kind, directory, self.sink.port, listeners)
        server = f"milter_report_server = inet:{self.mta.ports['sign']}@127.0.0.1\n"
        (directory / "smtp.conf").write_text(server)
        for each in self.filters.values():
            stack.enter_context(each).wait()
        self._write_command()
        stack.enter_context(self.mta)

    def _write_command(self) -> None:
        """A command that does what the MTA's own does on a host where it is installed."""
        assert isinstance(self.mta, Postfix | Sendmail)
        self._command.write_text(f'#!/bin/sh\nexec {shlex.join(self.mta.local_command())} "$@"\n')
        self._command.chmod(0o755)

    def deliver(self, port: str, message: bytes, sender: str = "alice@example.org") -> None:
        """Sends a message from outside; it must be taken."""
        with Client(self.mta.ports[port], source=OUTSIDE) as client:
            client.hello()
            assert client.envelope(sender, ["bob@rx.example"]).code == 250
            assert client.data(message).code == 250, self.logs()
            client.command("QUIT")

    def received(self, count: int) -> list[Received]:
        """What the MTA has sent on: the messages, and then the reports."""
        found = []
        for _ in range(count):
            try:
                found.append(self.sink.next(30))
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.logs()}") from None
        return sorted(found, key=lambda one: not one.sender)

    def logs(self) -> str:
        """The ends of all logs."""
        parts = [self.mta.log(), *(each.log() for each in self.filters.values())]
        return "\n".join(text[-2000:] for text in parts)


@pytest.fixture(scope="module", params=NAMES, name="world")
def fixture_world(request: pytest.FixtureRequest) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mail_directory("exim-dkim-mail-"))
        yield World(request.param, directory, stack)


def feedback(report: Received) -> dict[str, str]:
    """The facts of a report."""
    parsed = email.message_from_bytes(report.message, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    types = [part.get_content_type() for part in parsed.iter_parts()]
    assert types == ["text/plain", "message/feedback-report", "text/rfc822-headers"]
    return {name: str(value) for name, value in parsed.get_payload(1).get_payload(0).items()}  # type: ignore[union-attr]


def signed_by_us(world: World) -> bytes:
    """A message that the signing filter has signed, with r=y, as it leaves the MTA."""
    with Client(world.mta.ports["sign"]) as client:
        client.hello()
        assert client.envelope("alice@example.org", ["bob@rx.example"]).code == 250
        assert client.data(samples.message()).code == 250, world.logs()
        client.command("QUIT")
    signed = world.sink.next(30).message
    assert re.search(rb"DKIM-Signature:[^:]* r=y;", signed.replace(b"\r\n\t", b" "))
    return signed


@pytest.mark.parametrize("port", ["dkim", "smtp"])
def test_a_changed_message_is_reported_to_its_domain(world: World, port: str) -> None:
    """Signed by us with r=y, good on the way; then somebody changes the body, and example.org hears of it."""
    signed = signed_by_us(world)
    world.deliver(port, signed)
    (untouched,) = world.received(1)
    assert b"dkim=pass" in untouched.message
    world.deliver(port, signed + b"-- \r\nA footer\r\n")
    changed, report = world.received(2)
    assert b"dkim=fail" in changed.message
    assert (report.sender, report.recipients) == ("", ("dkim-errors@example.org",))
    assert b"Auto-Submitted: auto-generated" in report.message
    found = feedback(report)
    assert (found["Feedback-Type"], found["Auth-Failure"]) == ("auth-failure", "bodyhash")
    assert (found["Reported-Domain"], found["DKIM-Selector"]) == ("example.org", "rsa")
    assert (found["Source-IP"], found["Original-Mail-From"]) == (OUTSIDE, "<alice@example.org>")
    assert found["Authentication-Results"].startswith(f"{HOST_NAME};")
    assert b"bob@rx.example" not in report.message
    assert b"A footer" not in report.message
    assert world.sink.received.empty()


def test_a_report_can_be_signed(world: World) -> None:
    """What goes by SMTP passes the filters of that port, and comes from a domain that they sign for."""
    world.deliver("smtp", signed_by_us(world) + b"x\r\n")
    _, report = world.received(2)
    records = {f"rsa._domainkey.{HOST_NAME}": samples.key_record("rsa2048")}
    (verdict,) = run(verify(report.message, MemoryResolver(records), now=2_000_000_000))
    assert (verdict.result.value, verdict.signature.domain) == ("pass", HOST_NAME)


def test_domainkeys(world: World) -> None:
    world.deliver("dk", samples.domainkeys_signed(samples.message()) + b"A footer\r\n")
    _, report = world.received(2)
    assert (report.sender, report.recipients) == ("", ("dk-errors@example.org",))
    assert feedback(report)["Auth-Failure"] == "signature"


def test_a_report_about_a_report_is_not_made(world: World) -> None:
    """Nor one that nobody asks for: of three messages the last one is reported, and nothing comes before that."""
    changed = signed_by_us(world) + b"x\r\n"
    world.deliver("dkim", changed, sender="")
    world.deliver("dkim", samples.signed(samples.message()) + b"x\r\n")
    world.deliver("dkim", changed)
    *messages, report = sorted(world.received(4), key=lambda one: b"multipart/report" in one.message)
    assert all(b"dkim=fail" in one.message for one in messages)
    assert feedback(report)["Reported-Domain"] == "example.org"
    assert world.sink.received.empty()


EXIM = """\
spool_directory = {directory}
log_file_path = {directory}/%slog
primary_hostname = mx.test.example
tls_advertise_hosts =
keep_environment =
begin routers
relay:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_try_fastopen =
"""


@pytest.mark.peer("exim")
def test_the_command_of_exim() -> None:
    """The default command is understood by Exim's sendmail, too."""
    exim = peers.program("exim4", "exim4-daemon-heavy")
    with shared_directory("exim-dkim-mail-") as directory, Sink() as sink:
        give(directory, exim_user(), 0o755)
        configuration = directory / "exim.conf"
        configuration.write_text(EXIM.format(directory=directory, port=sink.port))
        words = parse_command(OPTIONS["milter_report_command"].default or "").words
        report = b"From: a@mx.test.example\r\nTo: dkim@example.org\r\nSubject: x\r\n\r\n.\r\nbody\r\n"
        command = Command((exim, "-C", str(configuration), "-odi", *words[1:]))
        asyncio.run(command.send(report, "dkim@example.org"))
        received = sink.next(20)
    assert (received.sender, received.recipients) == ("", ("dkim@example.org",))
    assert received.message.endswith(b"\r\n\r\n.\r\nbody\r\n")
