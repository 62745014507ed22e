"""Authentication-Results fields that a message came with."""

from __future__ import annotations

import pytest

from lookup_server.claims import MAX_FIELDS, Claims, sort_fields, tell_foreign, tell_forged

OURS = b"Authentication-Results: mx.example; dkim=pass\n"
FOLDED = b"AUTHENTICATION-RESULTS: other.example;\n\tdkim=pass\n"
LATIN = b"Authentication-Results: \xe4.example; none\n"


@pytest.mark.parametrize(
    ("header", "forged", "foreign"),
    [
        (b"", 0, ()),
        (b"From: a@b\n", 0, ()),
        (OURS + b"From: a@b\n" + FOLDED + OURS + LATIN, 2, (FOLDED[:-1], LATIN[:-1])),
        ((OURS + FOLDED).replace(b"\n", b"\r\n"), 1, (FOLDED[:-1],)),
    ],
)
def test_sorted(header: bytes, forged: int, foreign: tuple[bytes, ...]) -> None:
    assert sort_fields(header, "mx.example") == Claims(forged, foreign)


def test_more_than_anybody_would_have() -> None:
    assert sort_fields(OURS * MAX_FIELDS, "mx.example").forged == MAX_FIELDS
    assert sort_fields(OURS * (MAX_FIELDS + 1), "mx.example") == Claims()


def test_told() -> None:
    claims = Claims(2, (b"A: 1", b"B:\n\t2", b"C: 3"))
    assert tell_forged(claims) == b"2"
    assert tell_forged(Claims()) == b"unknown"
    assert tell_foreign(claims, 100) == b"A: 1\nB:\n\t2\nC: 3"
    assert tell_foreign(claims, 12) == b"A: 1\nB:\n\t2"
    assert tell_foreign(Claims(), 100) == b"none"
