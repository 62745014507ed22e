"""milter_server.reporting: which messages cause reports, when, and what becomes of the mail (nothing)."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import queue
import threading
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.dkim.sign import SigningRequest, sign
from exim_dkim.errors import ConfigurationError
from exim_dkim.hashing import BodyHasher
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector
from exim_dkim.resolver import Answer, Question
from exim_dkim.system.authenticate import Authenticator, policies
from milter_server import reporting
from milter_server.configuration import read_filter
from milter_server.filter import AuthenticationFilter
from milter_server.report_delivery import Command, DeliveryError, SmtpServer
from milter_server.report_limits import ReportLimits
from milter_server.reporting import Reporter, delivery_of
from milter_server.response import CONTINUE
from tests.support.milter_client import MilterClient, Outcome
from tests.support.milter_world import PATIENCE, Serving
from tests.support.samples import domainkeys_signed, key_record, message, private_key, signed

pytestmark = pytest.mark.usefixtures("_log_is_seen")

STRANGER = b"198.51.100.7"
REPORTS = "milter_reports\nprimary_hostname = mx.rx.example\nmilter_methods = dkim : domainkeys\n"
DNS: Mapping[Key, Value] = {
    "rsa._domainkey.example.org": key_record("rsa2048"),
    "_report._domainkey.example.org": "ra=dkim; rr=v",
    "_domainkey.example.org": "o=~; r=dk@example.org",
}
DKIM_ONLY = REPORTS.replace(" : domainkeys", "")


@pytest.fixture(name="_log_is_seen")
def fixture_log_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("milter_server"), "propagate", True)


class Sent(NamedTuple):
    """A report as it was handed over."""

    report: bytes
    recipient: str


class Outbox:
    """A delivery that keeps what it is given, or fails. `held`: only when all messages are answered; `stuck`: never."""

    def __init__(self, error: Exception | None = None, *, held: bool = False, stuck: bool = False) -> None:
        self.sent: queue.Queue[Sent] = queue.Queue()
        self.error = error
        self.answered = threading.Event()
        self.held, self.stuck = held, stuck

    async def send(self, report: bytes, recipient: str) -> None:
        """Keeps it."""
        if self.stuck:
            await asyncio.Event().wait()
        if self.held:
            assert await asyncio.to_thread(self.answered.wait, PATIENCE)
        self.sent.put(Sent(report, recipient))
        if self.error:
            raise self.error

    def warnings(self) -> list[str]:
        """None."""
        return []


def requesting(text: bytes, domain: str = "example.org") -> bytes:
    """`text` with a signature that asks for reports."""
    return signed(text, domain).replace(b" q=dns/txt;", b" q=dns/txt; r=y;")


def broken(text: bytes | None = None, domain: str = "example.org") -> bytes:
    """A message whose signature asks for reports, and does not fit."""
    return requesting(text or message(), domain)


class World:
    """A filter with reports, and an MTA."""

    def __init__(self, options: str = DKIM_ONLY, dns: Mapping[Key, Value] = DNS, outbox: Outbox | None = None) -> None:
        settings = parse_configuration(options.encode(), "test.conf")
        configuration = read_filter(settings, "dkim-filter")
        self.dns = MemoryResolver(dns)
        authenticator = Authenticator(self.dns, policies(configuration.settings), lambda: 1_793_610_939.0)
        self.reporter = Reporter(configuration.settings, "dkim-filter", self.dns)
        self.outbox = outbox or Outbox()
        self.reporter.delivery = self.outbox
        self.filter = AuthenticationFilter(configuration, authenticator, reporter=self.reporter)

    def answers(self, *messages: bytes, sender: bytes = b"<alice@example.org>", **more: object) -> list[Outcome]:
        """What the filter makes of messages; returns when all that it reports has been handed over."""
        outcomes = []
        with Serving(self.filter) as world, MilterClient(world.address) as mta:
            mta.greet(b"client.example", more.pop("address", STRANGER))  # type: ignore[arg-type]
            for text in messages:
                header, _, body = text.partition(b"\r\n\r\n")
                fields = [
                    (name, value.replace(b"\0", b"\n"))
                    for name, _, value in (
                        line.partition(b":")
                        for line in header.replace(b"\r\n\t", b"\0\t").replace(b"\r\n ", b"\0 ").split(b"\r\n")
                    )
                ]
                outcomes.append(mta.message(fields, body, sender, **more))  # type: ignore[arg-type]
            self.outbox.answered.set()
            idle = threading.Event()

            async def wait() -> None:
                while self.reporter.tasks:
                    await asyncio.wait(list(self.reporter.tasks))
                idle.set()

            tasks: list[object] = []
            world.call(lambda: tasks.append(world.loop.create_task(wait())))
            assert idle.wait(PATIENCE)
        return outcomes

    def reports(self, *messages: bytes, **more: object) -> list[Sent]:
        """The reports that messages cause."""
        self.answers(*messages, **more)  # type: ignore[arg-type]
        found = []
        while not self.outbox.sent.empty():
            found.append(self.outbox.sent.get())
        return found


def facts(report: bytes) -> dict[str, str]:
    """The fields of message/feedback-report."""
    parsed = email.message_from_bytes(report, policy=email.policy.default)
    return {name: str(value) for name, value in parsed.get_payload(1).get_payload(0).items()}  # type: ignore[union-attr]


def test_a_broken_signature_is_reported() -> None:
    world = World()
    text = broken(message(header=b"X-Secret: s\r\n"))
    (sent,) = world.reports(text, macros={"i": "q1", "j": "mx.rx.example"})
    assert sent.recipient == "dkim@example.org"
    found = facts(sent.report)
    assert found["Auth-Failure"] == "signature"
    assert found["Reported-Domain"] == found["DKIM-Domain"] == "example.org"
    assert (found["DKIM-Selector"], found["Source-IP"]) == ("rsa", "198.51.100.7")
    assert found["Authentication-Results"].startswith("mx.rx.example;\tdkim=fail")
    assert "Delivery-Result" not in found
    parsed = email.message_from_bytes(sent.report)
    assert parsed["From"] == "postmaster@mx.rx.example"
    told = parsed.get_payload(2).get_payload()  # type: ignore[union-attr]
    assert "alice@example.org" in told
    assert "bob@rx.example" not in told
    assert "X-Secret" not in told


def test_a_body_that_was_changed() -> None:
    text = _really_signed() + b"changed\r\n"
    (sent,) = World().reports(text)
    assert facts(sent.report)["Auth-Failure"] == "bodyhash"


def _really_signed() -> bytes:
    """A message whose signature asks for reports and is good."""
    text = message()
    parsed = parse_message(text)
    hasher = BodyHasher()
    body_hash = hasher.want("sha256", "relaxed")
    hasher.update(parsed.body)
    hasher.finish()
    request = SigningRequest(Domain("example.org"), Selector("rsa"), (b"From", b"To"), wants_reports=True)
    return sign(parsed.fields, body_hash.digest(), request, private_key("rsa2048")) + text


def test_a_good_signature_is_not_reported() -> None:
    world = World()
    assert not world.reports(_really_signed())
    assert "_report._domainkey.example.org" not in [question.name for question in world.dns.asked]


NOT: list[tuple[str, bytes, dict[str, object], Mapping[Key, Value]]] = [
    ("nobody asks for it", signed(message()) + b"x", {}, {}),
    ("the domain has no record", broken(), {}, {"_report._domainkey.example.org": []}),
    ("it wants to hear of other things", broken(), {}, {"_report._domainkey.example.org": "ra=a; rr=d:x"}),
    ("it wants to hear of nothing", broken(), {}, {"_report._domainkey.example.org": "ra=a; rp=0"}),
    ("it comes from nobody", broken(), {"sender": b"<>"}, {}),
    ("it is an answer", broken(message(header=b"Auto-Submitted: auto-replied\r\n")), {}, {}),
    ("it is a report", broken(message(header=b"Content-Type: multipart/report\r\n")), {}, {}),
    ("our user submits it", broken(), {"macros": {"auth_authen": "bob"}}, {}),
]


@pytest.mark.parametrize(("why", "text", "more", "dns"), NOT, ids=[why for why, *_ in NOT])
def test_what_is_not_reported(why: str, text: bytes, more: dict[str, object], dns: Mapping[Key, Value]) -> None:
    assert not World(dns={**DNS, **dns}).reports(text, **more)


def test_what_is_deferred_is_not_reported_yet() -> None:
    text = broken()
    assert not World(f"{DKIM_ONLY}milter_actions = badsignature=tempfail\n").reports(text)
    (sent,) = World(f"{DKIM_ONLY}milter_actions = badsignature=reject\n").reports(text)
    assert facts(sent.report)["Delivery-Result"] == "reject"


def test_domainkeys() -> None:
    text = domainkeys_signed(message()) + b"changed\r\n"
    (sent,) = World(REPORTS).reports(text)
    assert sent.recipient == "dk@example.org"
    assert facts(sent.report)["Auth-Failure"] == "signature"
    assert not World(REPORTS, {**DNS, "_domainkey.example.org": "r=dk@victim.example"}).reports(text)


def test_one_report_a_domain_and_message() -> None:
    text = broken(broken())
    assert len(World().reports(text)) == 1


def test_limits_hold_and_are_told() -> None:
    world = World(f"{DKIM_ONLY}milter_report_domain_limit = 2\n")
    assert len(world.reports(*[broken()] * 5)) == 2
    other = World(f"{DKIM_ONLY}milter_report_limit = 1\n")
    assert len(other.reports(*[broken()] * 3)) == 1


def test_limits_outlive_a_configuration() -> None:
    limits = ReportLimits(100, 5)
    settings = parse_configuration(b"milter_report_limit = 7\nprimary_hostname = mx.example\n", "test.conf")
    reporter = Reporter(settings, "x", MemoryResolver({}), limits)
    assert reporter.limits is limits
    assert (limits.overall, limits.per_domain) == (7, 5)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeliveryError("the queue is full"), "the queue is full"),
        (RuntimeError("a bug"), "internal error: RuntimeError"),
    ],
)
def test_a_report_that_cannot_be_sent_costs_nothing(
    error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    (outcome,) = World(outbox=Outbox(error)).answers(broken())
    assert outcome.response == CONTINUE
    assert f"no report to example.org: {told}" in caplog.text


def test_mail_does_not_wait_for_reports(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Answers come while nothing can be handed over; what is too much is dropped, and told."""
    monkeypatch.setattr(reporting, "MAX_TASKS", 3)
    world = World(f"{DKIM_ONLY}milter_report_domain_limit = 100\n", outbox=Outbox(held=True))
    assert len(world.answers(*[broken()] * 6)) == 6
    assert world.outbox.sent.qsize() == 3
    assert "too much is being reported" in caplog.text


