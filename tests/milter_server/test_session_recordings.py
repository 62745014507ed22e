"""milter_server.session against what real MTAs and other filters have said (tests/vectors/milter), byte for byte.

Each packet of the MTA goes into a session whose filter answers what the recorded one has answered. What the session
sends then is what the recorded filter has sent, the options it agrees to included.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from milter_server.command import ANSWERED, Negotiation, format_command, format_negotiation, parse_command
from milter_server.handler import Step
from milter_server.negotiation import LEADING_SPACE, SKIP_UNDERSTOOD, UNANSWERED, UNWANTED
from milter_server.reply import PROGRESS, Progress, format_modification, format_response, parse_reply
from milter_server.response import CONTINUE, Action, Modification, Response
from milter_server.session import Session
from tests.support.milter_proxy import Recorded, parse

RECORDINGS = sorted((Path(__file__).parents[1] / "vectors" / "milter").glob("*.trace"))


class RecordedWishes:
    """Wants what a recorded filter has agreed to."""

    def __init__(self, agreed: Negotiation) -> None:
        self.actions = Action(agreed.actions & ~Action.NAME_MACROS)
        self.silent = self._steps({step: bit for step, bit in UNANSWERED.items() if agreed.protocol & bit})
        self.unwanted = self._steps({step: bit for step, bit in UNWANTED.items() if agreed.protocol & bit})
        self.macros = {stage: names.decode().split() for stage, names in agreed.macros}

    @staticmethod
    def _steps(chosen: dict[Step, int]) -> Step:
        steps = Step(0)
        for step in chosen:
            steps |= step
        return steps


def runs(connection: list[Recorded]) -> list[tuple[bytes, list[bytes]]]:
    """Each packet of the MTA, and the filter's packets up to the next one."""
    found: list[tuple[bytes, list[bytes]]] = []
    for from_mta, packet in connection:
        if from_mta:
            found.append((packet, []))
        else:
            found[-1][1].append(packet)
    return found


def answers(packets: list[bytes]) -> tuple[list[Modification], Response]:
    """What a filter has to say so that these packets are sent."""
    modifications: list[Modification] = []
    for packet in packets:
        reply = parse_reply(packet[:1], packet[1:])
        if isinstance(reply, Response):
            return modifications, reply
        assert not isinstance(reply, Negotiation)
        if not isinstance(reply, Progress):
            modifications.append(reply)
    return modifications, CONTINUE


def offered(offer: Negotiation, agreed: Negotiation) -> Negotiation:
    """The MTA's offer without what the recorded filter could have had, and a session would take."""
    spare = (LEADING_SPACE | SKIP_UNDERSTOOD) & ~agreed.protocol
    return offer._replace(version=min(offer.version, agreed.version), protocol=offer.protocol & ~spare)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_replay(path: Path) -> None:
    told = Counter[str]()
    for connection in parse(path.read_text()):
        told += replay(connection)
    assert told


def replay(connection: list[Recorded]) -> Counter[str]:
    """What was told in a connection, by letter."""
    (options, answer), *rest = runs(connection)
    offer, agreed = parse_command(b"O", options[1:]), parse_reply(b"O", answer[0][1:])
    assert isinstance(offer, Negotiation)
    assert isinstance(agreed, Negotiation)
    session = Session(RecordedWishes(agreed))
    session.receive(format_command(offered(offer, agreed)))
    assert session.next_event() is None
    if agreed.protocol & UNANSWERED[Step.BODY]:  # then nobody can be told to skip
        agreed = agreed._replace(protocol=agreed.protocol & ~SKIP_UNDERSTOOD)
    actions = agreed.actions if agreed.macros else agreed.actions & ~Action.NAME_MACROS
    assert session.take() == format_negotiation(agreed._replace(actions=actions))
    told = Counter("O")
    for packet, replies in rest:
        modifications, response = answers(replies)
        if packet[:1] == b"L" and response.final:
            break  # no filter of ours is asked about single fields
        session.receive(wire(packet))
        while (event := session.next_event()) is not None:
            if type(event) in ANSWERED:
                session.answer(response, modifications)
        assert session.take() == b"".join(wire(reply) for reply in replies if reply != b"p"), packet
        told[chr(packet[0])] += 1
    return told


def wire(packet: bytes) -> bytes:
    return len(packet).to_bytes(4, "big") + packet


def test_every_packet_can_be_read_and_written_again() -> None:
    """The codec by itself, both directions, over all that was ever recorded."""
    packets = [packet for path in RECORDINGS for connection in parse(path.read_text()) for packet in connection]
    for from_mta, packet in packets:
        written = command(packet) if from_mta else reply(packet)
        # Sendmail's mark of an IPv6 address is no part of it.
        assert written == wire(packet.replace(b"IPv6:", b"") if packet[:1] == b"C" else packet)
    assert {packet[:1] for from_mta, packet in packets if from_mta} == letters(b"ABCDEHLMNOQRTU")
    assert {packet[:1] for from_mta, packet in packets if not from_mta} >= letters(b"Oacdrstyhimqe+-bp")


def letters(text: bytes) -> set[bytes]:
    return {text[place : place + 1] for place in range(len(text))}


def command(packet: bytes) -> bytes:
    return format_command(parse_command(packet[:1], packet[1:]))


def reply(packet: bytes) -> bytes:
    value = parse_reply(packet[:1], packet[1:])
    if isinstance(value, Negotiation):
        return format_negotiation(value)
    if isinstance(value, Response):
        return format_response(value)
    return PROGRESS if isinstance(value, Progress) else format_modification(value, leading_space=True)
