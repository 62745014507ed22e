"""The text with which mail is refused (RFC 7372), and what keeps it from being refused."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, assert_never

from exim_dkim.authentication import Authentication, Method, method_results
from exim_dkim.config.settings import Settings
from exim_dkim.printable import one_line
from milter_server.actions import Action, Cause
from milter_server.message import Transaction
from milter_server.response import CONTINUE, DISCARD, TEMPFAIL, Response, reply

MAX_TEXT: Final = 400
"""Characters of a refusal: with its codes it fits a line of RFC 5321 §4.5.3.1.5."""


class Refusal(NamedTuple):
    """An SMTP reply. `enhanced`: its enhanced status code; what class it has is for the consequence to say."""

    code: int
    enhanced: str
    text: str


_TEXTS: Final = {
    Cause.BAD_SIGNATURE: ("5.7.20", "no signature of this message is good"),
    Cause.SIGNATURE_ERROR: ("5.7.20", "no signature of this message can be understood"),
    Cause.KEY_NOT_FOUND: ("5.7.20", "the signing domain has no such key"),
    Cause.NO_SIGNATURE: ("5.7.20", "the message is not signed"),
    Cause.DNS_ERROR: ("5.7.5", "the signature could not be verified: the DNS failed"),
    Cause.SECURITY: ("5.6.0", "the header is not acceptable"),
    Cause.INTERNAL: ("5.3.0", "temporary failure"),
}
"""Enhanced status codes of RFC 7372 §3, where it has one."""


def consequence_of(settings: Settings, wanted: Action) -> Action:
    """The action that is taken where policy wants `wanted`: none in a test; quarantine instead of refusal if so set."""
    if settings.boolean("milter_test_mode"):
        return Action.ACCEPT
    if wanted is Action.REJECT and settings.boolean("milter_quarantine"):
        return Action.QUARANTINE
    return wanted


def refusal_text(settings: Settings, cause: Cause | None, found: Authentication, transaction: Transaction) -> Refusal:
    """The reply for a cause; None: for what SPF and Sender ID say. The configuration may have its own text."""
    if cause is not None:
        enhanced, text = _TEXTS[cause]
        method, detail, why = "signature", text, text
    else:
        method, detail, why = _sender_refusal(found)
        enhanced, text = "5.7.23", f"{method}: {detail}"
    own = settings.string("milter_reject_text")
    if own:
        values = {
            "a": transaction.sender.decode("utf-8", "replace"),
            "e": why,
            "i": transaction.connection.address.decode("ascii", "replace"),
            "t": method,
            "%": "%",
        }
        text = re.sub(r"%([aeit%])", lambda match: values[match[1]], own)
    return Refusal(550, enhanced, one_line(text, MAX_TEXT))


def _sender_refusal(found: Authentication) -> tuple[str, str, str]:
    """Method, result and explanation of the first of SPF and Sender ID that does not pass."""
    for method, name in ((Method.SPF, "SPF"), (Method.SENDERID, "Sender ID"), (Method.SENDERID_MFROM, "Sender ID")):
        for result in method_results(found, method):
            if result.result not in ("pass", "none"):
                why = result.reason or "; ".join(result.comments)
                return name, f"{result.result}{f' ({why})' if why else ''}", why or result.result
    return "SPF and Sender ID", "no domain vouches for this client", "none"


def response_to(consequence: Action, refusal: Refusal) -> Response:
    """What the MTA is told; what is held goes on, and is held by a change."""
    match consequence:
        case Action.ACCEPT | Action.QUARANTINE:
            return CONTINUE
        case Action.DISCARD:
            return DISCARD
        case Action.TEMPFAIL:
            return reply(451, "4" + refusal.enhanced[1:], refusal.text) if refusal.text else TEMPFAIL
        case Action.REJECT:
            return reply(550, "5" + refusal.enhanced[1:], refusal.text)
    assert_never(consequence)
