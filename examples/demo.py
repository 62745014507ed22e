"""`make demo`: the main job of exim-dkim with real servers, on this machine, in a few seconds.

A key is made. A look-up server is started on an embedded zone. A first Exim signs messages through the filter and
passes them on to a second Exim, whose ACL asks the look-up server. Both run the configuration examples/exim.conf. The
five words that a look-up can answer are all shown. Nothing outside a temporary directory is touched, every port is on
127.0.0.1, and everything that is started is ended.

Without Exim (not installed, or the user is not root, or --without-exim) the filter and the server are shown by
themselves.

Exit status: 0 if all was as expected, 1 if not.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from examples.demo_output import Case, Shown, heading, paint, quote, say, show, summary
from tests.support.exim import Exim
from tests.support.installation import Installation, installed
from tests.support.lookup import LookupServer
from tests.support.processes import exim_user, give, shared_directory
from tests.support.smtp import submit

SELECTOR = "mail2026"
SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
FIRST, SECOND, THIRD = "first Exim", "second Exim", "third Exim"

SIGNING = """\
dkim_domain      = ${lookup {${lc:${domain:$rh_from:}}} lsearch,ret=key {DIRECTORY/domains}}
dkim_selector    = ${lookup {$dkim_domain} lsearch {DIRECTORY/domains}}
dkim_private_key = DIRECTORY/key.pem
dkim_strict      = true
"""


CASES = (
    Case("good", "Alice's message is signed on its way out, and arrives as it was sent."),
    Case("bad", "Somebody takes that signed message, changes the amount, and sends it again."),
    Case("unsigned", "Somebody sends a message with Alice's address and no signature."),
    Case("unverified", "The signed message once more, but nobody has said `control = dkim_verify`."),
    Case("defer", "Carol's message is signed too, but the name server with her key is out of order.", "example.net"),
)


class Stage(Protocol):
    """Where a case is played."""

    def play(self, case: Case) -> Shown: ...


# --- Messages and DNS -----------------------------------------------------------------------------


def message(domain: str) -> bytes:
    """The message of Alice, or of her colleague in another domain, in wire form."""
    name = "Alice" if domain == "example.org" else "Carol"
    text = f"""\
        From: {name} <{name.lower()}@{domain}>
        To: Bob <bob@rx.example>
        Subject: Invoice
        Date: Mon, 2 Nov 2026 09:15:39 +0000

        Dear Bob,

        please pay 100 euros.

        {name}
        """
    return textwrap.dedent(text).replace("\n", "\r\n").encode()


def forged(text: bytes) -> bytes:
    return text.replace(b"100 euros", b"999 euros")


def zone(record: str) -> str:
    """A zone file: key and SPF record of example.org, and a name server for the key of example.net that fails."""
    spf = 'example.org. 3600 IN TXT "v=spf1 ip4:127.0.0.1 -all"'
    return f"{record}\n{spf}\n;! SERVFAIL {SELECTOR}._domainkey.example.net.\n"


def field_lines(text: bytes, name: bytes) -> list[str]:
    """The lines of the first field of this name."""
    found = re.search(rb"^%s:.*?\r?\n(?=[^ \t])" % name, text, re.MULTILINE | re.DOTALL)
    lines = found[0].decode("ascii", "replace").split("\n") if found else [f"no {name.decode()} field"]
    return [line.strip("\r").replace("\t", "    ") for line in lines if line.strip()]


def signature_lines(text: bytes) -> list[str]:
    """The DKIM-Signature field, shortened for the eye."""
    lines = field_lines(text, b"DKIM-Signature")
    return [*lines[:2], "    ..."] if len(lines) > 3 else lines


# --- With two Exims -------------------------------------------------------------------------------


class Exims:
    """The first Exim signs, the second asks, the third is a second one that does not say `control = dkim_verify`."""

    def __init__(self, exim: str, directory: Path, installation: Installation, server: LookupServer) -> None:
        common = {"LOOKUP_SOCKET": str(server.socket), "SIGNS_ALWAYS": str(directory / "signs-always")}
        receiving = {**common, "MAIL_HOST_NAME": "rx.example", "LOCAL_DOMAIN_LIST": "rx.example"}
        self.second = Exim(exim, directory / "second", receiving)
        self.third = Exim(exim, directory / "third", {**receiving, "NO_DKIM_CONTROL": "yes"})
        sending = {
            **common,
            "MAIL_HOST_NAME": "tx.example.org",
            "LOCAL_DOMAIN_LIST": "tx.example.org",
            "CLIENT_NETWORKS": "127.0.0.1",
            "SMART_HOST": f"127.0.0.1::{self.second.port}",
            "SIGNING_FILTER": str(installation.filter),
            "SIGNING_CONFIG": str(directory / "signing.conf"),
        }
        self.first = Exim(exim, directory / "first", sending)
        self._server = server
        self.signed = b""

    def start(self) -> None:
        for exim, role in (
            (self.second, f"{SECOND}: asks the look-up server about what it gets for rx.example"),
            (self.third, f"{THIRD}: the same without `control = dkim_verify`"),
            (self.first, f"{FIRST}: signs what its clients send, passes it to the second"),
        ):
            if exim is not self.first:
                exim.mailbox("bob")
            exim.start()
            say(f"  127.0.0.1 port {exim.port:<6} {role}")

    def stop(self) -> None:
        for exim in (self.first, self.second, self.third):
            exim.stop()

    def play(self, case: Case) -> Shown:
        if case.word == "unsigned":
            return self._direct(self.second, SECOND, message(case.domain), case)
        if case.word == "bad":
            return self._direct(self.second, SECOND, forged(self.signed), case)
        if case.word == "unverified":
            return self._direct(self.third, THIRD, self.signed, case)
        return self._through_the_first(case)

    def _through_the_first(self, case: Case) -> Shown:
        text = message(case.domain)
        reply = submit(self.first.port, text, sender=f"sender@{case.domain}", recipients=["bob@rx.example"])
        taken = self.first.wait_for_log(rf"{_identifier(reply.text)} =>.* C=\".*250 OK id=(\S+)\"")
        sent = [line[20:] for line in self.first.main_log().splitlines() if _identifier(reply.text) in line]
        answer, said, delivered = self._outcome(self.second, SECOND, taken[1])
        wire = delivered[delivered.index(b"DKIM-Signature:") :].replace(b"\n", b"\r\n")
        if case.word == "good":
            self.signed = wire
        return Shown(answer, wire, ((FIRST, sent), ("on the wire", signature_lines(wire)), *said))

    def _direct(self, exim: Exim, name: str, text: bytes, case: Case) -> Shown:
        reply = submit(exim.port, text, sender=f"sender@{case.domain}", recipients=["bob@rx.example"])
        answer, said, _ = self._outcome(exim, name, _identifier(reply.text))
        return Shown(answer, text, (("on the wire", signature_lines(text)), *said))

    def _outcome(self, exim: Exim, name: str, identifier: str) -> tuple[str, tuple[tuple[str, list[str]], ...], bytes]:
        """The answer, what the receiving side said, and the message in Bob's mailbox."""
        exim.wait_for_log(f"{identifier} Completed")
        log = [line[20:] for line in exim.main_log().splitlines() if identifier in line]
        delivered = next(each for each in exim.delivered("bob") if identifier.encode() in each)
        found = re.search(r" DKIM ([a-z]+) for ", "\n".join(log))
        header = field_lines(delivered, b"Authentication-Results")
        server = [line[20:] for line in self._server.log().splitlines() if identifier in line]
        said = (("look-up server", server), (name, log), ("Bob's mailbox", header))
        return found[1] if found else "nothing", said, delivered


