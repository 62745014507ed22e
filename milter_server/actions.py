"""What becomes of a message, by cause: `-C badsignature=reject,dnserror=tempfail` of dk-filter and dkim-filter.

The default is the advice of the paper of 2005: nothing that a signature says makes mail bounce; it is recorded. Only a
fault of ours, and a header with which somebody tries something, are deferred.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final, assert_never

from exim_dkim.outcome import DkimResult


class Cause(enum.Enum):
    """Why a message may have to be treated in a special way."""

    BAD_SIGNATURE = "badsignature"
    SIGNATURE_ERROR = "signatureerror"
    KEY_NOT_FOUND = "keynotfound"
    NO_SIGNATURE = "nosignature"
    DNS_ERROR = "dnserror"
    SECURITY = "security"
    INTERNAL = "internal"


class Action(enum.Enum):
    """What the MTA is told."""

    ACCEPT = "accept"
    DISCARD = "discard"
    TEMPFAIL = "tempfail"
    REJECT = "reject"
    QUARANTINE = "quarantine"


DEFAULT_ACTIONS: Final[Mapping[Cause, Action]] = {
    **dict.fromkeys(Cause, Action.ACCEPT),
    Cause.SECURITY: Action.TEMPFAIL,
    Cause.INTERNAL: Action.TEMPFAIL,
}


def parse_actions(text: str) -> dict[Cause, Action]:
    """The action for each cause: `CAUSE=ACTION`, with commas or blanks between; `default=` is for all that follow.

    Actions may be shortened to a letter, as in OpenDKIM. Later ones win. `ValueError` with what there is.
    """
    actions = dict(DEFAULT_ACTIONS)
    for item in text.replace(",", " ").split():
        name, equals, word = item.lower().partition("=")
        if not equals:
            raise ValueError(f"{item!r} is not CAUSE=ACTION, as in badsignature=reject")
        action = _action(word)
        for cause in _causes(name):
            actions[cause] = action
    return actions


def _causes(name: str) -> Iterable[Cause]:
    if name == "default":
        return Cause
    try:
        return (Cause(name),)
    except ValueError:
        known = ", ".join(["default", *(cause.value for cause in Cause)])
        raise ValueError(f"{name!r} is no cause; there are: {known}") from None


def _action(word: str) -> Action:
    for action in Action:
        if word and action.value.startswith(word) and len(word) in (1, len(action.value)):
            return action
    known = ", ".join(action.value for action in Action)
    raise ValueError(f"{word!r} is no action; there are: {known}")


def cause_of(results: Iterable[tuple[DkimResult, bool]]) -> Cause | None:
    """The cause that the verdicts on a message's signatures amount to; None when one of them is good.

    `results`: for each signature its result, and whether its key does not exist. Trouble that may pass counts most,
    then what is surely wrong.
    """
    causes = {_cause(result, no_key) for result, no_key in results}
    if None in causes:
        return None
    order = (Cause.DNS_ERROR, Cause.BAD_SIGNATURE, Cause.KEY_NOT_FOUND, Cause.SIGNATURE_ERROR)
    return next((cause for cause in order if cause in causes), Cause.NO_SIGNATURE)


def _cause(result: DkimResult, no_key: bool) -> Cause | None:
    match result:
        case DkimResult.PASS:
            return None
        case DkimResult.NONE:
            return Cause.NO_SIGNATURE
        case DkimResult.TEMPERROR:
            return Cause.DNS_ERROR
        case DkimResult.FAIL | DkimResult.POLICY:
            return Cause.BAD_SIGNATURE
        case DkimResult.NEUTRAL | DkimResult.PERMERROR:
            return Cause.KEY_NOT_FOUND if no_key else Cause.SIGNATURE_ERROR
        case _:
            assert_never(result)
