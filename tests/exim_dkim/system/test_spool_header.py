"""Exim's -H files: what real ones say, and that any bytes are one or give the one error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.expansion import Value
from exim_dkim.system.spool_header import SpoolError, SpoolHeader, parse_spool_header
from tests.support.expansion import VECTORS

REAL = (VECTORS / "message-H").read_bytes()


def build(
    options: bytes = b"",
    tree: bytes = b"XX\n",
    recipients: bytes = b"1\na@b\n",
    header: bytes = b"",
    start: bytes = b"1xUwUc-0005KI-1c-H\nexim 105 110\n<a@b>\n1700000000 0\n",
) -> bytes:
    """A -H file from its parts."""
    return start + options + tree + recipients + b"\n" + header


def parse(*parts: bytes, **named: bytes) -> SpoolHeader:
    return parse_spool_header(build(*parts, **named))


def test_a_real_file() -> None:
    header = parse_spool_header(REAL)
    assert header.message_id == b"1xUwUc-0005KI-1c"
    assert (header.login, header.uid, header.gid) == (b"root", 0, 0)
    assert (header.sender, header.received_time, header.warnings) == (b"Env@From.example", 1795311346, 0)
    assert header.options[b"helo_name"] == Value(b"Client.Example", True)
    assert header.options[b"ident"] == Value(b"root", False)
    assert header.acl == {
        b"acl_c_conn": Value(b"192.0.2.7", True),
        b"acl_m_hdr": Value(b"plain", False),
        b"acl_m9": Value(b"client.example", True),
        b"acl_m_nl": Value(b"a\nb", False),
    }
    assert header.recipients == (b"done@x.example", b"b@x.example", b'"sp ace"@y.example')
    assert [field.type for field in header.fields[:3]] == [b"P", b"F", b"T"]
    assert header.fields[0].text == b"Received: from rdns.example\n\tby here\n"
    assert sum(field.type == b"*" for field in header.fields) == 1


@pytest.mark.parametrize(
    ("start", "login", "uid"),
    [
        (b"1xUwUc-0005KI-1c-H\na b 1 2\n<>\n1 0\n", b"a b", 1),
        (b"1xUwUc-0005KI-1c-H\n -1 -2\n<>\n1 0\n", b"", -1),
        (b"1xUwUc-00000005KIx-1cAB-H\nx 1 2\n<>\n1 0\n", b"x", 1),
    ],
)
def test_the_beginning(start: bytes, login: bytes, uid: int) -> None:
    header = parse(start=start)
    assert (header.login, header.uid, header.sender) == (login, uid, b"")


MARKS = b"-received_time_complete 1.0\n"


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (MARKS + b"-aclm x 4\n-a\nb\n", b"acl_mx", Value(b"-a\nb", False)),
        (MARKS + b"--aclc _y 0\n\n", b"acl_c_y", Value(b"", True)),
        (MARKS + b"--(lsearch)aclc _y 1\nz\n", b"acl_c_y", Value(b"z", True)),
        (b"-aclm x 1\nz\n", b"acl_mx", Value(b"z", True)),
        (b"-acl 9 1\nz\n", b"acl_c9", Value(b"z", True)),
        (b"-acl 19 1\nz\n", b"acl_m9", Value(b"z", True)),
    ],
)
def test_acl_variables_and_their_marks(options: bytes, name: bytes, value: Value) -> None:
    assert parse(options).acl == {name: value}


def test_without_marks_nothing_is_clean() -> None:
    assert parse(b"-host_name x\n").options[b"host_name"].tainted
    assert not parse(MARKS + b"-host_name x\n").options[b"host_name"].tainted
    assert parse(MARKS + b"--host_name x\n").options[b"host_name"].tainted


def test_unknown_options_are_skipped() -> None:
    assert parse(b"-nosuch thing\n-\n-%&\n-deliver_firsttime\n-N\n").options == {
        b"nosuch": Value(b"thing", True),
        b"deliver_firsttime": Value(b"", True),
        b"N": Value(b"", True),
    }


@pytest.mark.parametrize(
    "tree", [b"XX\n", b"NN a@b\n", b"YN a@b\nNN c@d\n", b"YY a\nNY b\nNN c\nNN d e\n", b"YY a\nYN b\nNN c\nNN d\n"]
)
def test_trees_of_non_recipients(tree: bytes) -> None:
    assert parse(tree=tree).recipients == (b"a@b",)


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (b"a@b", b"a@b"),
        (b'"sp ace"@y.example', b'"sp ace"@y.example'),
        (b"a@b 0", b"a@b"),
        (b"a@b 3,4,5", b"a@b"),
        (b"a@b e@f 3,-1#1", b"a@b"),
        (b"a@b 0,-1#1", b"a@b"),
        (b"b@x.example rfc822;b@orig.example 21,24  0,-1#3", b"b@x.example"),
        (b'"a 1,2#3"@b rfc822;x 8,24 e@f 3,-1#3', b'"a 1,2#3"@b'),
        (b"a@b rfc822;x 8,0#2", b"a@b"),
    ],
)
def test_recipients(line: bytes, address: bytes) -> None:
    assert parse(recipients=b"1\n" + line + b"\n").recipients == (address,)


def test_header_fields() -> None:
    text = b"X: " + b"a" * 1500 + b"\n b\n"
    header = parse(header=b"%03d  %s" % (len(text), text) + b"006F From:\n")
    assert [(field.type, field.text) for field in header.fields] == [(b" ", text), (b"F", b"From:\n")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends early"),
        (b"x\n", "not the name of a -H file"),
        (build(start=b"1-H\nexim 105\n<>\n1 0\n"), "login, uid and gid"),
        (build(start=b"1-H\nexim 1 2\na@b\n1 0\n"), "malformed sender"),
        (build(start=b"1-H\nexim 1 2\n<a@b>\n1\n"), "time of reception"),
        (build(b"-aclm x 5\nabc\n"), "malformed"),
        (build(b"-aclm x y\nabc\n"), "malformed ACL variable"),
        (build(b"-aclm x 999999999\nabc\n"), "ends early"),
        (build(b"-acl 100 1\na\n"), "malformed ACL variable"),
        (build(tree=b"XY a\n"), "tree of non-recipients"),
        (build(tree=b"YN a\n"), "tree of non-recipients"),
        (build(recipients=b"x\n"), "number of recipients"),
        (build(recipients=b"999999999\na@b\n"), "number of recipients"),
        (build(recipients=b"3\na@b\n"), "ends early"),
        (build(recipients=b"1\na@b\nc@d\n"), "no empty line before the header"),
        (build(header=b"0x6F From:\n"), "length of a header field"),
        (build(header=b"007F From:\n"), "ends early"),
        (build(header=b"005F From:\n"), "malformed header field"),
        (build(header=b"007F Fr\0om:\n"), "malformed header field"),
    ],
)
def test_what_is_not_a_spool_file(data: bytes, message: str) -> None:
    with pytest.raises(SpoolError, match=message):
        parse_spool_header(data)


PARTS = st.sampled_from([build(), REAL])


def outcome(data: bytes) -> SpoolHeader | None:
    """The header, or None if the one documented error was raised."""
    try:
        return parse_spool_header(data)
    except SpoolError:
        return None


@settings(max_examples=400, deadline=None)
@given(PARTS, st.integers(0, 1300), st.integers(0, 40), st.binary(max_size=12))
def test_any_change_of_a_file_is_a_file_or_the_one_error(data: bytes, place: int, length: int, new: bytes) -> None:
    changed = data[:place] + new + data[place + length :]
    header = outcome(changed)
    if header is not None:
        assert all(field.text.endswith(b"\n") for field in header.fields)


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    assert outcome(data) is None or data.count(b"\n") >= 6


@pytest.mark.parametrize("end", range(0, len(REAL), 7))
def test_a_file_that_was_cut(end: int) -> None:
    """A cut inside the header is an error, or leaves whole fields."""
    header = outcome(REAL[:end])
    if header is not None:
        assert REAL[:end].endswith(b"\n")
