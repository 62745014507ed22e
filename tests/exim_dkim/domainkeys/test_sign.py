"""Making DomainKeys signatures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim import crypto
from exim_dkim.domainkeys import sign
from exim_dkim.domainkeys.sign import SigningRequest, choose_names
from exim_dkim.errors import KeyFormatError, SigningError
from exim_dkim.hashing import BodyHasher
from exim_dkim.message import parse_header, parse_message
from tests.support import mail
from tests.support.domainkeys import field, judge, request

HEADER = parse_header(mail.HEADER)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([], None),
        ([b"", b" "], None),
        ([b"Subject", b"=To"], (b"From", b"To", b"Subject")),
        ([b"+FROM"], (b"From",)),
        ([b"missing"], (b"From",)),
        ([b"*"], (b"Received", b"From", b"To", b"Subject", b"Date", b"Message-ID")),
    ],
)
def test_choose_names(wanted: list[bytes], names: tuple[bytes, ...] | None) -> None:
    assert choose_names(wanted, HEADER) == names


def test_the_field_that_says_who_sends_is_signed() -> None:
    fields = parse_header(b"From: a@b.example\r\nSender: s@b.example\r\nTo: c@d.example\r\n")
    assert choose_names([b"To"], fields) == (b"Sender", b"To")


def test_the_field_is_folded() -> None:
    long = request(names=(*(b"X-%d" % number for number in range(60)), b"From"))
    text = field(mail.MESSAGE, long)
    assert text.endswith(b"\r\n")
    assert max(map(len, text.split(b"\r\n"))) <= 78
    assert judge(text + mail.MESSAGE)[0].reason.name == "GOOD"


@pytest.mark.parametrize(
    ("header", "wanted", "message"),
    [
        (mail.HEADER, request(canonicalization="relaxed"), "use simple or nofws"),
        (mail.HEADER, request(names=(b"To",)), "From says who sends and must be signed"),
        (mail.HEADER, request(names=(b"From", b"a;b")), "not a header field name"),
        (mail.HEADER, request("example.net"), "at example.org, which is not under example.net"),
        (b"To: a@b.example\r\n", request(), "neither Sender nor From"),
        (b"Sender: a@example.org\r\n", request(), "without From must not be signed"),
        (b"From: a\r\n", request(), "no usable address"),
        (b"junk\r\n" + mail.HEADER, request(), "a line that is no field"),
    ],
)
def test_what_cannot_be_signed(header: bytes, wanted: SigningRequest, message: str) -> None:
    with pytest.raises(SigningError, match=message):
        sign.MessageSigning(parse_header(header), wanted, crypto.load_private_key(mail.pem()))


def test_other_keys() -> None:
    key = crypto.load_private_key(mail.pem("ed25519"))
    with pytest.raises(SigningError, match="an RSA key"):
        sign.MessageSigning(HEADER, request(), key)
    with pytest.raises(KeyFormatError, match="not an RSA key"):
        key.sign_digest(b"x" * 20, "sha1")


def test_one_body_for_dkim_and_domainkeys() -> None:
    parsed = parse_message(mail.MESSAGE)
    hasher = BodyHasher()
    dkim = hasher.want("sha256", "simple")
    signing = sign.MessageSigning(parsed.fields, request(), crypto.load_private_key(mail.pem()))
    signing.begin(hasher)
    hasher.update(parsed.body)
    hasher.finish()
    assert signing.field() == field()
    assert dkim.digest()


PIECES = st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"\xff"])
VALUES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b";", b"\0", b"\xff"])).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([b"To", b"X-A", b"x-a", b"Received", b"Subject"]), VALUES), max_size=6),
    st.lists(PIECES).map(b"".join),
    st.sampled_from(["simple", "nofws"]),
    st.sampled_from([None, (b"*",), (b"x-a", b"to")]),
)
def test_what_is_signed_verifies(
    more: list[tuple[bytes, bytes]], body: bytes, canonicalization: str, wanted: tuple[bytes, ...] | None
) -> None:
    header = b"From: alice@example.org\r\n" + b"".join(name + b":" + value + b"\r\n" for name, value in more)
    message = header + b"\r\n" + body
    names = None if wanted is None else choose_names(wanted, parse_header(header))
    text = field(message, request(names=names, canonicalization=canonicalization)) + message
    assert [verdict.reason.name for verdict in judge(text)] == ["GOOD"]
    assert [verdict.reason.name for verdict in judge(text + b"x\r\n")] == ["SIGNATURE_MISMATCH"]
