"""The dkim_* options, as Exim's smtp transport evaluates them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.config.settings import Settings
from exim_dkim.dkim.sign import choose_names
from exim_dkim.dkim.verify import verify
from exim_dkim.errors import EximDkimError, KeyFormatError, SigningError
from exim_dkim.expansion import EmptyEnvironment, Value
from exim_dkim.hashing import BodyHasher
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_header, parse_message
from exim_dkim.policy import VerificationPolicy
from exim_dkim.signing import SigningPlan, is_strict, plan_signatures, signature_fields
from tests.support.mail import MESSAGE, NOW, pem, record
from tests.support.run import run

PARSED = parse_message(MESSAGE)
PLAIN = {"dkim_domain": "example.org", "dkim_selector": "sel", "dkim_private_key": "/keys/sel.pem"}


class Environment(EmptyEnvironment):
    """One with a tainted sender and the header of MESSAGE."""

    def variable(self, name: bytes) -> Value | None:
        """$sender_address_domain only."""
        return Value(b"Evil.example", True) if name == b"sender_address_domain" else None

    def header_fields(self) -> list[bytes]:
        """Those of MESSAGE."""
        return [field.raw.replace(b"\r\n", b"\n") + b"\n" for field in PARSED.fields]


def options(**values: str) -> Settings:
    return Settings().replaced({name: text.encode() for name, text in {**PLAIN, **values}.items()})


def plan(**values: str) -> SigningPlan:
    return plan_signatures(options(**values), Environment(), PARSED.fields, NOW, lambda path: pem())


def pairs(made: SigningPlan) -> list[tuple[str, str]]:
    return [(str(one.request.domain), str(one.request.selector)) for one in made.signatures]


def test_plain() -> None:
    (one,) = plan().signatures
    request = one.request
    assert (request.domain, request.selector, request.hash_name) == ("example.org", "sel", "sha256")
    assert (request.header_canonicalization, request.body_canonicalization) == ("relaxed", "relaxed")
    assert (request.identity, request.timestamp, request.expiration) == (None, None, None)
    assert [name.lower() for name in request.names] == [b"message-id", b"date", b"subject", b"to", b"from", b"from"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dkim_domain": "a.example : B.example : a.example :"}, [("a.example", "sel"), ("b.example", "sel")]),
        ({"dkim_selector": "one : two"}, [("example.org", "one"), ("example.org", "two")]),
        (
            {"dkim_domain": "a.example:b.example", "dkim_selector": "${if eq{$dkim_domain}{a.example}{x:y}{z}}"},
            [("a.example", "x"), ("a.example", "y"), ("b.example", "z")],
        ),
        ({"dkim_domain": "<; a.example ; b.example"}, [("a.example", "sel"), ("b.example", "sel")]),
        ({"dkim_domain": "${lc:${domain:$h_from:}}"}, [("example.org", "sel")]),
        ({"dkim_domain": "$sender_address_domain"}, [("evil.example", "sel")]),
    ],
)
def test_domains_and_selectors(values: dict[str, str], expected: list[tuple[str, str]]) -> None:
    assert pairs(plan(**values)) == expected


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"dkim_domain": "${if eq{a}{b}{example.org}}"}, "dkim_domain is empty"),
        ({"dkim_selector": "${if eq{a}{b}{sel}}"}, "dkim_selector is empty"),
        ({"dkim_private_key": "0"}, "dkim_private_key is empty, 0 or false"),
        ({"dkim_private_key": "false"}, "dkim_private_key is empty, 0 or false"),
        ({"dkim_private_key": "${if eq{a}{b}{x}}"}, "dkim_private_key is empty, 0 or false"),
    ],
)
def test_not_signed_and_no_error(values: dict[str, str], note: str) -> None:
    made = plan(dkim_strict="true", **values)
    assert made.signatures == ()
    assert any(note in line for line in made.notes)


@pytest.mark.parametrize("missing", ["dkim_domain", "dkim_selector", "dkim_private_key"])
def test_an_option_that_is_not_set(missing: str) -> None:
    values = {name: text.encode() for name, text in PLAIN.items() if name != missing}
    made = plan_signatures(Settings().replaced(values), Environment(), PARSED.fields, NOW, lambda path: pem())
    assert made == SigningPlan((), (f"not signed: {missing} is not set",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dkim_domain": "${if eq{a}{b}{x}fail}"}, 'failed to expand dkim_domain: "if" failed and "fail" requested'),
        ({"dkim_domain": "$nonsense"}, "failed to expand dkim_domain: unknown variable"),
        ({"dkim_domain": "${lc:x"}, "failed to expand dkim_domain"),
        ({"dkim_domain": "a b"}, "not a domain name"),
        ({"dkim_domain": "[../../etc/passwd]"}, "not a domain name"),
        ({"dkim_domain": "192.0.2.1"}, "not a host name"),
        ({"dkim_selector": "a/b"}, "not a selector"),
        ({"dkim_hash": "md5"}, "dkim_hash gives md5"),
        ({"dkim_identity": "joe"}, "dkim_identity gives joe"),
        ({"dkim_private_key": "junk"}, "the text of dkim_private_key: this is not a private key"),
        ({"dkim_private_key": "/keys/$sender_address_domain.pem"}, "Tainted filename '/keys/Evil.example.pem'"),
        ({"dkim_domain": ":".join(f"d{number}.example" for number in range(30))}, "at most 20"),
    ],
)
def test_errors(values: dict[str, str], message: str) -> None:
    with pytest.raises(SigningError) as caught:
        plan(**values)
    assert message in str(caught.value)


def test_an_unreadable_key_is_an_error() -> None:
    def read(path: str) -> bytes:
        raise KeyFormatError(f"{path}: Permission denied")

    with pytest.raises(SigningError, match=r"/keys/sel\.pem: Permission denied"):
        plan_signatures(options(), Environment(), PARSED.fields, NOW, read)


def test_key_text_instead_of_a_file() -> None:
    def read(path: str) -> bytes:
        raise AssertionError(path)

    values = options(dkim_private_key=pem().decode())
    assert plan_signatures(values, Environment(), PARSED.fields, NOW, read).signatures


@pytest.mark.parametrize(
    ("canon", "expected", "noted"),
    [
        ("simple", ("simple", "simple"), False),
        ("relaxed/simple", ("relaxed", "simple"), False),
        ("simple/relaxed", ("simple", "relaxed"), False),
        ("Simple", ("relaxed", "relaxed"), True),
        ("nowsp", ("relaxed", "relaxed"), True),
        ("relaxed/", ("relaxed", "relaxed"), True),
    ],
)
def test_canonicalisation(canon: str, expected: tuple[str, str], noted: bool) -> None:
    made = plan(dkim_canon=canon)
    request = made.signatures[0].request
    assert (request.header_canonicalization, request.body_canonicalization) == expected
    assert bool(made.notes) is noted


@pytest.mark.parametrize(
    ("value", "times"),
    [("", (None, None)), ("0", (int(NOW), None)), ("3600", (int(NOW), int(NOW) + 3600)), ("junk", (int(NOW), None))],
)
def test_timestamps(value: str, times: tuple[int | None, int | None]) -> None:
    request = plan(dkim_timestamps=value).signatures[0].request
    assert (request.timestamp, request.expiration) == times


def test_reports_are_requested_where_it_is_said() -> None:
    assert plan(dkim_request_reports="true").signatures[0].request.wants_reports
    assert not plan().signatures[0].request.wants_reports


def test_every_option_knows_domain_and_selector() -> None:
    made = plan(
        dkim_domain="a.example:b.example",
        dkim_identity="$dkim_selector@$dkim_domain",
        dkim_hash="${if eq{$dkim_domain}{b.example}{sha512}{sha256}}",
        dkim_canon="${if eq{$dkim_domain}{b.example}{simple}{relaxed}}",
        dkim_sign_headers="${if eq{$dkim_domain}{b.example}{From}{From:To}}",
        dkim_timestamps="${if eq{$dkim_domain}{b.example}{60}{0}}",
        dkim_private_key="${if eq{$dkim_domain}{b.example}{/b}{/a}}",
    )
    one, two = (signature.request for signature in made.signatures)
    assert one.identity == (b"sel", "a.example")
    assert two.identity == (b"sel", "b.example")
    assert (two.hash_name, two.body_canonicalization, two.names) == ("sha512", "simple", (b"From",))
    assert (one.hash_name, one.body_canonicalization, one.names) == ("sha256", "relaxed", (b"To", b"From"))
    assert (one.expiration, two.expiration) == (None, int(NOW) + 60)


HEADER = parse_header(b"Received: 1\r\nTo: x\r\nFrom: a\r\nX-One: 1\r\nTO: y\r\nSubject: s\r\n")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("From", "From"),
        ("", "From"),
        ("To", "TO:From"),
        ("From:To", "TO:From"),
        ("From:To:To", "TO:From:To"),
        ("From:To:To:To", "TO:From:To:To"),
        ("From:=To", "TO:From:To"),
        ("From:+To", "TO:From:To:To"),
        ("+From:List-Id:=Cc:+Cc", "From:From:List-Id:Cc"),
        ("from:SUBJECT", "Subject:From"),
        ("From : = X-One : +Nothing : = : +", "X-One:From:Nothing"),
        ("From:To:=To", "TO:From:To"),
        ("From:DKIM-Signature:+dkim-signature", "From"),
    ],
)
def test_sign_headers(wanted: str, names: str) -> None:
    got = choose_names([element.strip().encode() for element in wanted.split(":")], HEADER)
    assert b":".join(got).decode() == names


@pytest.mark.parametrize(
    ("value", "strict"),
    [
        ("1", True), ("true", True), ("TRUE", True), ("", False), ("0", False), ("yes", False), ("false", False),
        ("${if eq{a}{a}{1}{0}}", True), ("${if eq{a}{b}{1}{0}}", False), ("$nonsense", True),
    ],
)  # fmt: skip
def test_strict(value: str, strict: bool) -> None:
    assert is_strict(options(dkim_strict=value), Environment()) is strict


def make(**values: str) -> bytes:
    made = plan(**values)
    hasher = BodyHasher()
    hashes = made.body_hashes(hasher)
    hasher.update(PARSED.body)
    hasher.finish()
    return signature_fields(made, PARSED.fields, hashes)


def test_what_is_signed_verifies() -> None:
    signed = make(dkim_domain="a.example:b.example", dkim_selector="one:two", dkim_canon="simple") + MESSAGE
    keys = MemoryResolver(
        {f"{selector}._domainkey.{domain}.example": record() for selector in ("one", "two") for domain in ("a", "b")}
    )
    verdicts = run(verify(parse_message(signed), keys, VerificationPolicy(), NOW))
    assert [verdict.result.value for verdict in verdicts] == ["pass"] * 4
    assert [(v.signature.domain, v.signature.selector) for v in verdicts] == [
        ("a.example", "one"), ("a.example", "two"), ("b.example", "one"), ("b.example", "two"),
    ]  # fmt: skip


def test_a_second_from_breaks_the_default_signature() -> None:
    signed = make() + b"From: mallory@example.net\r\n" + MESSAGE
    keys = MemoryResolver({"sel._domainkey.example.org": record()})
    (verdict,) = run(verify(parse_message(signed), keys, VerificationPolicy(), NOW))
    assert verdict.result.value != "pass"


def test_mailing_lists_may_add_their_fields() -> None:
    signed = b"List-Id: <x.example>\r\nSender: list@x.example\r\nResent-From: z@x.example\r\n" + make() + MESSAGE
    keys = MemoryResolver({"sel._domainkey.example.org": record()})
    (verdict,) = run(verify(parse_message(signed), keys, VerificationPolicy(), NOW))
    assert verdict.result.value == "pass"


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted({*PLAIN, "dkim_canon", "dkim_identity", "dkim_hash"})), st.text(max_size=30))
)
def test_any_options(values: dict[str, str]) -> None:
    """A plan, or the one documented error."""
    try:
        settings_ = Settings().replaced({name: text.encode("utf-8", "replace") for name, text in values.items()})
        made = plan_signatures(settings_, Environment(), PARSED.fields, NOW, lambda path: hashlib.md5(b"").digest())
    except EximDkimError as error:
        assert str(error)  # noqa: PT017
        return
    assert made.signatures or made.notes
