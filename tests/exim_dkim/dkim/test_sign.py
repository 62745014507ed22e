"""Making signatures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim import crypto
from exim_dkim.dkim.sign import sign
from exim_dkim.dkim.signature import parse_signature
from exim_dkim.errors import SigningError
from exim_dkim.message import parse_field, parse_message
from exim_dkim.names import Domain
from tests.support.mail import MESSAGE, pem, request

# An Ed25519 signature has no randomness: the field is the same for ever (key of RFC 8463 §A.2).
SEED = (
    b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    b"-----END PRIVATE KEY-----\n"
)
FIELDS = parse_message(MESSAGE).fields
HASH = bytes(range(32))
GOLDEN = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; q=dns/txt; c=relaxed/relaxed;
\td=football.example.com; s=brisbane; i=joe=3Bx@football.example.com;
\tt=1528637909; x=1528638000; h=From:To:Subject:Date:Message-ID;
\tbh=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=;
"""


def test_golden() -> None:
    wanted = request(
        domain="football.example.com",
        selector="brisbane",
        identity=(b"joe;x", Domain.parse(b"football.example.com")),
        timestamp=1528637909,
        expiration=1528638000,
    )
    field = sign(FIELDS, HASH, wanted, crypto.load_private_key(SEED))
    head, _, data = field.partition(b" b=")
    assert head == GOLDEN.replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    assert field == sign(FIELDS, HASH, wanted, crypto.load_private_key(SEED))
    assert data.endswith(b"==\r\n")


def test_a_request_for_reports() -> None:
    field = sign(FIELDS, HASH, request(wants_reports=True), crypto.load_private_key(SEED))
    assert b" r=y;" in field
    assert parse_signature(parse_field(field)).wants_reports
    assert b"r=y" not in sign(FIELDS, HASH, request(), crypto.load_private_key(SEED))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": (b"To",)}, "From must be signed"),
        ({"names": (b"From", b"X;Y")}, "not a header field name that can be signed: 'X;Y'"),
        ({"names": (b"From", b"To Subject")}, "'To Subject'"),
        ({"names": (b"From", b"Gr\xfc\xdfe")}, "not a header field name"),
        ({"names": (b"From", b"X\r\nY")}, "not a header field name"),
        ({"names": (b"From", b"")}, "not a header field name"),
        ({"names": (b"From", b"x" * 901)}, "not a header field name"),
        ({"identity": (b"", Domain.parse(b"example.net"))}, "not under the signing domain"),
        ({"identity": (b"x" * 243, Domain.parse(b"example.org"))}, "longer than an address can be"),
    ],
)
def test_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SigningError, match=message):
        sign(FIELDS, HASH, request(**changes), crypto.load_private_key(pem()))  # type: ignore[arg-type]


def test_a_message_without_from() -> None:
    with pytest.raises(SigningError, match="no From field"):
        sign((parse_field(b"To: x"),), HASH, request(), crypto.load_private_key(pem()))


def test_the_longest_of_everything() -> None:
    """RFC 5322 §2.1.1: a line has at most 998 characters."""
    domain = Domain.parse(b".".join([b"d" * 50] * 4))
    wanted = request(
        domain=domain,
        selector=".".join(["s" * 49] * 4),
        names=(b"From", b"x" * 900),
        identity=(b"\xff" * (253 - len(domain)), domain),
    )
    field = sign(FIELDS, HASH, wanted, crypto.load_private_key(SEED))
    assert max(map(len, field.split(b"\r\n"))) <= 998


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text("abcdefghijklmnop-", min_size=1, max_size=60), max_size=40),
    st.text("abc", min_size=1, max_size=60),
    st.binary(max_size=30),
)
def test_fields_are_folded_and_can_be_read(names: list[str], label: str, local: bytes) -> None:
    domain = Domain.parse(f"{label}.example".encode())
    wanted = request(
        domain=domain, names=(b"From", *(name.encode() for name in names)), identity=(local.replace(b"@", b""), domain)
    )
    field = sign(FIELDS, HASH, wanted, crypto.load_private_key(SEED))
    lines = field.split(b"\r\n")
    assert lines.pop() == b""
    assert all(line.startswith(b"\t") for line in lines[1:])
    assert all(len(line) <= 78 or line.count(b" ") + line.count(b":") <= 2 for line in lines)
    signature = parse_signature(parse_field(field[:-2]))
    assert signature.fault is None
    assert signature.names == tuple(name.lower() for name in wanted.names)
    assert wanted.identity is not None
    assert signature.identity_local == wanted.identity[0]
    assert field[: field.rfind(b"b=") + 2] == signature.without_data().raw


@pytest.mark.parametrize("hash_name", ["sha1", "sha512"])
def test_ed25519_has_one_hash(hash_name: str) -> None:
    """RFC 8463 §3: no verifier knows another algorithm, ours included."""
    with pytest.raises(SigningError, match=f"an ed25519 key signs with sha256, not {hash_name}"):
        sign(FIELDS, HASH, request(hash_name=hash_name), crypto.load_private_key(SEED))
