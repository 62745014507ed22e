"""milter_server.actions: causes and actions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.outcome import DkimResult
from milter_server.actions import DEFAULT_ACTIONS, Action, Cause, cause_of, parse_actions


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", {}),
        ("badsignature=reject", {Cause.BAD_SIGNATURE: Action.REJECT}),
        ("BadSignature=R,dnserror=t", {Cause.BAD_SIGNATURE: Action.REJECT, Cause.DNS_ERROR: Action.TEMPFAIL}),
        ("default=d nosignature=accept", {**dict.fromkeys(Cause, Action.DISCARD), Cause.NO_SIGNATURE: Action.ACCEPT}),
        (
            "security=quarantine keynotfound=q",
            {Cause.SECURITY: Action.QUARANTINE, Cause.KEY_NOT_FOUND: Action.QUARANTINE},
        ),
    ],
)
def test_actions(text: str, changed: dict[Cause, Action]) -> None:
    assert parse_actions(text) == {**DEFAULT_ACTIONS, **changed}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("badsignature", "is not CAUSE=ACTION"),
        ("weather=reject", "is no cause; there are: default, badsignature"),
        ("badsignature=", "is no action; there are: accept"),
        ("badsignature=rej", "is no action"),
    ],
)
def test_errors(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_actions(text)


def test_nothing_that_a_signature_says_makes_mail_bounce_by_default() -> None:
    assert Action.REJECT not in DEFAULT_ACTIONS.values()
    assert Action.DISCARD not in DEFAULT_ACTIONS.values()


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ([], Cause.NO_SIGNATURE),
        ([("none", False)], Cause.NO_SIGNATURE),
        ([("fail", False), ("pass", False)], None),
        ([("fail", False), ("temperror", False)], Cause.DNS_ERROR),
        ([("permerror", True), ("policy", False)], Cause.BAD_SIGNATURE),
        ([("permerror", True), ("neutral", False)], Cause.KEY_NOT_FOUND),
        ([("neutral", False)], Cause.SIGNATURE_ERROR),
        ([("none", False), ("fail", False)], Cause.BAD_SIGNATURE),
    ],
)
def test_cause(results: list[tuple[str, bool]], cause: Cause | None) -> None:
    assert cause_of((DkimResult(word), no_key) for word, no_key in results) is cause


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abdejnrst=, ", max_size=40))
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    try:
        actions = parse_actions(text)
    except ValueError:
        return
    assert set(actions) == set(Cause)
