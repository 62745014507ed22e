"""Mailboxes in header fields (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from email.errors import HeaderParseError, ObsoleteHeaderDefect
from email.headerregistry import Address, HeaderRegistry
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.errors import ParseError
from exim_dkim.mailboxes import MAX_LOCAL, MAX_MAILBOXES, MAX_STEPS, Group, Mailbox, parse_address_list

HEADER = HeaderRegistry()
ALICE = Mailbox(b"alice", b"example.org")
BOB = Mailbox(b"bob", b"example.net")

READ = [
    ("", ()),
    (" \r\n\t ", ()),
    ("(nobody)", ()),
    ("alice@example.org", (ALICE,)),
    ("<alice@example.org>", (ALICE,)),
    ("Alice <alice@example.org>", (ALICE,)),
    (" Alice\r\n Liddell <alice@example.org>", (ALICE,)),
    ('"Alice, of course" <alice@example.org> (in Wonderland)', (ALICE,)),
    ("alice@example.org, bob@example.net", (ALICE, BOB)),
    ("alice (a \\) (nested (comment))) @ (here) example.org (there)", (ALICE,)),
    # RFC 5322 A.1.2, A.1.3
    ('"Joe Q. Public" <john.q.public@example.com>', (Mailbox(b"john.q.public", b"example.com"),)),
    (
        'Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>',
        (Mailbox(b"mary", b"x.test"), Mailbox(b"jdoe", b"example.org"), Mailbox(b"one", b"y.test")),
    ),
    (
        '<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
        (Mailbox(b"boss", b"nil.test"), Mailbox(b"sysservices", b"example.net")),
    ),
    (
        "A Group:Ed Jones <joe@where.test>,joe@where.test,John <jdoe@one.test>;",
        (Group((Mailbox(b"joe", b"where.test"), Mailbox(b"joe", b"where.test"), Mailbox(b"jdoe", b"one.test"))),),
    ),
    ("Undisclosed recipients:;", (Group(()),)),
    ("g: , alice@example.org, ; , bob@example.net", (Group((ALICE,)), BOB)),
    # RFC 5322 A.5
    (
        "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
        (Mailbox(b"pete", b"silly.test"),),
    ),
    (
        "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
        "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
        (Group((Mailbox(b"c", b"public.example"), Mailbox(b"joe", b"example.org"), Mailbox(b"jdoe", b"one.test"))),),
    ),
    ("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", (Group(()),)),
    # RFC 5322 A.6: the obsolete forms
    ("Joe Q. Public <john.q.public@example.com>", (Mailbox(b"john.q.public", b"example.com"),)),
    ("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", (
        Mailbox(b"mary", b"example.net"), Mailbox(b"jdoe", b"test.example"))),
    ("<@a.test,,@b.test:alice@example.org>", (ALICE,)),
    ("<,@a.test:alice@example.org>", (ALICE,)),
    (",,alice@example.org,", (ALICE,)),
    ("john . q . public @ example . com", (Mailbox(b"john.q.public", b"example.com"),)),
    # Quoting that is not needed disappears, quoting that is needed stays.
    ('"alice"@example.org', (ALICE,)),
    ('"a\\lice"@example.org', (ALICE,)),
    ('"a b"@example.org', (Mailbox(b'"a b"', b"example.org"),)),
    ('"a@b"@example.org', (Mailbox(b'"a@b"', b"example.org"),)),
    ('""@example.org', (Mailbox(b'""', b"example.org"),)),
    ('"a\\"b\\\\c"@example.org', (Mailbox(b'"a\\"b\\\\c"', b"example.org"),)),
    ('a."b c".d@example.org', (Mailbox(b'"a.b c.d"', b"example.org"),)),
    ('"a..b"@example.org', (Mailbox(b'"a..b"', b"example.org"),)),
    ("alice@[192.0.2.1]", (Mailbox(b"alice", b"[192.0.2.1]"),)),
    ("Élise <élise@exämple.org>", (Mailbox("élise".encode(), "exämple.org".encode()),)),
]  # fmt: skip


@pytest.mark.parametrize(("value", "addresses"), READ)
def test_what_is_read(value: str, addresses: tuple[Mailbox | Group, ...]) -> None:
    assert parse_address_list(value.encode()) == addresses


@pytest.mark.parametrize(
    "value",
    [
        b"alice", b"<alice>", b"Alice <>", b"<>", b"@example.org", b"alice@", b"alice@example..org",
        b"alice@example.org.",
        b"alice@.example.org", b"a..b@example.org", b".a@example.org", b"a.@example.org", b"a b@example.org",
        b'"a" b@example.org', b'"a""b"@example.org', b'"alice@example.org', b"alice@example.org (",
        b"alice@example.org )",
        b"Alice alice@example.org", b"alice@example.org Alice", b"alice@example.org <alice@example.org>",
        b"<alice@example.org", b"alice@example.org>", b"<alice@example.org> bob", b"a@b@example.org",
        b"alice@example.org bob@example.net", b"alice@example.org; bob@example.net", b".Alice <alice@example.org>",
        b"group: alice@example.org", b"group: a: alice@example.org;;", b": alice@example.org;", b"[192.0.2.1]",
        b"alice@[192.0.2.1", b"alice@example.org\0", b"\"a\\\0b\"@example.org", b"alice\r@example.org",
        b"a\nb@example.org",
        b"alice@example.org\r\n", b'"a\tb"@example.org', b"al\x01ice@example.org", b'"al\x7fice"@example.org',
        b"\xe9lise@example.org", b"alice@exa mple.org", b"alice@\"example.org\"", b"a\\b@example.org",
        b"<@a.test alice@example.org>", b"a" * (MAX_LOCAL + 1) + b"@example.org",
        b"a@b," * (MAX_MAILBOXES + 1), b"g:" + b"a@b," * (MAX_MAILBOXES + 1) + b";",
        b"(" * MAX_STEPS + b")" * MAX_STEPS + b"a@b", b"()" * MAX_STEPS + b"a@b", b"," * MAX_STEPS + b"a@b",
        b"a" + b" a" * MAX_STEPS + b" <a@b>", b"a@b" + b".b" * MAX_STEPS,
    ],
)  # fmt: skip
def test_what_is_malformed(value: bytes) -> None:
    with pytest.raises(ParseError):
        parse_address_list(value)


def test_display_names_and_comments_in_any_encoding() -> None:
    assert parse_address_list(b"\xc9lise (\xe9\x01) <alice@example.org>") == (ALICE,)
    assert parse_address_list(b'"\xc9lise\x01" <alice@example.org>') == (ALICE,)


def test_deep_comments_take_no_recursion() -> None:
    depth = MAX_STEPS // 2 - 10
    assert parse_address_list(b"(" * depth + b")" * depth + b"alice@example.org") == (ALICE,)
    with pytest.raises(ParseError):
        parse_address_list(b"(" * depth + b")" * (depth - 1) + b"alice@example.org")


def test_what_a_mailbox_says_is_read_again_as_itself() -> None:
    for value, addresses in READ:
        for address in addresses:
            if isinstance(address, Mailbox):
                assert parse_address_list(address.address) == (address,), value


ATOMS = st.text(st.characters(codec="utf-8", min_codepoint=33, exclude_characters='()<>[]:;@\\,."\x7f'), min_size=1)


@given(st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="\x7f"), max_size=20))
def test_any_quoted_local_part(local: str) -> None:
    quoted = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    [mailbox] = parse_address_list(quoted.encode() + b"@example.org")
    assert isinstance(mailbox, Mailbox)
    assert mailbox.local.decode() in (quoted, local)


@given(st.lists(ATOMS, min_size=1, max_size=3), st.lists(ATOMS, min_size=1, max_size=3))
def test_any_dot_atoms(local: list[str], domain: list[str]) -> None:
    mailbox = Mailbox(".".join(local).encode(), ".".join(domain).encode())
    spaced = " . ".join(local) + "@" + "(.) . ".join(domain)
    assert parse_address_list(mailbox.address) == (mailbox,) == parse_address_list(spaced.encode())


PIECES = st.sampled_from([
    b"alice", b"@", b"example.org", b"<", b">", b",", b";", b":", b".", b'"', b"\\", b"(", b")", b"[", b"]", b" ",
    b"\t",
    b"\r\n ", b"\r", b"\0", b"\xe9", "é".encode(), b'"a b"', b"x",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=60))
def test_anything_is_read_or_refused(value: bytes) -> None:
    with suppress(ParseError):
        for address in parse_address_list(value):
            for mailbox in (address,) if isinstance(address, Mailbox) else address.mailboxes:
                assert mailbox.domain
                assert parse_address_list(mailbox.address) == (mailbox,)


def standard_library(value: str) -> tuple[Mailbox | Group, ...] | None:
    """What Python's own parser (email.headerregistry) makes of it; None when it finds a fault."""
    with suppress(IndexError, HeaderParseError, AttributeError, TypeError, ValueError):  # some faults make it stumble
        header: Any = HEADER("From", value)
        if all(isinstance(defect, ObsoleteHeaderDefect) for defect in header.defects):
            groups = [(group.display_name, tuple(map(of_library, group.addresses))) for group in header.groups]
            return tuple(Group(members) if name is not None else members[0] for name, members in groups)
    return None