def _identifier(reply: str) -> str:
    return reply.partition("id=")[2]


# --- Without Exim ---------------------------------------------------------------------------------


class Alone:
    """The filter and the server, run as Exim would run and ask them."""

    def __init__(self, directory: Path, installation: Installation, server: LookupServer) -> None:
        self._filter = [str(installation.filter), "--config", str(directory / "signing.conf")]
        self._server = server
        self.signed = b""

    def play(self, case: Case) -> Shown:
        said: tuple[tuple[str, list[str]], ...] = ()
        if case.word in ("good", "defer"):
            text = self._sign(message(case.domain))
            if case.word == "good":
                self.signed = text
            said = (("the filter", ["exim-dkim-filter --config signing.conf < message > signed message"]),)
        else:
            text = {"bad": forged(self.signed), "unverified": self.signed}.get(case.word, message(case.domain))
        control = b"" if case.word == "unverified" else b"control = dkim_verify\n"
        request = b"dkim %s\n%s" % (case.domain.encode(), control)
        answer = self._server.ask(request + b"\n" + text).decode("ascii", "replace")
        asked = ("the request", request.decode().splitlines())
        return Shown(answer, text, (*said, ("the message", signature_lines(text)), asked))

    def _sign(self, text: bytes) -> bytes:
        """As through a transport_filter: LF on both sides."""
        done = subprocess.run(
            self._filter, input=text.replace(b"\r\n", b"\n"), capture_output=True, timeout=60, check=True
        )
        return done.stdout.replace(b"\n", b"\r\n")


