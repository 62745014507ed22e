"""milter_server.response: what leaves for the MTA leaves as it was meant, or not at all."""

from __future__ import annotations

import pytest

from milter_server.response import (
    ACCEPT,
    CONTINUE,
    SKIP,
    TEMPFAIL,
    Action,
    AddField,
    AddRecipient,
    ChangeField,
    Changes,
    ChangeSender,
    DeleteRecipient,
    InsertField,
    Quarantine,
    ReplaceBody,
    reply,
)

ALL = Action(0x1FF)


def test_final_responses() -> None:
    assert not CONTINUE.final
    assert not SKIP.final
    assert ACCEPT.final
    assert TEMPFAIL.final


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "data"),
    [
        (550, "5.7.1", "no", b"550 5.7.1 no\0"),
        (451, "4.7.0", "100% sure", b"451 4.7.0 100%% sure\0"),
        (550, "5.7.20", ["one", "two"], b"550-5.7.20 one\r\n550 5.7.20 two\0"),
        (550, "5.7.1", "a\r\nRSET\0é", b"550 5.7.1 a??RSET???\0"),
        (550, "5.7.1", [], b"550 5.7.1 \0"),
    ],
)
def test_reply(code: int, enhanced: str, text: str | list[str], data: bytes) -> None:
    assert reply(code, enhanced, text) == (b"y", data)
    assert reply(code, enhanced, text).final


def test_a_long_reply_is_cut() -> None:
    lines = reply(550, "5.7.1", ["x" * 5000] * 100).data.split(b"\r\n")
    assert len(lines) == 32
    assert max(map(len, lines)) <= 981


@pytest.mark.parametrize(
    ("code", "enhanced"), [(250, "2.0.0"), (550, "4.7.1"), (450, "5.1.1"), (550, "5.7"), (600, "6.0.0")]
)
def test_codes_that_are_no_refusal(code: int, enhanced: str) -> None:
    with pytest.raises(ValueError, match="cannot be a reply"):
        reply(code, enhanced, "no")


def test_every_modification() -> None:
    changes = Changes(ALL)
    changes.insert_field(b"X-A: 1\r\n\tand more\r\n")
    changes.insert_field(b"X-B:2", 1)
    changes.add_field(b"X-C : 3\r\n")
    changes.change_field(2, b"Subject: new")
    changes.delete_field(3, b"Received")
    changes.add_recipient(b"<a@b>")
    changes.add_recipient(b"<a@b>", b"NOTIFY=NEVER")
    changes.delete_recipient(b"<c@d>")
    changes.change_sender(b"<>", b"")
    changes.quarantine("looks\nodd")
    changes.replace_body([b"one\r\n", b"two\r\n"])
    assert changes.modifications == [
        InsertField(0, b"X-A", b" 1\n\tand more"),
        InsertField(1, b"X-B", b"2"),
        AddField(b"X-C", b" 3"),
        ChangeField(2, b"Subject", b" new"),
        ChangeField(3, b"Received", b""),
        AddRecipient(b"<a@b>"),
        AddRecipient(b"<a@b>", b"NOTIFY=NEVER"),
        DeleteRecipient(b"<c@d>"),
        ChangeSender(b"<>"),
        Quarantine(b"looks?odd"),
        ReplaceBody(b"one\r\n"),
        ReplaceBody(b"two\r\n"),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"X-A",
        b": value",
        b"X A: value",
        b"X-A:",
        b"X-A: \r\n",
        b"X-A: a\r\nX-B: b",
        b"X-A: a\rb",
        b"X-A: a\0",
        b"\xc3: a",
    ],
)
def test_what_is_not_one_field_is_refused(raw: bytes) -> None:
    changes = Changes(ALL)
    with pytest.raises(ValueError, match="not a header field"):
        changes.insert_field(raw)
    assert changes.modifications == []


def test_what_was_not_declared_is_refused() -> None:
    changes = Changes(Action.ADD_HEADERS)
    changes.add_field(b"X-A: 1")
    with pytest.raises(ValueError, match="CHANGE_HEADERS"):
        changes.delete_field(1, b"X-A")
    with pytest.raises(ValueError, match="with arguments"):
        changes.add_recipient(b"<a@b>", b"x")
    with pytest.raises(ValueError, match="position"):
        changes.insert_field(b"X-A: 1", -1)
    with pytest.raises(ValueError, match="one line"):
        Changes(ALL).add_recipient(b"<a@b>\0")
