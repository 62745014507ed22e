"""milter_server.negotiation: what comes of what an MTA offers and what a filter wants."""

from __future__ import annotations

import pytest

from milter_server.command import Negotiation
from milter_server.handler import ALL_STEPS, Filter, Step
from milter_server.message import Stage
from milter_server.negotiation import agree
from milter_server.packet import ProtocolError
from milter_server.response import Action

NO_REPLIES = 0xFF080
"""All of SMFIP_NR_."""


class Wanting(Filter):
    actions = Action.ADD_HEADERS | Action.CHANGE_HEADERS


def wanting(**wishes: object) -> Filter:
    filter = Wanting()
    for name, value in wishes.items():
        setattr(filter, name, value)
    return filter


def test_today() -> None:
    agreement = agree(Negotiation(6, 0x1FF, 0x1FFFFF), wanting())
    assert agreement.told == Negotiation(6, 0x11, NO_REPLIES | 0x100000 | 0x300)
    assert agreement.silent == ALL_STEPS
    assert agreement.leading_space
    assert not agreement.skip_understood


def test_version_2_has_next_to_nothing() -> None:
    agreement = agree(Negotiation(2, 0x3F, 0x7F), wanting())
    assert agreement.told == Negotiation(2, 0x11, 0)
    assert agreement.silent == Step(0)
    assert not agreement.leading_space
    assert not agreement.skip_understood


def test_a_later_version_is_spoken_to_in_ours() -> None:
    assert agree(Negotiation(7, 0x1FF, 0xFFFFFFFF), wanting()).told == Negotiation(6, 0x11, NO_REPLIES | 0x100300)


def test_nothing_offered_means_version_1() -> None:
    agreement = agree(Negotiation(2, 0, 0), wanting(actions=Action.ADD_HEADERS, unwanted=Step.BODY | Step.HELO))
    assert agreement.told == Negotiation(2, 0x01, 0x12)
    with pytest.raises(ProtocolError, match="CHANGE_HEADERS"):
        agree(Negotiation(2, 0, 0), wanting())


@pytest.mark.parametrize(
    ("unwanted", "bit"),
    [
        (Step.CONNECT, 0x1),
        (Step.HELO, 0x2),
        (Step.RCPT, 0x8),
        (Step.BODY, 0x10),
        (Step.UNKNOWN, 0x100),
        (Step.DATA, 0x200),
    ],
)
def test_what_is_left_out(unwanted: Step, bit: int) -> None:
    agreement = agree(Negotiation(6, 0x1FF, 0x1FFFFF), wanting(unwanted=unwanted, silent=Step(0)))
    assert agreement.told.protocol == bit | 0x100400


@pytest.mark.parametrize(
    ("silent", "bit"),
    [
        (Step.CONNECT, 0x1000), (Step.HELO, 0x2000), (Step.MAIL, 0x4000), (Step.RCPT, 0x8000), (Step.DATA, 0x10000),
        (Step.UNKNOWN, 0x20000), (Step.HEADER, 0x80), (Step.END_OF_HEADERS, 0x40000),
    ],
)  # fmt: skip
def test_what_is_not_answered(silent: Step, bit: int) -> None:
    agreement = agree(Negotiation(6, 0x1FF, 0x1FFFFF), wanting(unwanted=Step(0), silent=silent))
    assert agreement.told.protocol == bit | 0x100400
    assert agreement.silent == silent


def test_who_is_not_told_of_chunks_cannot_skip_them() -> None:
    agreement = agree(Negotiation(6, 0x1FF, 0x1FFFFF), wanting(unwanted=Step(0), silent=Step.BODY))
    assert agreement.told.protocol == 0x80000 | 0x100000
    assert not agreement.skip_understood


def test_macros() -> None:
    macros = {Stage.MAIL: ("i", "{auth_authen}")}
    wishes = wanting(macros=macros)
    assert agree(Negotiation(6, 0x1FF, 0), wishes).told[1::2] == (0x111, ((Stage.MAIL, b"i {auth_authen}"),))
    assert agree(Negotiation(6, 0x0FF, 0), wishes).told[1::2] == (0x011, ())


@pytest.mark.parametrize(("version", "actions"), [(0, 0x1FF), (1, 0x1FF), (6, 0x01), (6, 0x1EF)])
def test_what_is_not_enough(version: int, actions: int) -> None:
    with pytest.raises(ProtocolError, match=r"version [01]; want at least 2|CHANGE_HEADERS, which the filter needs"):
        agree(Negotiation(version, actions, 0x1FFFFF), wanting())


def test_recipients_with_arguments_may_be_missing() -> None:
    wishes = wanting(actions=Action.ADD_RECIPIENTS | Action.ADD_RECIPIENTS_WITH_ARGUMENTS)
    assert agree(Negotiation(6, 0x3F, 0), wishes).told.actions == 0x04