# --- The play -------------------------------------------------------------------------------------


def prepare(installation: Installation, directory: Path) -> LookupServer:
    """Key, zone, configuration files and a running look-up server."""
    heading("A key, made by exim-dkim genkey, and its DNS record")
    key = directory / "key.pem"
    command: list[str | Path] = [installation.command, "genkey", "example.org", SELECTOR, "--output", key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    give(key, exim_user(), 0o600)
    record = re.search(r"^\S+\. \d+ IN TXT \(.*?\)$", done.stdout, re.MULTILINE | re.DOTALL)
    assert record, done.stdout
    quote("genkey", [line if len(line) < 90 else f"{line[:86]}..." for line in record[0].splitlines()])

    files = {
        "zone": zone(record[0]),
        "domains": f"example.org: {SELECTOR}\nexample.net: {SELECTOR}\n",
        "signs-always": "# nobody, in this demonstration\n",
        "signing.conf": SIGNING.replace("DIRECTORY", str(directory)),
    }
    for name, text in files.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o644)

    spools = " : ".join(str(directory / name / "spool") for name in ("second", "third"))
    options = {"dns_zone_file": str(directory / "zone"), "lookup_spool_directories": spools}
    server = LookupServer(installation, directory / "lookup", options)
    server.start()
    say()
    say(f"The look-up server listens on {server.socket} and answers DNS questions from its own zone file.")
    return server


@contextlib.contextmanager
def stage(exim: str | None, directory: Path, installation: Installation, server: LookupServer) -> Iterator[Stage]:
    if exim is None:
        yield Alone(directory, installation, server)
        return
    heading("Mail servers: real Exims, all with examples/exim.conf")
    exims = Exims(exim, directory, installation, server)
    try:
        exims.start()
        yield exims
    finally:
        exims.stop()


def find_exim() -> str | None:
    """The Exim to use; None, with the reason said, when there is none that we can run."""
    exim = shutil.which("exim4", path=SEARCHED) or shutil.which("exim", path=SEARCHED)
    if exim is None:
        say("Exim is not installed (Debian: apt-get install exim4-daemon-heavy; `make demo` as root does it).")
    elif os.getuid() != 0:
        say("Exim is installed, but only root can start mail servers of its own with it.")
    else:
        return exim
    say("So the same is shown without it: the filter and the look-up server, run as Exim would run and ask them.")
    return None


def reason(server: LookupServer, case: Case, text: bytes) -> str:
    """What the query `why` has to say."""
    control = b"" if case.word == "unverified" else b"control = dkim_verify\n"
    request = b"why dkim %s\n%s\n" % (case.domain.encode(), control)
    return server.ask(request + text).decode("utf-8", "replace")


def main(arguments: list[str]) -> int:
    say(paint("1", "exim-dkim: DKIM look-ups and signing for Exim"))
    exim = None if "--without-exim" in arguments else find_exim()
    try:
        return 0 if summary(play_all(exim), len(CASES)) else 1
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        say()
        say(paint("1;31", f"The demonstration could not go on: {error}"))
        return 1
    except KeyboardInterrupt:
        return 130


def play_all(exim: str | None) -> list[tuple[Case, Shown]]:
    shown: list[tuple[Case, Shown]] = []
    with installed() as installation, shared_directory("exim-dkim-demo-") as directory:
        server = prepare(installation, directory)
        try:
            with stage(exim, directory, installation, server) as place:
                for number, case in enumerate(CASES, 1):
                    one = place.play(case)
                    show(case, number, one, reason(server, case, one.message))
                    shown.append((case, one))
        finally:
            server.stop()
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
