"""The words of Exim's experimental DKIM of 2008: what `${lookup dkim{KEY}}` answered (`doc/experimental-spec.txt`).

The original let the last matching signature decide and could never match an identity. Here, as its text promised: good
if any signature for the key is good, else defer if DNS had temporary trouble, else bad; unsigned if there is none.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, assert_never

from exim_dkim.errors import ParseError
from exim_dkim.names import Domain, split_address
from exim_dkim.outcome import DkimResult, DomainKeysReason

if TYPE_CHECKING:
    from exim_dkim.dkim.signature import Signature
    from exim_dkim.dkim.verify import Verdict
    from exim_dkim.domainkeys.verify import DomainKeysVerdict


class Word(enum.Enum):
    """What an ACL tests for."""

    UNVERIFIED = "unverified"
    UNSIGNED = "unsigned"
    GOOD = "good"
    BAD = "bad"
    DEFER = "defer"


class Key(NamedTuple):
    """What a look-up asks about: a domain, or an identity with its local part."""

    local: bytes | None
    domain: Domain

    def matches(self, signature: Signature) -> bool:
        """A domain matches d= or the domain of i=; an identity matches i= (local part as written)."""
        if self.local is None:
            return self.domain in (signature.domain, signature.identity_domain)
        return self.domain == signature.identity_domain and self.local == signature.identity_local

    def matches_domainkeys(self, verdict: DomainKeysVerdict) -> bool:
        """A domain matches d= or that of the sending address; an identity matches the sending address.

        A signature of somebody else says nothing about the sender's domain.
        """
        signer, sender = verdict.signature.domain, verdict.sender
        if sender is not None and signer is not None and not sender.domain.is_under(signer):
            sender = None
        if self.local is None:
            return self.domain == signer or (sender is not None and self.domain == sender.domain)
        return sender is not None and (self.local, self.domain) == (sender.local, sender.domain)


def parse_key(text: bytes) -> Key:
    """A key from `example.org` or `user@example.org`; `ParseError` when it is neither."""
    if b"@" in text:
        return Key(*split_address(text))
    return Key(None, Domain.parse(text))


def dkim_word(verdicts: Iterable[Verdict], key: Key | None) -> Word:
    """The word for the signatures that match `key`; for all of them when it is None.

    A signature that fails and whose key says t=y counts as none (RFC 6376 §3.6.1: verifiers must not treat messages in
    testing mode differently from unsigned ones).
    """
    word = Word.UNSIGNED
    for verdict in verdicts:
        if key is not None and not key.matches(verdict.signature):
            continue
        if verdict.testing and verdict.result is not DkimResult.PASS:
            continue
        word = _better(word, _word(verdict.result))
    return word


def domainkeys_word(verdicts: Iterable[DomainKeysVerdict], key: Key | None) -> Word:
    """The word for the DomainKeys signatures that match `key`; for all of them when it is None.

    A failing signature counts as none when the key or the domain's policy says t=y (RFC 4870 §3.2.3, §3.6). That there
    is none is `bad` when the domain says that it signs all mail (§3.7.7). Signatures that were not looked at, since
    SHA-1 is not wanted here, are `unverified`.
    """
    word = Word.UNSIGNED
    for verdict in verdicts:
        if key is not None and not key.matches_domainkeys(verdict):
            continue
        if verdict.testing and verdict.result is not DkimResult.PASS:
            continue
        if verdict.reason in (DomainKeysReason.SHA1_NOT_ACCEPTED, DomainKeysReason.SHA1_REFUSED):
            word = Word.UNVERIFIED if word is Word.UNSIGNED else word
        elif verdict.reason is DomainKeysReason.UNSIGNED_SIGNS_ALL:
            word = _better(word, Word.BAD)
        else:
            word = _better(word, _word(verdict.result))
    return word


def _word(result: DkimResult) -> Word:
    match result:
        case DkimResult.PASS:
            return Word.GOOD
        case DkimResult.TEMPERROR:
            return Word.DEFER
        case DkimResult.FAIL | DkimResult.POLICY | DkimResult.NEUTRAL | DkimResult.PERMERROR:
            return Word.BAD
        case DkimResult.NONE:
            return Word.UNSIGNED
    assert_never(result)


_RANK = {Word.UNVERIFIED: 0, Word.UNSIGNED: 1, Word.BAD: 2, Word.DEFER: 3, Word.GOOD: 4}


def _better(one: Word, other: Word) -> Word:
    return max(one, other, key=_RANK.__getitem__)


__all__ = ["Key", "ParseError", "Word", "dkim_word", "domainkeys_word", "parse_key"]
