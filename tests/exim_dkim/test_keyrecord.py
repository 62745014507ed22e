"""Key records."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.errors import ParseError
from exim_dkim.keyrecord import KeyRecord, format_domainkeys_record, format_key_record, parse_key_record

DATA = b"some key"
P = b"p=" + base64.b64encode(DATA)


def record(**changes: object) -> KeyRecord:
    plain = KeyRecord("rsa", DATA, None, ("*",), (), b"", True)
    return plain._replace(**changes)  # type: ignore[arg-type]  # the names are those of the tuple


GOOD = [
    (b"v=DKIM1; " + P, record()),
    (P, record()),
    (b"v=DKIM1;k=ed25519;" + P + b";", record(type="ed25519")),
    (b"v=DKIM1; K=x; k=RSA; " + P, record()),
    (b"v=DKIM1; h=sha1 : SHA256; " + P, record(hashes=("sha1", "sha256"))),
    (b"v=DKIM1; s=email:other; t=y:s; " + P, record(services=("email", "other"), flags=("y", "s"))),
    (b"v=DKIM1; n=note; x=unknown; " + P, record(notes=b"note")),
    (b"v=DKIM1; p=", record(data=b"")),
    (b"v=DKIM1; p=c29t\r\n ZSBr ZXk=", record()),
    (b"v=DKIM2; " + P, record(version_known=False)),
    (P + b"; v=DKIM2", record(version_known=False)),
    (b"v=; " + P, record(version_known=False)),
    (b"k=rsa; " + P + b"; v=DKIM1", record()),
    (b"g=; k=rsa; t=y; " + P, record(flags=("y",))),
]
BAD = [b"", b"v=spf1 -all", b"v=DKIM1", b"v=DKIM1; p", b"p=a", b"p=a*b=", b"p=YQ", P + b";" + P, b"p=\0", b"x" * 20000]


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_good(text: bytes, expected: KeyRecord) -> None:
    assert parse_key_record(text) == expected


@pytest.mark.parametrize("text", BAD)
def test_bad(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_key_record(text)


def test_what_it_says() -> None:
    assert record(data=b"").revoked
    assert not record().revoked
    assert record(flags=("s", "y")).testing
    assert record(flags=("s", "y")).strict_identity
    assert not record().testing
    assert record(services=("email",)).for_mail
    assert record().for_mail
    assert not record(services=("web",)).for_mail


@given(st.sampled_from(["rsa", "ed25519"]), st.binary(min_size=1, max_size=50), st.booleans())
def test_what_is_written_is_read(key_type: str, data: bytes, testing: bool) -> None:
    text = format_key_record(key_type, data, testing=testing, notes="made today")
    read = parse_key_record(text.encode())
    assert (read.type, read.data, read.testing, read.notes) == (key_type, data, testing, b"made today")


@given(st.binary(max_size=100) | st.text("vpkst=;: DKIM1\r\n", max_size=60).map(str.encode))
def test_any_bytes(text: bytes) -> None:
    """Returns a record, or raises ParseError."""
    try:
        assert parse_key_record(text).type is not None
    except ParseError as error:
        assert error.message  # noqa: PT017


@pytest.mark.parametrize(
    ("granularity", "local", "permitted"),
    [
        (b"", b"alice", True),
        (b"*", b"", True),
        (b"alice", b"alice", True),
        (b"alice", b"Alice", False),
        (b"alice", b"alice2", False),
        (b"alice", b"", False),
        (b"al*", b"alice", True),
        (b"*ice", b"alice", True),
        (b"al*ice", b"alice", True),
        (b"alic*ice", b"alice", False),
        (b"bob", b"alice", False),
        (b"bob*", b"", False),
    ],
)
def test_granularity(granularity: bytes, local: bytes, permitted: bool) -> None:
    assert parse_key_record(b"g=" + granularity + b"; p=YWJj").permits(local) is permitted
    assert parse_key_record(b"p=YWJj").permits(local)


@pytest.mark.parametrize("testing", [False, True])
def test_a_record_for_domainkeys_is_one_for_dkim(testing: bool) -> None:
    record = parse_key_record(format_domainkeys_record(b"key", testing=testing).encode())
    assert (record.type, record.data, record.testing, record.version_known) == ("rsa", b"key", testing, True)
    assert record.permits(b"anybody")