def of_library(address: Address) -> Mailbox:
    return Mailbox(address.username.encode(), address.domain.encode())


def unquoted(mailbox: Mailbox) -> Mailbox:
    if not mailbox.local.startswith(b'"'):
        return mailbox
    return mailbox._replace(local=re.sub(rb"\\(.)", rb"\1", mailbox.local[1:-1]))


WORDS = [
    *(["a@example.org", "<b@example.net>", "Joe <c.d@example.org>", ", "] * 4),
    *(
        "a",
        "b.c",
        "@",
        "@example.org",
        "<",
        ">",
        ",",
        ";",
        ":",
        ".",
        '"x y"',
        '"q\\"r"@e.example',
        "(c)",
        "(c (d))",
        " ",
    ),
    *("[192.0.2.1]", "friends: ", "friends:;", "<@x.example:a@b.example>", "a . b @ c . example", '"a"@b.example'),
]


def test_the_standard_library_reads_the_same() -> None:
    draw = random.Random(5322)
    read = 0
    for _ in range(6000):
        value = "".join(draw.choice(WORDS) for _ in range(draw.randint(1, 6)))
        theirs = standard_library(value)
        try:
            ours = parse_address_list(value.encode())
        except ParseError:
            assert theirs is None, value
            continue
        if theirs is None:
            continue
        read += 1
        plain = tuple(
            unquoted(one) if isinstance(one, Mailbox) else Group(tuple(map(unquoted, one.mailboxes))) for one in ours
        )
        assert plain == theirs, value
    assert read > 1000