def test_a_task_has_an_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(reporting, "SECONDS", 0.2)
    assert not World(outbox=Outbox(stuck=True)).reports(broken())
    assert "it took longer than 0.2 seconds" in caplog.text


def test_a_fault_of_ours_costs_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(found: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(reporting, "failures", fail)
    (outcome,) = World().answers(broken())
    assert outcome.response == CONTINUE
    assert "internal error in a report: RuntimeError: a bug" in caplog.text


class Broken(MemoryResolver):
    """Fails when it is asked for a report record."""

    async def resolve(self, *questions: Question) -> tuple[Answer, ...]:
        if any(question.name.startswith("_report.") for question in questions):
            raise OSError("no descriptors")
        return await super().resolve(*questions)


def test_dns_that_breaks_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.reporter._resolver = Broken(DNS)
    (outcome,) = world.answers(broken())
    assert outcome.response == CONTINUE
    assert "internal error: OSError: no descriptors" in caplog.text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("milter_report_from = nobody", "milter_report_from: 'nobody' is not an address"),
        ("milter_report_from = a b@x.example", "is not an address"),
        ("milter_report_from = a@b@x.example", "is not an address"),
        ("milter_report_command = sendmail", "is not a program by its whole path"),
        ("milter_report_server = somewhere", "milter_report_server: a socket is inet:PORT@HOST"),
    ],
)
def test_options_without_sense(options: str, error: str) -> None:
    settings = parse_configuration(f"primary_hostname = mx.example\n{options}\n".encode(), "test.conf")
    with pytest.raises(ConfigurationError, match=error) as caught:
        Reporter(settings, "x", MemoryResolver({}))
    assert (caught.value.file, caught.value.line) == ("test.conf", 2)


def test_a_host_without_a_usable_name() -> None:
    settings = parse_configuration(b"primary_hostname = a_b\n", "test.conf")
    with pytest.raises(ConfigurationError, match="'postmaster@a_b' cannot be used; set milter_report_from"):
        Reporter(settings, "x", MemoryResolver({}))


def test_how_reports_leave() -> None:
    settings = parse_configuration(b"primary_hostname = mx.example\n", "test.conf")
    assert delivery_of(settings) == Command(("/usr/sbin/sendmail", "-t", "-i", "-f", "<>"))
    text = b"primary_hostname = mx.example\nmilter_report_server = inet:25@127.0.0.1\n"
    assert delivery_of(parse_configuration(text, "test.conf")) == SmtpServer("127.0.0.1", 25, "mx.example")
