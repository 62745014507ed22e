"""The DKIM-Signature field."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.dkim.signature import Signature, parse_signature
from exim_dkim.message import HeaderField, parse_field
from exim_dkim.outcome import DkimReason

PLAIN = "v=1; a=rsa-sha256; c=relaxed/simple; d=Example.org; s=sel; h=From:To ; bh=YWJj; b=eHl6"


def read(tags: str) -> Signature:
    return parse_signature(parse_field(b"DKIM-Signature: " + tags.encode()))


def test_a_plain_one() -> None:
    signature = read(PLAIN + "; i=joe=2Eb@mail.Example.org; l=12; t=1; x=2; q=dns/txt; z=a:b; unknown=x")
    assert signature.fault is None
    assert signature.key_name == "sel._domainkey.example.org"
    assert signature.identity == "joe.b@mail.example.org"
    assert (signature.key_type, signature.hash_name) == ("rsa", "sha256")
    assert (signature.header_canonicalization, signature.body_canonicalization) == ("relaxed", "simple")
    assert (signature.body_length, signature.timestamp, signature.expiration) == (12, 1, 2)
    assert signature.names == (b"from", b"to")
    assert (signature.body_hash, signature.data) == (b"abc", b"xyz")


def test_nobody_is_named() -> None:
    signature = read("v=1; a=rsa-sha256; s=sel; h=from; bh=YWJj; b=eHl6")
    assert (signature.fault, signature.identity) == (DkimReason.MISSING_TAG, "")


def test_defaults() -> None:
    signature = read("v=1;a=ed25519-sha256;d=example.org;s=sel;h=from;bh=YWJj;b=eHl6")
    assert signature.fault is None
    assert (signature.header_canonicalization, signature.body_canonicalization) == ("simple", "simple")
    assert signature.identity == "@example.org"
    assert (signature.body_length, signature.timestamp, signature.expiration) == (None, None, None)


@pytest.mark.parametrize(
    ("tags", "wants"),
    [
        ("; r=y", True),
        ("; r = y ", True),
        ("; r=y; l=x", True),  # a signature that cannot be used may ask as well
        ("", False),
        ("; r=n", False),
        ("; r=", False),
        ("; r=y:z", False),
    ],
)
def test_who_asks_for_reports(tags: str, wants: bool) -> None:
    assert read(PLAIN + tags).wants_reports is wants


FAULTS = [
    ("v=1; nonsense", DkimReason.BAD_TAG_LIST),
    ("", DkimReason.MISSING_TAG),
    (PLAIN + "; d=example.com", DkimReason.DUPLICATE_TAG),
    (PLAIN.replace("v=1", "v=2"), DkimReason.UNKNOWN_VERSION),
    (PLAIN.replace("v=1", "v=1.0"), DkimReason.UNKNOWN_VERSION),
    (PLAIN.replace("rsa-sha256", "rsa-md5"), DkimReason.UNKNOWN_ALGORITHM),
    (PLAIN.replace("relaxed/simple", "nowsp"), DkimReason.UNKNOWN_CANONICALIZATION),
    (PLAIN.replace("relaxed/simple", "relaxed/simple/x"), DkimReason.UNKNOWN_CANONICALIZATION),
    (PLAIN + "; q=http", DkimReason.UNKNOWN_QUERY_METHOD),
    (PLAIN.replace("d=Example.org", "d=exa mple"), DkimReason.BAD_TAG_VALUE),
    (PLAIN.replace("s=sel", "s=a b"), DkimReason.BAD_TAG_VALUE),
    (PLAIN.replace("s=sel", "s="), DkimReason.BAD_TAG_VALUE),
    (PLAIN + "; i=nobody", DkimReason.BAD_TAG_VALUE),
    (PLAIN + "; l=-1", DkimReason.BAD_TAG_VALUE),
    (PLAIN + "; l=" + "1" * 77, DkimReason.BAD_TAG_VALUE),
    (PLAIN + "; t=now", DkimReason.BAD_TAG_VALUE),
    (PLAIN + "; t=5; x=5", DkimReason.BAD_TAG_VALUE),
    (PLAIN.replace("YWJj", "*"), DkimReason.BAD_TAG_VALUE),
    (PLAIN.replace("eHl6", ""), DkimReason.BAD_TAG_VALUE),
    (PLAIN + "; i=@example.com", DkimReason.IDENTITY_NOT_UNDER_DOMAIN),
    (PLAIN + "; i=@badexample.org", DkimReason.IDENTITY_NOT_UNDER_DOMAIN),
    (PLAIN.replace("From:", ""), DkimReason.FROM_NOT_SIGNED),
    *((PLAIN.replace(f"{tag}=", f"x{tag}="), DkimReason.MISSING_TAG) for tag in ("v", "a", "d", "s", "h", "bh")),
    (PLAIN.replace("; b=", "; xb="), DkimReason.MISSING_TAG),
]


@pytest.mark.parametrize(("tags", "reason"), FAULTS)
def test_faults(tags: str, reason: DkimReason) -> None:
    assert read(tags).fault is reason


def test_a_faulty_signature_still_says_whose_it_is() -> None:
    signature = read(PLAIN.replace("v=1", "v=7") + "; i=@sub.example.org")
    assert (signature.domain, signature.identity_domain, signature.selector) == (
        "example.org",
        "sub.example.org",
        "sel",
    )


@pytest.mark.parametrize(
    ("raw", "without"),
    [
        (b"DKIM-Signature: v=1; b=abc", b"DKIM-Signature: v=1; b="),
        (b"DKIM-Signature: v=1; b = a\r\n\tb c ; bh=x", b"DKIM-Signature: v=1; b =; bh=x"),
        (b"DKIM-Signature:b=abc;bh=b=", b"DKIM-Signature:b=;bh=b="),
        (b"DKIM-Signature: bh=x;\r\n\tb=abc;\r\n\td=b", b"DKIM-Signature: bh=x;\r\n\tb=;\r\n\td=b"),
        (b"DKIM-Signature: xb=1; b=2", b"DKIM-Signature: xb=1; b="),
    ],
)
def test_without_data(raw: bytes, without: bytes) -> None:
    assert Signature(parse_field(raw)).without_data() == HeaderField(b"dkim-signature", without)


def test_internationalised_domain() -> None:
    signature = read(PLAIN.replace("Example.org", "münchen.example"))  # RFC 8616 §4
    assert signature.key_name == "sel._domainkey.xn--mnchen-3ya.example"


@given(st.binary(max_size=150) | st.text("vabdshilxtqc=;:1 @.-/\r\n", max_size=100).map(str.encode))
def test_any_bytes(value: bytes) -> None:
    """Never raises; without a fault everything that verification needs is there."""
    signature = parse_signature(HeaderField(b"dkim-signature", b"DKIM-Signature:" + value))
    if signature.fault is None:
        assert signature.domain
        assert signature.selector
        assert signature.data
        assert b"from" in signature.names


def test_hostile_fields_do_not_stay_in_memory() -> None:
    """Short lists of names are kept between messages, long ones are not."""
    tracemalloc.start()
    for number in range(50):
        assert len(read(PLAIN.replace("h=From:To", f"h=from:x{number}" + ":to" * 20000)).names) == 20002
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 1 << 20
