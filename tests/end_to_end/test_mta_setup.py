"""The set-up of docs/milter.md, as an administrator installs it: one `exim-dkim milter` with a user of its own serves
several filters on Unix sockets to a real Sendmail and a real Postfix.
"""

from __future__ import annotations

import contextlib
import pwd
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from exim_dkim.api import verify
from exim_dkim.memory import MemoryResolver
from tests.support import samples
from tests.support.installation import installed
from tests.support.mail_world import PERMITTED, RECORDS, ZONE, first_names, results
from tests.support.mta import Listener, Milter, Mta, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.postfix import Postfix
from tests.support.processes import Process, exim_user
from tests.support.run import run
from tests.support.saslauthd import SaslAuthd, auth_plain
from tests.support.smtp import Client, Sink

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix")]

PASSWORDS = {"alice": "correct horse"}
CONFIGURATION = """\
user = {user}
log_destination = stderr
dns_zone_file = {directory}/zone
milter_socket_group = postfix
begin profiles
sid-filter:
  milter_listen = unix:{sockets}/sid.sock
dkim-filter:
  milter_listen = unix:{sockets}/dkim.sock
  milter_domains = example.org
  milter_daemons = MSA
  dkim_selector = rsa
  dkim_private_key = {directory}/rsa.pem
"""


class SetUp(NamedTuple):
    """An MTA whose ports MTA and MSA have both filters, and nothing else in common but them."""

    mta: Mta
    sink: Sink

    def through(self, port: str, message: bytes, before: tuple[str, ...] = ()) -> bytes:
        """What is delivered of a message from a client elsewhere, which says `before` first."""
        with Client(self.mta.ports[port], source=PERMITTED) as client:
            client.hello()
            for line in before:
                assert client.command(line).code // 100 == 2
            if before:
                client.hello()
            client.envelope("alice@example.org", ["bob@rx.example"])
            answer = client.data(message)
            assert answer.code == 250, (answer, self.mta.log()[-3000:])
            client.command("QUIT")
        return self.sink.next(20).message


class Filters(NamedTuple):
    """A process, with its directory and what the MTAs call."""

    directory: Path
    process: Process
    milters: tuple[Milter, ...]


@pytest.fixture(scope="module")
def filters() -> Iterator[Filters]:
    """One process for both MTAs."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mail_directory("exim-dkim-setup-"))
        installation = stack.enter_context(installed())
        sockets = directory / "sockets"
        sockets.mkdir(mode=0o755)
        (directory / "zone").write_text(ZONE)
        shutil.copy(samples.KEY_DIRECTORY / "rsa2048.pem", directory / "rsa.pem")
        (directory / "rsa.pem").chmod(0o400)  # root's: it is read before root is given up
        configuration = directory / "exim-dkim.conf"
        configuration.write_text(CONFIGURATION.format(user=exim_user(), directory=directory, sockets=sockets))
        process = Process([installation.command, "milter", "-C", configuration], log=directory / "log", cwd=directory)
        stack.callback(process.end)
        names = ("sid", "dkim")
        process.wait_until("the filters serve", lambda: "serving" in process.output())
        yield Filters(directory, process, tuple(Milter(name, f"unix:{sockets / name}.sock") for name in names))


@pytest.fixture(scope="module", params=NAMES)
def setup(request: pytest.FixtureRequest, filters: Filters) -> Iterator[SetUp]:
    directory, milters = filters.directory, filters.milters
    outside = ("smtpd_authorized_xclient_hosts = 127.0.0.0/8", "mynetworks = 0.0.0.0/0")
    listeners = {
        "MTA": Listener(milters, options=outside),
        "MSA": Listener(milters, options=("milter_macro_daemon_name = MSA",)),
        "old": Listener(milters, options=("milter_protocol = 2", "milter_macro_daemon_name = MSA")),
    }
    local = f"non_smtpd_milters = {milters[1].postfix_address}"
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink())
        if request.param == "postfix":
            settings: tuple[str, ...] = (local,)
        else:
            settings = stack.enter_context(SaslAuthd(directory / "sasl", PASSWORDS)).sendmail
        yield SetUp(stack.enter_context(mta(request.param, directory, sink.port, listeners, settings)), sink)


def verdicts(message: bytes) -> list[str]:
    found = run(verify(message, MemoryResolver(dict(RECORDS)), now=time.time()))
    return [verdict.result.value for verdict in found]


def test_mail_from_outside(setup: SetUp) -> None:
    delivered = setup.through("MTA", samples.signed(samples.message()))
    assert results(delivered) == {"dkim": "pass", "spf": "pass", "sender-id": "pass"}
    assert first_names(delivered, 3) == ["Authentication-Results", "Authentication-Results", "Received"]


def test_the_submission_port(setup: SetUp) -> None:
    """{daemon_name} tells the filter that the client is one of ours, wherever it is."""
    assert verdicts(setup.through("MSA", samples.message())) == ["pass"]
    assert verdicts(setup.through("MTA", samples.message())) == []


def test_authenticated_clients(setup: SetUp) -> None:
    """{auth_authen} does so, too. Postfix lets us say who has authenticated."""
    xclient, auth = "XCLIENT ADDR=192.0.2.200 LOGIN=alice", auth_plain("alice", PASSWORDS["alice"])
    words = xclient if isinstance(setup.mta, Postfix) else auth
    assert verdicts(setup.through("MTA", samples.message(), (words,))) == ["pass"]


@pytest.mark.parametrize("setup", ["sendmail"], indirect=True)
def test_clients_with_a_wrong_password(setup: SetUp) -> None:
    """Their mail is not signed, as it would not be without the attempt."""
    with Client(setup.mta.ports["MTA"], source=PERMITTED) as client:
        assert "AUTH PLAIN" in client.hello().text
        assert client.command(auth_plain("alice", "wrong")).code == 535
        client.envelope("alice@example.org", ["bob@rx.example"])
        assert client.data(samples.message()).code == 250
    assert verdicts(setup.sink.next(20).message) == []


@pytest.mark.parametrize("setup", ["postfix"], indirect=True)
def test_the_protocol_of_old(setup: SetUp) -> None:
    """milter_protocol = 2: without any of what came with version 6, also for fields without a blank after the colon."""
    message = samples.message().replace(b"Subject: A", b"Subject:A").replace(b"To: ", b"To:  ")
    assert verdicts(setup.through("old", message)) == ["pass"]


@pytest.mark.parametrize("setup", ["postfix"], indirect=True)
def test_mail_of_local_programs(setup: SetUp) -> None:
    """non_smtpd_milters; with Sendmail such mail comes through the submission port."""
    assert isinstance(setup.mta, Postfix)
    message = samples.message().replace(b"\r\n", b"\n")
    setup.mta.submit_locally(message, "alice@example.org", "bob@rx.example")
    assert verdicts(setup.sink.next(20).message) == ["pass"]


def test_the_filters_are_not_root(filters: Filters) -> None:
    """The sockets are for the group that was named, and the process is its user's alone."""
    for path in (filters.directory / "sockets").iterdir():
        assert (path.stat().st_mode & 0o777, path.group()) == (0o660, "postfix")
    account = pwd.getpwnam(exim_user())
    status = dict(line.split(":", 1) for line in Path(f"/proc/{filters.process.pid}/status").read_text().splitlines())
    assert set(status["Uid"].split()) == {str(account.pw_uid)}
    assert set(status["Gid"].split()) == {str(account.pw_gid)}
    assert set(status["Groups"].split()) <= {str(account.pw_gid)}
