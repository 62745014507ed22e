"""Shared body hashes and the choice of header fields."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from exim_dkim.hashing import CHUNK, BodyHasher, FieldChooser, header_text
from exim_dkim.message import HeaderField, parse_field, parse_header

BODY = b"Hello \t world\r\n" * 10000 + b"\r\n\r\n"
RELAXED = b"Hello world\r\n" * 10000
SIMPLE = b"Hello \t world\r\n" * 10000


def test_many_hashes_of_one_body() -> None:
    assert len(BODY) > CHUNK
    hasher = BodyHasher()
    wishes = [
        (("sha256", "relaxed", None), hashlib.sha256(RELAXED)),
        (("sha256", "simple", None), hashlib.sha256(SIMPLE)),
        (("sha1", "relaxed", None), hashlib.sha1(RELAXED)),
        (("sha512", "simple", 7), hashlib.sha512(SIMPLE[:7])),
        (("sha256", "relaxed", 100000), hashlib.sha256(RELAXED[:100000])),
        (("sha256", "relaxed", 0), hashlib.sha256(b"")),
        (("sha256", "relaxed", 10**70), hashlib.sha256(RELAXED)),
    ]
    hashes = [hasher.want(*wish) for wish, _ in wishes]
    hasher.update(BODY)
    hasher.finish()
    assert [body_hash.digest() for body_hash in hashes] == [expected.digest() for _, expected in wishes]
    assert hashes[4].total == len(RELAXED)


def test_the_same_wish_is_the_same_hash() -> None:
    hasher = BodyHasher()
    assert hasher.want("sha256", "simple") is hasher.want("sha256", "simple")
    assert hasher.want("sha256", "simple") is not hasher.want("sha256", "simple", 0)


def test_no_body_at_all() -> None:
    hasher = BodyHasher()
    body_hash = hasher.want("sha256", "simple")
    hasher.finish()
    assert body_hash.digest() == hashlib.sha256(b"\r\n").digest()


HEADER = parse_header(b"To: 1\r\nFrom: a\r\nTo: 2\r\n nameless\r\nTo: 3\r\nno colon\r\n")


@pytest.mark.parametrize(
    ("names", "raws"),
    [
        ([b"to"], [b"To: 3"]),
        ([b"to", b"from", b"to"], [b"To: 3", b"From: a", b"To: 2\r\n nameless"]),
        ([b"to"] * 5, [b"To: 3", b"To: 2\r\n nameless", b"To: 1"]),
        ([b"subject"], []),
        ([b""], []),
        ([], []),
    ],
)
def test_fields_are_chosen_from_the_bottom(names: list[bytes], raws: list[bytes]) -> None:
    assert [field.raw for field in FieldChooser(HEADER).choose(names)] == raws


def test_hostile_names_cost_what_they_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the product of h= and of the fields: with a header of a megabyte that would take minutes."""
    asked: list[bytes] = []
    look_up = FieldChooser.all

    def counted(self: FieldChooser, name: bytes) -> Sequence[HeaderField]:
        asked.append(name)
        return look_up(self, name)

    monkeypatch.setattr(FieldChooser, "all", counted)
    assert len(FieldChooser([parse_field(b"x:")] * 3).choose([b"x"] * 5 + [b"y"] * 2)) == 3
    assert sorted(asked) == [b"x", b"y"]


def test_counts() -> None:
    chooser = FieldChooser(HEADER)
    assert [chooser.count(name) for name in (b"to", b"from", b"subject")] == [3, 1, 0]


def test_header_text() -> None:
    signature = parse_field(b"DKIM-Signature:  v=1;  b=")
    assert header_text(HEADER[1:2], signature, "relaxed") == b"from:a\r\ndkim-signature:v=1; b="
    assert header_text(HEADER[1:2], signature, "simple") == b"From: a\r\nDKIM-Signature:  v=1;  b="
