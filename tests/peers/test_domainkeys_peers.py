"""DomainKeys both ways against Mail::DKIM: it accepts what we sign, we accept what it signs, and both find the same in
the vectors. Where it differs, `UNLIKE` says so, with the reason; what is not true any more there is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from exim_dkim import crypto
from exim_dkim.canonical import ALL_WHOLE_BODIES, CRLF, DOMAINKEYS_HEADERS, nowsp_body, nowsp_fields
from exim_dkim.domainkeys.fields import choose_fields
from exim_dkim.domainkeys.sign import MessageSigning, SigningRequest
from exim_dkim.domainkeys.verify import verify
from exim_dkim.hashing import BodyHasher, FieldChooser
from exim_dkim.keyrecord import format_domainkeys_record
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_header, parse_message
from exim_dkim.names import Domain, Selector
from exim_dkim.policy import DomainKeysPolicy
from exim_dkim.resolver import Trouble
from exim_dkim.signing import SigningPlan, signature_fields
from tests.exim_dkim.test_signing_domainkeys import DKIM, DOMAINKEYS, signed
from tests.support import dkim_peers, mail, tricky
from tests.support.dkim_peers import DOMAIN, MailDkim
from tests.support.run import run

VECTORS = Path(__file__).parents[1] / "vectors"
KEY = (VECTORS / "keys" / "rsa1024.pem").read_bytes()
RECORD = format_domainkeys_record(crypto.load_private_key(KEY).public_der())
RECORDS = {f"dk._domainkey.{DOMAIN}": RECORD.encode()}
POLICY = DomainKeysPolicy(accept_sha1=True)
SENDERS = (
    b"From: alice@example.org",
    b'FROM: "A, B" <alice@mail.example.org> (comment)',
    b"from:Al (x)\r\n\t<alice@mail.example.org> ",
)


def messages() -> Iterator[tricky.Message]:
    """The messages for DKIM, with a From that says who sends."""
    yield from tricky.table()
    for number, (name, data) in enumerate(tricky.drawn(180, seed=4870)):
        header, empty, body = data.partition(b"\r\n\r\n")
        sender = SENDERS[number % len(SENDERS)]
        fields = [sender if field.name == b"from" else field.raw for field in parse_header(header)]
        yield tricky.Message(name, CRLF.join(fields) + empty + body)


MESSAGES = list(messages())
WAYS = [(c, h) for c in ("simple", "nofws") for h in (False, True)]
NO_FINAL_NEWLINE = {
    (canonicalization, f"body {name}")
    for canonicalization, names in (
        ("simple", ("no-final-newline", "no-final-newline-blank", "only-blanks", "one-blank")),
        ("nofws", ("no-final-newline", "no-final-newline-blank")),
    )
    for name in names
}
"""Mail::DKIM adds no CRLF to a last line without one, which SMTP cannot carry (RFC 4870 §3.4.2.1: each has one)."""

FOLDED_FROM = {
    (canonicalization, message.name)
    for canonicalization in ("simple", "nofws")
    for message in MESSAGES
    if any(field.name == b"from" and CRLF in field.raw for field in parse_message(message.data).fields)
}
"""Mail::DKIM 1.20230212 finds no address in a From field of several lines, and says "bad identity"; it can sign it."""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailDkim]:
    """One process for the whole module."""
    with dkim_peers.opened("Mail::DKIM", tmp_path_factory.mktemp("peer")) as opened:
        assert isinstance(opened, MailDkim)
        yield opened


@pytest.fixture(autouse=True)
def _keys(peer: MailDkim) -> None:
    peer.set_keys(RECORDS)


def field_names(message: bytes) -> tuple[bytes, ...]:
    """Every field of the message, as h= has it."""
    return tuple(field.raw.partition(b":")[0].rstrip(b" \t") for field in parse_message(message).fields)


def signed_by_us(message: bytes, canonicalization: str, with_names: bool) -> bytes:
    parsed = parse_message(message)
    names = field_names(message) if with_names else None
    request = SigningRequest(Domain(DOMAIN), Selector("dk"), names, canonicalization)
    signing = MessageSigning(parsed.fields, request, crypto.load_private_key(KEY))
    plan = SigningPlan((), (), signing)
    hasher = BodyHasher()
    hashes = plan.body_hashes(hasher)
    hasher.update(parsed.body)
    hasher.finish()
    return signature_fields(plan, parsed.fields, hashes) + message


def our_verdicts(message: bytes, records: dict[str, list[bytes]] | None = None) -> list[str]:
    resolver = MemoryResolver(records if records is not None else RECORDS)
    verdicts = run(verify(parse_message(message), resolver, POLICY))
    return ["good" if verdict.result.value == "pass" else verdict.explanation for verdict in verdicts]


def test_there_are_enough_messages() -> None:
    assert len(MESSAGES) >= 200
    assert {name for _, name in NO_FINAL_NEWLINE} <= {message.name for message in MESSAGES}
    assert 0 < len(FOLDED_FROM) / 2 < len(MESSAGES) - 150


def test_it_accepts_ours(peer: MailDkim) -> None:
    refused = set()
    for canonicalization, with_names in WAYS:
        for message in MESSAGES:
            signed = signed_by_us(message.data, canonicalization, with_names)
            assert our_verdicts(signed) == ["good"], message.name
            if peer.verify(signed) != [True]:
                refused.add((canonicalization, message.name))
    assert refused == NO_FINAL_NEWLINE | FOLDED_FROM


def test_we_accept_what_it_signs(peer: MailDkim) -> None:
    refused = set()
    for canonicalization, with_names in WAYS:
        for message in MESSAGES:
            names = b":".join(field_names(message.data)).decode() if with_names else "-"
            field = peer.sign_domainkeys(message.data, KEY, "dk", canonicalization, names)
            if our_verdicts(field + message.data) != ["good"]:
                refused.add((canonicalization, message.name))
    assert refused == NO_FINAL_NEWLINE


def test_both_canonicalize_alike(peer: MailDkim) -> None:
    """Byte for byte, so that a difference shows where it is."""
    different = set()
    for canonicalization, with_names in WAYS:
        for message in MESSAGES:
            parsed = parse_message(message.data)
            names = field_names(message.data)[::2] if with_names else None
            chosen = choose_fields(names and [name.lower() for name in names], parsed.fields)
            text = DOMAINKEYS_HEADERS[canonicalization](chosen) + CRLF
            text += ALL_WHOLE_BODIES[f"domainkeys-{canonicalization}"](parsed.body)
            h = "-" if names is None else b":".join(names).decode()
            if text != peer.canonicalize_domainkeys(message.data, canonicalization, h):
                different.add((canonicalization, message.name))
    assert different == NO_FINAL_NEWLINE


def test_nowsp_of_2005(peer: MailDkim) -> None:
    """Mail::DKIM has kept this canonicalisation, though not the signatures that it was for."""
    for message in MESSAGES:
        parsed = parse_message(message.data)
        made = peer.canonicalize_nowsp(message.data, "from:to:x-one:x-two:comments")
        names = made.rpartition(b";h=")[2].partition(b";")[0].split(b":")
        text = nowsp_fields(FieldChooser(parsed.fields).choose(names)) + CRLF + nowsp_body(parsed.body)
        assert made.startswith(text + b"dkim-signature:"), message.name


CHANGES: dict[str, tuple[bytes, bytes]] = {
    "a byte of the body": (b"all is well", b"all is hell"),
    "text after the body": (b"all is well.\r\n", b"all is well.\r\nBuy now!\r\n"),
    "a byte of a header field": (b"Subject: A", b"Subject: B"),
    "a field gone": (b"Date: Mon, 21 Sep 2026 15:33:19 +0000\r\n", b""),
    "a field added": (b"Date:", b"X-Added: yes\r\nDate:"),
    "a field moved above": (b"DomainKey-Signature", b"To: Bob <bob@example.net>\r\nDomainKey-Signature"),
    "another domain": (b"d=example.org", b"d=example.com"),
    "a selector without a key": (b"s=dk", b"s=dl"),
    "an unknown algorithm": (b"a=rsa-sha1", b"a=rsa-sha9"),
    "an unknown canonicalisation": (b"c=nofws", b"c=relaxed"),
    "an unknown query method": (b"q=dns", b"q=x"),
    "a sender elsewhere": (b"From: Alice <alice@example.org>", b"From: Alice <alice@example.com>"),
    "a byte of the signature": (b" b=", b" b=ZZZZ"),
}
TOLERATED = {"a field moved above": "A copy of a field above the signature does not break it for Mail::DKIM."}


@pytest.mark.parametrize("change", CHANGES)
def test_both_refuse(peer: MailDkim, change: str) -> None:
    """What was changed after it was signed is good for nobody."""
    old, new = CHANGES[change]
    signed = signed_by_us(MESSAGES[0].data, "nofws", False)
    assert signed.count(old) >= 1
    changed = signed.replace(old, new, 1)
    assert our_verdicts(changed) != ["good"]
    assert peer.verify(changed) == [change in TOLERATED]


def test_dkim_and_domainkeys_on_one_message(peer: MailDkim) -> None:
    """What our options make of both, in their order, is good for Mail::DKIM."""
    peer.set_keys({"sel._domainkey.example.org": mail.record().encode()})
    for extra in ({}, {"dkim_sign_headers": "=From:=DomainKey-Signature"}, {"domainkeys_sign_headers": "*"}):
        message = signed({**DKIM, **DOMAINKEYS, **extra})
        assert message.index(b"DKIM-Signature") < message.index(b"DomainKey-Signature")
        assert peer.verify(message) == [True, True]


class Unlike(NamedTuple):
    """Why Mail::DKIM finds something else in these vectors."""

    reason: str
    vectors: tuple[str, ...]


UNLIKE = (
    Unlike(
        "A last line without CRLF; see NO_FINAL_NEWLINE.",
        ("canon-no-final-newline-nofws", "canon-no-final-newline-simple"),
    ),
    Unlike(
        "A CR or LF alone cannot come over SMTP (RFC 5321 §2.3.8). Mail::DKIM drops it before it looks for lines, but "
        "not the second of two LFs, and takes CR, blank, LF for a line end.",
        ("canon-bare-cr-simple", "canon-bare-lf-nofws", "canon-divided-crlf-nofws"),
    ),
    Unlike("It accepts a line in the header that is no field.", ("fields-no-field",)),
    Unlike(
        "It accepts a second From or Subject above the signed one.", ("fields-second-from", "fields-second-subject")
    ),
    Unlike("Two signed From fields: it takes the last. RFC 4870 is silent; readers show either.", ("sender-twice",)),
    Unlike("It guesses where an angle bracket is missing.", ("sender-malformed",)),
    Unlike("It tries one key record only.", ("key-several",)),
    Unlike("Local policy that it does not have.", ("key-small", "rfc4870-example-today", "nine-signatures", "off")),
    Unlike(
        "It looks at the policy of the domain only when asked to, and makes no verdict of it.",
        ("policy-all-unsigned", "policy-testing-unsigned"),
    ),
    Unlike(
        "A tag list with a malformed or repeated tag, or with text that is no base64, is no signature. The first is "
        "not listed at all.",
        ("tag-bad-b", "tag-list", "tag-twice"),
    ),
)


def test_vectors(peer: MailDkim) -> None:
    different = set()
    for path in sorted(VECTORS.glob("domainkeys/*.msg")):
        lines = path.with_suffix(".want").read_text(encoding="utf-8").splitlines()
        records: dict[str, bytes] = {}
        for line in lines:
            kind, _, rest = line.partition(" ")
            name, _, value = rest.partition(" ")
            if kind == "dns" and value not in Trouble.__members__:
                records.setdefault(name, value.encode())
        wanted = [line.split(" ")[1] == "GOOD" for line in lines if line.startswith("verdict ")]
        peer.set_keys(records)
        found = peer.verify(path.read_bytes())
        if found != wanted:
            different.add(path.stem)
    assert different == {vector for row in UNLIKE for vector in row.vectors}
