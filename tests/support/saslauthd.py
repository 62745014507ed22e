"""The part of saslauthd that a Cyrus SASL library asks whether a password is right, for AUTH with Sendmail.

The library sends user, password, service and realm over a Unix socket, each after its length in two bytes, and is
answered in the same way: `OK` or `NO` (saslauthd(8); its socket is `saslauthd_path`).
"""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from tests.support import peers

PLAIN = "/usr/lib/*/sasl2/libplain.so"


class SaslAuthd:
    """Answers while the block lasts; `passwords` by user. `sendmail` is what Sendmail's .mc file needs to ask it."""

    def __init__(self, directory: Path, passwords: Mapping[str, str]) -> None:
        if not [*Path("/").glob(PLAIN[1:])]:
            peers.missing("Cyrus SASL's PLAIN is not installed", "apt-get install libsasl2-modules")
        directory.mkdir(mode=0o755)
        socket = directory / "mux"
        configuration = directory / "Sendmail.conf"
        configuration.write_text(f"pwcheck_method: saslauthd\nsaslauthd_path: {socket}\nmech_list: PLAIN\n")
        configuration.chmod(0o600)
        self.sendmail = (
            "define(`confAUTH_MECHANISMS', `PLAIN')dnl",
            f"LOCAL_CONFIG\nESASL_CONF_PATH={directory}\ndivert(0)dnl",
        )
        self._server = socketserver.ThreadingUnixStreamServer(str(socket), _handler(passwords))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(passwords: Mapping[str, str]) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        timeout = 20

        def handle(self) -> None:
            user, password, *_ = [_counted(cast("BinaryIO", self.rfile)) for _ in range(4)]
            right = passwords.get(user.decode("utf-8", "replace")) == password.decode("utf-8", "replace")
            answer = b"OK" if right else b"NO"
            self.wfile.write(len(answer).to_bytes(2, "big") + answer)

    return Handler


def _counted(stream: BinaryIO) -> bytes:
    return stream.read(int.from_bytes(stream.read(2), "big"))


def auth_plain(user: str, password: str) -> str:
    """The SMTP command (RFC 4954, RFC 4616)."""
    return "AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()
