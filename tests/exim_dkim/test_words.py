"""The five words of 2008."""

from __future__ import annotations

import pytest

from exim_dkim.dkim.signature import parse_signature
from exim_dkim.dkim.verify import Verdict
from exim_dkim.domainkeys.sender import Sender, find_sender
from exim_dkim.domainkeys.signature import parse_signature as parse_domainkeys_signature
from exim_dkim.domainkeys.verify import DomainKeysVerdict
from exim_dkim.errors import ParseError
from exim_dkim.message import parse_field
from exim_dkim.outcome import DkimReason, DkimResult, DomainKeysReason
from exim_dkim.words import Key, Word, dkim_word, domainkeys_word, parse_key

GOOD, BAD, TEMPORARY = DkimReason.GOOD, DkimReason.BODY_HASH_MISMATCH, DkimReason.KEY_TIMEOUT


def verdict(reason: DkimReason, domain: str = "example.org", identity: str = "", testing: bool = False) -> Verdict:
    text = f"DKIM-Signature: v=1; a=rsa-sha256; d={domain}; s=s; h=from; bh=YWJj; b=eHl6"
    if identity:
        text += f"; i={identity}"
    return Verdict(reason, parse_signature(parse_field(text.encode())), testing=testing)


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        ([], Word.UNSIGNED),
        ([GOOD], Word.GOOD),
        ([BAD], Word.BAD),
        ([TEMPORARY], Word.DEFER),
        ([BAD, GOOD, TEMPORARY], Word.GOOD),
        ([GOOD, BAD], Word.GOOD),
        ([BAD, TEMPORARY], Word.DEFER),
        ([TEMPORARY, BAD], Word.DEFER),
        ([DkimReason.INTERNAL_ERROR], Word.DEFER),
    ],
)
def test_several(verdicts: list[DkimReason], word: Word) -> None:
    assert dkim_word(map(verdict, verdicts), parse_key(b"example.org")) is word


@pytest.mark.parametrize("reason", DkimReason)
def test_every_reason_has_a_word(reason: DkimReason) -> None:
    expected = {DkimResult.PASS: Word.GOOD, DkimResult.TEMPERROR: Word.DEFER}.get(reason.result, Word.BAD)
    assert dkim_word([verdict(reason)], None) is expected
    assert reason.text
    assert not reason.text.endswith(".")


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        (b"example.org", True),
        (b"EXAMPLE.org", True),
        (b"mail.example.org", True),
        (b"example.com", False),
        (b"org", False),
        (b"joe@mail.example.org", True),
        (b"joe@MAIL.example.org", True),
        (b"JOE@mail.example.org", False),
        (b"joe@example.org", False),
        (b"@mail.example.org", False),
    ],
)
def test_keys(key: bytes, matches: bool) -> None:
    one = verdict(GOOD, identity="joe@mail.example.org")
    assert dkim_word([one], parse_key(key)) is (Word.GOOD if matches else Word.UNSIGNED)


@pytest.mark.parametrize(("reason", "word"), [(GOOD, Word.GOOD), (BAD, Word.UNSIGNED), (TEMPORARY, Word.UNSIGNED)])
def test_a_key_in_testing_counts_only_when_good(reason: DkimReason, word: Word) -> None:
    assert dkim_word([verdict(reason, testing=True)], None) is word


def test_a_signature_without_a_readable_domain_matches_nobody() -> None:
    broken = Verdict(DkimReason.BAD_TAG_LIST, parse_signature(parse_field(b"DKIM-Signature: junk")))
    assert dkim_word([broken], parse_key(b"example.org")) is Word.UNSIGNED
    assert dkim_word([broken], None) is Word.BAD


def test_parse_key() -> None:
    assert parse_key(b"a@Example.org") == Key(b"a", parse_key(b"example.org").domain)
    for text in (b"", b"a@", b"a b", b"../etc"):
        with pytest.raises(ParseError):
            parse_key(text)


def domainkeys_verdict(
    reason: DomainKeysReason, domain: str = "example.org", sender: str = "joe@mail.example.org", testing: bool = False
) -> DomainKeysVerdict:
    field = parse_field(f"DomainKey-Signature: d={domain}; s=s; b=YWJj".encode())
    found = find_sender([parse_field(f"From: {sender}".encode())])
    assert isinstance(found, Sender)
    return DomainKeysVerdict(reason, parse_domainkeys_signature(field), testing=testing, sender=found)


@pytest.mark.parametrize("reason", DomainKeysReason)
def test_every_reason_of_domainkeys_has_a_word(reason: DomainKeysReason) -> None:
    special = {
        DomainKeysReason.SHA1_NOT_ACCEPTED: Word.UNVERIFIED,
        DomainKeysReason.SHA1_REFUSED: Word.UNVERIFIED,
        DomainKeysReason.UNSIGNED_SIGNS_ALL: Word.BAD,
    }
    usual = {DkimResult.PASS: Word.GOOD, DkimResult.TEMPERROR: Word.DEFER}.get(reason.result, Word.BAD)
    assert domainkeys_word([domainkeys_verdict(reason)], None) is special.get(reason, usual)
    assert reason.text
    assert not reason.text.endswith(".")


@pytest.mark.parametrize(
    ("reasons", "word"),
    [
        ([], Word.UNSIGNED),
        (["SIGNATURE_MISMATCH", "GOOD", "KEY_TIMEOUT"], Word.GOOD),
        (["SIGNATURE_MISMATCH", "KEY_TIMEOUT"], Word.DEFER),
        (["SHA1_REFUSED", "SIGNATURE_MISMATCH"], Word.BAD),
        (["SIGNATURE_MISMATCH", "SHA1_REFUSED"], Word.BAD),
        (["SHA1_REFUSED", "SHA1_REFUSED"], Word.UNVERIFIED),
    ],
)
def test_several_of_domainkeys(reasons: list[str], word: Word) -> None:
    assert domainkeys_word([domainkeys_verdict(DomainKeysReason[name]) for name in reasons], None) is word


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        (b"example.org", True),
        (b"mail.example.org", True),
        (b"joe@mail.example.org", True),
        (b"JOE@mail.example.org", False),
        (b"joe@example.org", False),
        (b"org", False),
    ],
)
def test_keys_of_domainkeys(key: bytes, matches: bool) -> None:
    verdict = domainkeys_verdict(DomainKeysReason.GOOD)
    assert domainkeys_word([verdict], parse_key(key)) is (Word.GOOD if matches else Word.UNSIGNED)


def test_a_signature_of_somebody_else_says_nothing_of_the_sender() -> None:
    verdict = domainkeys_verdict(DomainKeysReason.SENDER_NOT_UNDER_DOMAIN, domain="evil.example")
    assert domainkeys_word([verdict], parse_key(b"mail.example.org")) is Word.UNSIGNED
    assert domainkeys_word([verdict], parse_key(b"evil.example")) is Word.BAD


def test_testing_of_domainkeys() -> None:
    failed = domainkeys_verdict(DomainKeysReason.SIGNATURE_MISMATCH, testing=True)
    assert domainkeys_word([failed], None) is Word.UNSIGNED
    assert domainkeys_word([domainkeys_verdict(DomainKeysReason.GOOD, testing=True)], None) is Word.GOOD
