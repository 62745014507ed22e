"""Canonicalisation: the RFC's examples, the edges, and any cutting into chunks (a naive twin: tests/peers)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.canonical import (
    ALL_BODIES,
    ALL_WHOLE_BODIES,
    BODY_CANONICALIZATIONS,
    nofws_fields,
    nowsp_fields,
    relaxed_field,
    simple_field,
)
from exim_dkim.message import parse_field

BODIES = [
    # body, simple, relaxed
    (b"", b"\r\n", b""),
    (b"\r\n", b"\r\n", b""),
    (b"\r\n\r\n", b"\r\n", b""),
    (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),  # RFC 6376 §3.4.5
    (b"x", b"x\r\n", b"x\r\n"),
    (b"x\r\n", b"x\r\n", b"x\r\n"),
    (b"x\r\n\r\ny", b"x\r\n\r\ny\r\n", b"x\r\n\r\ny\r\n"),
    (b" \t ", b" \t \r\n", b""),
    (b" \t\r\n", b" \t\r\n", b""),
    (b"x \t", b"x \t\r\n", b"x\r\n"),
    (b"x\r\n \t\r\n\r\n", b"x\r\n \t\r\n", b"x\r\n"),
    (b"\r\n\r\nx\r\n", b"\r\n\r\nx\r\n", b"\r\n\r\nx\r\n"),
    (b"a\t\tb  c\r\n", b"a\t\tb  c\r\n", b"a b c\r\n"),
    (b"a\nb\r\n", b"a\nb\r\n", b"a\nb\r\n"),
    (b"a\rb\r\n", b"a\rb\r\n", b"a\rb\r\n"),
    (b"a\r\n\n", b"a\r\n\n\r\n", b"a\r\n\n\r\n"),
    (b"a\n\r\n", b"a\n\r\n", b"a\n\r\n"),
    (b"a\r\r\n", b"a\r\r\n", b"a\r\r\n"),
    (b"a \r", b"a \r\r\n", b"a \r\r\n"),
    (b"a\r", b"a\r\r\n", b"a\r\r\n"),
    (b"\r", b"\r\r\n", b"\r\r\n"),
    (b"a \n", b"a \n\r\n", b"a \n\r\n"),
    (b"a\r\n\r\n \n \r\n\r\n", b"a\r\n\r\n \n \r\n", b"a\r\n\r\n \n\r\n"),
    (b"a\x0b\x0c b\0\r\n", b"a\x0b\x0c b\0\r\n", b"a\x0b\x0c b\0\r\n"),
    (b"\xff\xa0 \r\n", b"\xff\xa0 \r\n", b"\xff\xa0\r\n"),
]


def canonicalize(name: str, chunks: list[bytes]) -> bytes:
    got: list[bytes] = []
    canonicalizer = BODY_CANONICALIZATIONS[name](got.append)
    for chunk in chunks:
        canonicalizer.update(chunk)
    canonicalizer.finish()
    return b"".join(got)


@pytest.mark.parametrize(("body", "simple", "relaxed"), BODIES)
def test_body(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonicalize("simple", [body]) == simple
    assert canonicalize("relaxed", [body]) == relaxed


@pytest.mark.parametrize(("body", "simple", "relaxed"), BODIES)
def test_body_byte_by_byte(body: bytes, simple: bytes, relaxed: bytes) -> None:
    chunks = [body[index : index + 1] for index in range(len(body))]
    assert canonicalize("simple", chunks) == simple
    assert canonicalize("relaxed", chunks) == relaxed


@given(st.lists(st.text("a \t\r\n", max_size=12).map(str.encode), max_size=8), st.sampled_from(["simple", "relaxed"]))
def test_cuts_do_not_matter(chunks: list[bytes], name: str) -> None:
    whole = canonicalize(name, [b"".join(chunks)])
    assert canonicalize(name, chunks) == whole
    assert canonicalize(name, [whole]) == whole  # canonical text is its own canonical form


@pytest.mark.parametrize("filling", [b" ", b"\t", b"\r\n", b" \r\n", b"\r", b"\n", b"\r\n\n", b" \t\r"])
@pytest.mark.parametrize("name", ["simple", "relaxed"])
def test_hostile_white_space_takes_linear_time_and_no_memory(filling: bytes, name: str) -> None:
    sizes: list[int] = []
    canonicalizer = BODY_CANONICALIZATIONS[name](lambda text: sizes.append(len(text)))
    chunk = filling * (65536 // len(filling))
    for _ in range(64):
        canonicalizer.update(chunk)
    canonicalizer.update(b"x")
    canonicalizer.finish()
    assert max(sizes) <= 4 * 65536
    assert sum(sizes) <= 64 * 65536 + 64


FIELDS = [
    # RFC 6376 §3.4.5, and edges
    (b"A: X", b"a:X"),
    (b"B : Y\t\r\n\tZ  ", b"b:Y Z"),
    (b"Subject:", b"subject:"),
    (b"Subject: \t ", b"subject:"),
    (b"SUBJect:AbC  d\t e", b"subject:AbC d e"),
    (b"X: a:  b", b"x:a: b"),
    (b"X: a\r\n  b\r\n\tc", b"x:a b c"),
    (b"X: \x0bv\x0cf\x0b", b"x:\x0bv\x0cf\x0b"),
    (b"X: lone\nlf \r cr", b"x:lone\nlf \r cr"),
    (b"X: \xc3\xa4\xff ", b"x:\xc3\xa4\xff"),
    (b"X: nul\0 ", b"x:nul\0"),
]


@pytest.mark.parametrize(("raw", "relaxed"), FIELDS)
def test_field(raw: bytes, relaxed: bytes) -> None:
    assert relaxed_field(parse_field(raw)) == relaxed
    assert simple_field(parse_field(raw)) == raw


DOMAINKEYS = [
    # body, DomainKeys simple, nofws, nowsp
    (b"", b"", b"", b""),
    (b"\r\n\r\n", b"", b"", b""),
    (b" \r\n", b"\r\n \r\n", b"", b""),
    (b"a", b"\r\na\r\n", b"\r\na\r\n", b"a"),
    (b"a \tb\r\n", b"\r\na \tb\r\n", b"\r\nab\r\n", b"ab"),
    (b"a\r\n \r\nb\r\n\r\n\t\r\n", b"\r\na\r\n \r\nb\r\n\r\n\t\r\n", b"\r\na\r\n\r\nb\r\n", b"ab"),
    (b"a\rb\nc\r\r\n\n\r\n", b"\r\na\rb\nc\r\r\n\n\r\n", b"\r\nabc\r\n", b"abc"),
    (b"a\r \nb\r\n", b"\r\na\r \nb\r\n", b"\r\nab\r\n", b"ab"),
    (b"a\r", b"\r\na\r\r\n", b"\r\na\r\n", b"a"),
    (b"\0\1\2\x7f \r\n", b"\r\n\0\1\2\x7f \r\n", b"\r\n\0\1\2\x7f\r\n", b"\0\1\2\x7f"),
]


@pytest.mark.parametrize(("body", "simple", "nofws", "nowsp"), DOMAINKEYS)
def test_bodies_of_domainkeys_and_of_2005(body: bytes, simple: bytes, nofws: bytes, nowsp: bytes) -> None:
    for name, wanted in (("domainkeys-simple", simple), ("domainkeys-nofws", nofws), ("nowsp", nowsp)):
        assert ALL_WHOLE_BODIES[name](body) == wanted, name
        for chunks in ([body], [body[index : index + 1] for index in range(len(body))]):
            got: list[bytes] = []
            canonicalizer = ALL_BODIES[name](got.append)
            for chunk in chunks:
                canonicalizer.update(chunk)
            canonicalizer.finish()
            assert b"".join(got) == wanted, name


@pytest.mark.parametrize("value", [b"x", b" a  b\r\n\tc ", b"\0 \0"])
def test_fields_of_domainkeys_and_of_2005(value: bytes) -> None:
    fields = [parse_field(b"Sub Ject :" + value), parse_field(b"To:" + value)]
    text = value.translate(None, b" \t\r\n")
    assert nofws_fields(fields) == b"SubJect:" + text + b"\r\nTo:" + text
    assert nowsp_fields([fields[1]]) == b"to:" + text
