"""POP before SMTP with a real Sendmail and a real Postfix, and Perl's DB_File, which such POP servers write with."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from tests.support import peers, samples
from tests.support.filter_process import MilterFilter
from tests.support.mail_world import KEY, PERMITTED, first_names
from tests.support.mta import Listener, mail_directory
from tests.support.mtas import NAMES, mta
from tests.support.smtp import Sink, submit

pytestmark = [pytest.mark.peer("sendmail"), pytest.mark.peer("postfix"), pytest.mark.peer("perl")]

WRITE = """
use DB_File;
my ($path, $does, $address) = @ARGV;
tie(my %popped, "DB_File", $path, 0x42, 0644, $DB_HASH) or die "$!";
$does eq "add" ? $popped{"$address\\0"} = "1793610939\\0" : delete $popped{"$address\\0"};
untie %popped;
"""


@pytest.mark.parametrize("name", NAMES)
def test_who_has_fetched_mail_gets_signatures(name: str) -> None:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(mail_directory("exim-dkim-pop-"))
        sink = stack.enter_context(Sink())
        popped = directory / "popip.db"

        def write(does: str, address: str = PERMITTED) -> None:
            command = [peers.program("perl", "perl"), "-e", WRITE, str(popped), does, address]
            subprocess.run(command, check=True, timeout=30)

        arguments = ("-b", "s", "-d", "example.org", "-k", KEY, "-s", "rsa", "-U", str(popped))
        signer = stack.enter_context(MilterFilter("dkim-filter", directory, *arguments))
        signer.wait()
        running = stack.enter_context(mta(name, directory, sink.port, {"port": Listener((signer.milter,))}))

        def delivered() -> list[str]:
            """The first field of what arrives when a client from outside sends as one of ours."""
            message = samples.message()
            reply = submit(
                running.ports["port"],
                message,
                sender="alice@example.org",
                recipients=["bob@rx.example"],
                source=PERMITTED,
            )
            assert reply.code == 250, (reply, running.log(), signer.log())
            return first_names(sink.next().message, 1)

        assert delivered() == ["Received"], "there is no file yet"
        assert f"{popped}: No such file" in signer.log()
        write("add", "198.51.100.7")
        assert delivered() == ["Received"]
        write("add")
        assert delivered() == ["DKIM-Signature"]
        write("delete")
        assert delivered() == ["Received"]
