"""A milter that says what it is told to, byte for byte, and keeps the whole conversation: to learn what an MTA does.

It shares no code with `milter_server`. Packets are the command's letter and its data, without the length before them.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.milter_proxy import Recorded
from tests.support.mta import Milter

CONTINUE = (b"c",)
UNANSWERED = frozenset(b"DAQK")
"""Commands that get no answer: macros, abort, and both quits."""
NO_REPLY = {
    ord("C"): 0x1000,
    ord("H"): 0x2000,
    ord("M"): 0x4000,
    ord("R"): 0x8000,
    ord("T"): 0x10000,
    ord("U"): 0x20000,
    ord("N"): 0x40000,
    ord("B"): 0x80000,
    ord("L"): 0x80,
}
"""The SMFIP_NR_* flags, by the command that they are about."""


class Negotiation(NamedTuple):
    """What the filter answers to the MTA's offer; of actions and steps, those that the MTA offers are taken."""

    version: int = 6
    actions: int = 0x1FF
    steps: int = 0
    more: bytes = b""
    """What follows the three numbers: lists of macros."""

    def answer(self, offer: bytes) -> bytes:
        offered = [int.from_bytes(offer[start : start + 4], "big") for start in (1, 5, 9)]
        numbers = min(self.version, offered[0]), self.actions & offered[1], self.steps & offered[2]
        return b"O" + b"".join(number.to_bytes(4, "big") for number in numbers) + self.more


DEFAULT = Negotiation()


class ScriptedFilter:
    """Listens on 127.0.0.1. `replies` are packets by command letter; a command without is answered by continue."""

    def __init__(
        self, replies: Mapping[bytes, Sequence[bytes]] | None = None, negotiation: Negotiation = DEFAULT
    ) -> None:
        self.replies = dict(replies or {})
        self.negotiation = negotiation
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.milter = Milter("scripted", f"inet:{self.port}@127.0.0.1")
        self._recorded: list[list[Recorded]] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        self._serving: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def take(self, seconds: float = 10.0) -> list[list[Recorded]]:
        """The conversations since the last call, when all have ended."""
        for thread in self._serving:
            thread.join(seconds)
        taken, self._recorded, self._serving = self._recorded, [], []
        return taken

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            recorded: list[Recorded] = []
            self._recorded.append(recorded)
            thread = threading.Thread(target=self._serve, args=(connection, recorded), daemon=True)
            self._serving.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, recorded: list[Recorded]) -> None:
        connection.settimeout(60)
        steps = 0
        with connection, connection.makefile("rwb") as stream:
            while len(length := stream.read(4)) == 4:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # Sendmail writes in pieces
                packet = stream.read(int.from_bytes(length, "big"))
                recorded.append(Recorded(True, packet))
                letter = packet[:1]
                answers: Sequence[bytes] = self.replies.get(letter, CONTINUE)
                if letter == b"O":
                    answers = (self.negotiation.answer(packet),)
                    steps = int.from_bytes(answers[0][9:13], "big")
                elif packet[0] in UNANSWERED or steps & NO_REPLY.get(packet[0], 0):
                    continue
                for answer in answers:
                    recorded.append(Recorded(False, answer))
                    stream.write(recorded[-1].wire)
                stream.flush()
                if letter == b"Q":
                    return
