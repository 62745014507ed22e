"""Scripts for miltertest (of opendkim-tools; its own MTA side of the protocol) against filters of ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from milter_server.handler import MessageHandler
from milter_server.message import Header, Transaction
from milter_server.response import ACCEPT, CONTINUE, DISCARD, REJECT, TEMPFAIL, Action, Changes, Response, reply
from tests.support import peers
from tests.support.milter_world import MadeOf, Serving

SCRIPTS = Path(__file__).with_name("miltertest")
ANSWERS = {
    b"accept": ACCEPT,
    b"reject": REJECT,
    b"tempfail": TEMPFAIL,
    b"discard": DISCARD,
    b"reply": reply(550, "5.7.1", "not today"),
}

pytestmark = pytest.mark.peer("miltertest")


class Obedient(MessageHandler):
    """Does what the local part of the sender says."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self.size = 0

    def body(self, chunk: bytes) -> Response:
        self.size += len(chunk)
        return CONTINUE

    def end_of_headers(self, header: Header) -> Response:
        self.fields = len(header.fields)
        return CONTINUE

    def end_of_message(self, changes: Changes) -> Response:
        word = self.transaction.sender.partition(b"@")[0]
        if word == b"modify":
            self.modify(changes)
        return ANSWERS.get(word, CONTINUE)

    def modify(self, changes: Changes) -> None:
        sender, queue_id = self.transaction.sender.decode(), self.transaction.queue_id.decode()
        changes.delete_field(2, b"Subject")
        changes.change_field(1, b"Subject: four")
        changes.insert_field(b"X-Inserted: 1\r\n\tfolded\r\n")
        changes.add_field(f"X-Added: seen fields={self.fields} body={self.size} id={queue_id} sender={sender}".encode())
        changes.add_recipient(b"<carol@example.net>")
        changes.delete_recipient(b"<bob@example.net>")
        changes.quarantine("looks odd")
        changes.replace_body([b"new body\r\n"])


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.lua")), ids=lambda script: script.stem)
def test_script(script: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = peers.program("miltertest", "opendkim-tools")
    filter = MadeOf(Obedient)
    filter.actions = Action(0x3F)
    path = tmp_path / "socket"
    with Serving(filter, path=path):
        run = subprocess.run(
            [program, "-s", str(script), "-D", f"socket=unix:{path}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert caplog.text == ""
    assert filter.handlers


def test_there_are_scripts() -> None:
    assert len(list(SCRIPTS.glob("*.lua"))) >= 2
