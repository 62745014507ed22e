"""The streaming canonicalisers against the naive reference, over whatever chunk boundaries; likewise the header."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from exim_dkim.canonical import BODY_CANONICALIZATIONS, HEADER_CANONICALIZATIONS, WHOLE_BODY_CANONICALIZATIONS
from exim_dkim.hashing import FieldChooser, header_text
from exim_dkim.message import parse_field, parse_header
from tests.support import naive

BREAK = re.compile(rb"\r\n(?![ \t])")
# Almost every character that a canonicalisation looks at, and few others, so that boundaries fall where it hurts.
BODY = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\n", b" ", b"\t", b"x", b"\0", b"\x01", b"\xc3\xa9"]), max_size=40
)
CUTS = st.lists(st.integers(1, 7), min_size=1, max_size=10)
PIECES = [b"\r\n ", b"\r\n\t", b"\r", b"\n", b" ", b"\t", b"x", b":", b";", b"\0", b"\x01", b"\x02", b"\xc3\xa9"]
# CR and LF may meet, but a line break inside a field is always followed by a blank.
VALUE = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join).filter(lambda value: not BREAK.search(value))
NAME = st.sampled_from([b"From", b"SUBJECT", b"x-y", b"To ", b"to\t", b""])
FIELDS = st.lists(st.tuples(NAME, VALUE), max_size=8)


def stream(name: str, body: bytes, cuts: list[int]) -> bytes:
    """`body` through the canonicaliser, cut into pieces of these lengths in turn."""
    out: list[bytes] = []
    canonicalizer = BODY_CANONICALIZATIONS[name](out.append)
    start, turn = 0, 0
    while start < len(body):
        length = cuts[turn % len(cuts)]
        canonicalizer.update(body[start : start + length])
        start, turn = start + length, turn + 1
    canonicalizer.finish()
    return b"".join(out)


@settings(max_examples=600, deadline=None)
@given(BODY, CUTS)
@example([b"\r\n"] * 5, [1])
@example([b"x", b" ", b"\r", b"\r\n"], [3])
@example([b" ", b"\r\n", b" ", b"\r", b"x"], [2])
def test_body(pieces: list[bytes], cuts: list[int]) -> None:
    """Cut anywhere or not at all, both canonicalisations are the reference's."""
    body = b"".join(pieces)
    for name, reference in naive.BODY.items():
        assert stream(name, body, cuts) == reference(body)
        assert stream(name, body, [len(body) + 1]) == reference(body)
        assert WHOLE_BODY_CANONICALIZATIONS[name](body) == reference(body)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 9), st.sampled_from([b" ", b"\t", b"\r\n", b" \r\n", b"\r"]), CUTS)
def test_body_with_much_white_space(text: bytes, where: int, blank: bytes, cuts: list[int]) -> None:
    """Long runs of white space, in the middle or at an end, of which the canonicalisers keep only counts."""
    position = len(text) * where // 9
    body = text[:position] + blank * 20_000 + text[position:]
    for name, reference in naive.BODY.items():
        assert stream(name, body, [977 * cut for cut in cuts]) == reference(body)


@settings(max_examples=600, deadline=None)
@given(NAME, VALUE)
def test_field(name: bytes, value: bytes) -> None:
    """A single field."""
    raw = name + b":" + value
    for canonicalization, reference in naive.HEADER.items():
        assert HEADER_CANONICALIZATIONS[canonicalization]([parse_field(raw)]) == reference(raw)


@settings(max_examples=600, deadline=None)
@given(FIELDS, st.lists(st.sampled_from([b"from", b"subject", b"x-y", b"to", b"none", b""]), max_size=8))
def test_signed_text(fields: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
    """What a signature is made over: the fields chosen, their order, their text."""
    header = b"\r\n".join(name + b":" + value for name, value in fields)
    parsed = parse_header(header)
    signature = b"DKIM-Signature: v=1; b="
    chosen = FieldChooser(parsed).choose(names)
    for canonicalization in naive.HEADER:
        ours = header_text(chosen, parse_field(signature), canonicalization)
        assert ours == naive.signed_text(header + b"\r\n\r\n", signature, names, canonicalization)
