"""Mail::SPF, in a Perl process, as a peer for Sender ID."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tests.support import peers
from tests.support.senderid_cases import HELO, Check, Zone

WORKER = Path(__file__).parents[1] / "peers" / "mail_spf.pl"


class Answer(NamedTuple):
    """What Mail::SPF says. `text`: the explanation of the domain; `why`: its own."""

    result: str
    text: str
    why: str


class MailSpf:
    """The worker."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to: IO[str] = process.stdin
        self._from: IO[str] = process.stdout

    def ask(self, check: Check) -> Answer:
        """Its answer to a check."""
        return self.judge(check.scope, check.address, check.client, HELO, check.zone)

    def judge(self, scope: str, identity: str, client: str, helo: str, zone: Zone) -> Answer:
        """Its answer for any scope (`mfrom`, `helo` or `pra`) and HELO name."""
        asked = {"scope": scope, "identity": identity, "ip": client, "helo": helo, "zone": zone}
        self._to.write(json.dumps(asked) + "\n")
        self._to.flush()
        line = self._from.readline()
        assert line, f"the Mail::SPF worker ended while it judged {identity!r}"
        return Answer(**json.loads(line))


@contextmanager
def opened() -> Iterator[MailSpf]:
    """The worker, which ends with the block. Missing: a failure in CI, else a skip that says how to get it."""
    perl = peers.program("perl", "perl")
    if subprocess.run([perl, "-MMail::SPF", "-e", "1"], capture_output=True, check=False).returncode:
        peers.missing("Mail::SPF is not installed", "apt-get install libmail-spf-perl")
    with subprocess.Popen([perl, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield MailSpf(process)
        finally:
            process.kill()
