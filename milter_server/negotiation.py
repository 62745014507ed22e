"""What MTA and filter agree on before anything else: versions, actions, steps (SMFIC_OPTNEG).

The filter is told of every step unless it does not want it; what it never answers at once (`Filter.silent`) an MTA of
version 6 need not wait for. An action that the filter has declared and the MTA does not permit is an error: a filter
that cannot remove forged fields, say, is of no use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from milter_server.command import Negotiation, macro_lists
from milter_server.handler import Step
from milter_server.message import Stage
from milter_server.packet import ProtocolError
from milter_server.response import Action

MAX_VERSION: Final = 6
MIN_VERSION: Final = 2

V1_ACTIONS: Final = 0x0F
V1_PROTOCOL: Final = 0x3F
"""What an MTA means that offers nothing (SMFI_V1_ACTS, SMFI_V1_PROT)."""

SKIP_UNDERSTOOD: Final = 0x400
LEADING_SPACE: Final = 0x100000

UNWANTED: Final[Mapping[Step, int]] = {
    Step.CONNECT: 0x01,
    Step.HELO: 0x02,
    Step.RCPT: 0x08,
    Step.BODY: 0x10,
    Step.UNKNOWN: 0x100,
    Step.DATA: 0x200,
}
"""SMFIP_NO…: what the MTA leaves out."""

UNANSWERED: Final[Mapping[Step, int]] = {
    Step.HEADER: 0x80,
    Step.CONNECT: 0x1000,
    Step.HELO: 0x2000,
    Step.MAIL: 0x4000,
    Step.RCPT: 0x8000,
    Step.DATA: 0x10000,
    Step.UNKNOWN: 0x20000,
    Step.END_OF_HEADERS: 0x40000,
    Step.BODY: 0x80000,
}
"""SMFIP_NR_…: what the MTA does not await an answer to."""


class Wishes(Protocol):
    """What a session has to know of a filter (`handler.Filter`)."""

    @property
    def actions(self) -> Action: ...
    @property
    def silent(self) -> Step: ...
    @property
    def unwanted(self) -> Step: ...
    @property
    def macros(self) -> Mapping[Stage, Sequence[str]]: ...


class Agreement(NamedTuple):
    """What holds for the connection. `told` goes to the MTA; `silent`: steps that it awaits no answer to."""

    told: Negotiation
    silent: Step
    leading_space: bool
    skip_understood: bool


def agree(offer: Negotiation, wishes: Wishes) -> Agreement:
    """What comes of an MTA's offer. `ProtocolError` when it is not enough."""
    if offer.version < MIN_VERSION:
        raise ProtocolError(f"the MTA speaks version {offer.version}; want at least {MIN_VERSION}")
    actions, protocol = offer.actions or V1_ACTIONS, offer.protocol or V1_PROTOCOL
    wanted = int(wishes.actions)
    missing = Action(wanted & ~actions & ~int(Action.ADD_RECIPIENTS_WITH_ARGUMENTS))
    if missing:
        raise ProtocolError(f"the MTA does not permit {missing.name}, which the filter needs")
    macros = macro_lists(wishes.macros) if actions & Action.NAME_MACROS else ()
    silent = Step(0)
    steps = LEADING_SPACE
    for step, bit in UNANSWERED.items():
        if step in wishes.silent and protocol & bit:
            steps |= bit
            silent |= step
    for step, bit in UNWANTED.items():
        if step in wishes.unwanted:
            steps |= bit
    if Step.BODY not in silent:
        steps |= SKIP_UNDERSTOOD
    steps &= protocol
    agreed = wanted & actions | (int(Action.NAME_MACROS) if macros else 0)
    told = Negotiation(min(offer.version, MAX_VERSION), agreed, steps, macros)
    return Agreement(told, silent, bool(steps & LEADING_SPACE), bool(steps & SKIP_UNDERSTOOD))
