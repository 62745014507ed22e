"""Every result word of RFC 8601 §2.7 and, for each protocol, the reasons that lead to it.

A reason is one member of an enum and carries its word, so a new cause cannot be added without deciding its word.
How a word is chosen: `neutral` the signature cannot be understood; `permerror` the key or the message makes
verification impossible for good; `temperror` trying again may help; `policy` it verifies or might verify, but local
policy refuses it; `fail` the arithmetic says no.
"""

from __future__ import annotations

import enum


class DkimResult(enum.Enum):
    """Results of DKIM (RFC 8601 §2.7.1); DomainKeys has the same words."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class SpfResult(enum.Enum):
    """Results of SPF and Sender ID (RFC 8601 §2.7.2, RFC 7208 §2.6)."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@enum.unique
class DkimReason(enum.Enum):
    """Every way in which the verification of one DKIM signature can end."""

    GOOD = (DkimResult.PASS, "the signature is good")

    # The signature field itself (RFC 6376 §3.5, §6.1.1)
    BAD_TAG_LIST = (DkimResult.NEUTRAL, "the signature field is not a well-formed tag list")
    DUPLICATE_TAG = (DkimResult.NEUTRAL, "a tag stands twice in the signature")
    MISSING_TAG = (DkimResult.NEUTRAL, "a required tag is missing from the signature")
    BAD_TAG_VALUE = (DkimResult.NEUTRAL, "a tag of the signature has an unusable value")
    UNKNOWN_VERSION = (DkimResult.NEUTRAL, "the signature has an unknown version")
    UNKNOWN_ALGORITHM = (DkimResult.NEUTRAL, "the signature uses an unknown algorithm")
    UNKNOWN_CANONICALIZATION = (DkimResult.NEUTRAL, "the signature uses an unknown canonicalisation")
    UNKNOWN_QUERY_METHOD = (DkimResult.NEUTRAL, "the signature names no query method that is known")
    IDENTITY_NOT_UNDER_DOMAIN = (DkimResult.PERMERROR, "the identity (i=) is not under the signing domain (d=)")
    FROM_NOT_SIGNED = (DkimResult.PERMERROR, "the From field is not signed")

    # Local policy (RFC 6376 §3.8, §6.1.1, §8.2, §8.15; RFC 8301)
    EXPIRED = (DkimResult.POLICY, "the signature has expired")
    IN_THE_FUTURE = (DkimResult.POLICY, "the signature was made in the future")
    HASH_NOT_ALLOWED = (DkimResult.POLICY, "the hash of the signature is not one that is accepted here")
    KEY_TOO_SMALL = (DkimResult.POLICY, "the key is too small")
    KEY_TOO_LARGE = (DkimResult.POLICY, "the key is too large")
    PARTIAL_BODY = (DkimResult.POLICY, "part of the body is not signed (l=)")
    UNSIGNED_DUPLICATE_FIELD = (DkimResult.POLICY, "a header field stands more often than it is signed")
    MALFORMED_HEADER = (DkimResult.POLICY, "the header has a line that is no field, or a lone CR or LF")
    TOO_MANY_SIGNATURES = (DkimResult.POLICY, "the message has more signatures than are looked at")

    # The key (RFC 6376 §3.6, §6.1.2)
    KEY_NXDOMAIN = (DkimResult.PERMERROR, "there is no key: the name does not exist in DNS")
    KEY_NO_DATA = (DkimResult.PERMERROR, "there is no key: the name has no TXT record in DNS")
    KEY_SERVFAIL = (DkimResult.TEMPERROR, "the key could not be fetched: the name servers failed")
    KEY_TIMEOUT = (DkimResult.TEMPERROR, "the key could not be fetched: the name servers did not answer in time")
    KEY_BAD_RECORD = (DkimResult.PERMERROR, "the key record is not well-formed")
    KEY_UNKNOWN_VERSION = (DkimResult.PERMERROR, "the key record has an unknown version")
    KEY_REVOKED = (DkimResult.PERMERROR, "the key has been revoked (p= is empty)")
    KEY_TYPE_MISMATCH = (DkimResult.PERMERROR, "the key is of another type (k=) than the signature (a=)")
    KEY_HASH_MISMATCH = (DkimResult.PERMERROR, "the key (h=) does not permit the hash of the signature (a=)")
    KEY_NOT_FOR_MAIL = (DkimResult.PERMERROR, "the key is not for mail (s=)")
    KEY_STRICT_IDENTITY = (DkimResult.PERMERROR, "the key (t=s) wants i= to have exactly the signing domain")
    KEY_GRANULARITY = (DkimResult.PERMERROR, "the key (g=) is not for this identity")  # signatures of 2005 only
    KEY_UNUSABLE = (DkimResult.PERMERROR, "the key record holds no usable public key")

    # The arithmetic (RFC 6376 §6.1.3)
    BODY_TOO_SHORT = (DkimResult.FAIL, "the body is shorter than the signed length (l=)")
    BODY_HASH_MISMATCH = (DkimResult.FAIL, "the body was changed after it was signed (body hash differs)")
    SIGNATURE_MISMATCH = (DkimResult.FAIL, "the signature does not fit: header changed after signing, or wrong key")

    # Ourselves
    INTERNAL_ERROR = (DkimResult.TEMPERROR, "verification failed for an internal reason; see the log")

    def __init__(self, result: DkimResult, text: str) -> None:
        self.result = result
        """The RFC 8601 word."""
        self.text = text
        """A sentence for people, without a full stop."""


@enum.unique
class DomainKeysReason(enum.Enum):
    """Every way in which the verification of one DomainKeys signature can end (RFC 4870 §3.7).

    What is the same as with DKIM has the same name, word and text.
    """

    GOOD = DkimReason.GOOD.value
    UNSIGNED_SIGNS_ALL = (DkimResult.NONE, "there is no signature, but the domain says that it signs all mail (o=-)")

    # The signature field itself (RFC 4870 §3.3)
    BAD_TAG_LIST = DkimReason.BAD_TAG_LIST.value
    DUPLICATE_TAG = DkimReason.DUPLICATE_TAG.value
    MISSING_TAG = DkimReason.MISSING_TAG.value
    BAD_TAG_VALUE = DkimReason.BAD_TAG_VALUE.value
    UNKNOWN_ALGORITHM = DkimReason.UNKNOWN_ALGORITHM.value
    UNKNOWN_CANONICALIZATION = DkimReason.UNKNOWN_CANONICALIZATION.value
    UNKNOWN_QUERY_METHOD = DkimReason.UNKNOWN_QUERY_METHOD.value

    # Who sends (RFC 4870 §3.1, §3.3)
    SENDER_NOT_SIGNED = (DkimResult.PERMERROR, "neither Sender nor From is signed")
    SENDER_REPEATED = (DkimResult.PERMERROR, "the field that says who sends is signed more than once")
    SENDER_MALFORMED = (DkimResult.PERMERROR, "the field that says who sends has no usable address")
    SENDER_NOT_UNDER_DOMAIN = (DkimResult.PERMERROR, "the sending address is not under the signing domain (d=)")

    # Local policy
    SHA1_NOT_ACCEPTED = (DkimResult.POLICY, "rsa-sha1, all that DomainKeys has, is not accepted here")
    SHA1_REFUSED = (DkimResult.POLICY, "the cryptographic library of this system refuses SHA-1")
    KEY_TOO_SMALL = DkimReason.KEY_TOO_SMALL.value
    KEY_TOO_LARGE = DkimReason.KEY_TOO_LARGE.value
    UNSIGNED_DUPLICATE_FIELD = DkimReason.UNSIGNED_DUPLICATE_FIELD.value
    MALFORMED_HEADER = DkimReason.MALFORMED_HEADER.value
    TOO_MANY_SIGNATURES = DkimReason.TOO_MANY_SIGNATURES.value

    # The key (RFC 4870 §3.2.3, §3.7.4; RFC 6376 §3.6.1 where the record is one for DKIM, too)
    KEY_NXDOMAIN = DkimReason.KEY_NXDOMAIN.value
    KEY_NO_DATA = DkimReason.KEY_NO_DATA.value
    KEY_SERVFAIL = DkimReason.KEY_SERVFAIL.value
    KEY_TIMEOUT = DkimReason.KEY_TIMEOUT.value
    KEY_BAD_RECORD = DkimReason.KEY_BAD_RECORD.value
    KEY_UNKNOWN_VERSION = DkimReason.KEY_UNKNOWN_VERSION.value
    KEY_REVOKED = DkimReason.KEY_REVOKED.value
    KEY_TYPE_MISMATCH = (DkimResult.PERMERROR, "the key (k=) is not an RSA key")
    KEY_HASH_MISMATCH = (DkimResult.PERMERROR, "the key (h=) does not permit SHA-1")
    KEY_NOT_FOR_MAIL = DkimReason.KEY_NOT_FOR_MAIL.value
    KEY_STRICT_IDENTITY = (DkimResult.PERMERROR, "the key (t=s) wants a sending address at exactly the signing domain")
    KEY_GRANULARITY = (DkimResult.PERMERROR, "the key (g=) is not for this sending address")
    KEY_UNUSABLE = DkimReason.KEY_UNUSABLE.value

    # The arithmetic (RFC 4870 §3.7.5)
    SIGNATURE_MISMATCH = (DkimResult.FAIL, "the signature does not fit: message changed after signing, or wrong key")

    def __init__(self, result: DkimResult, text: str) -> None:
        self.result = result
        """The RFC 8601 word."""
        self.text = text
        """A sentence for people, without a full stop."""


@enum.unique
class SpfReason(enum.Enum):
    """Every way in which the evaluation of one SPF identity can end."""

    # A mechanism matched, or none did (RFC 7208 §4.6.2, §4.7)
    MATCHED_PASS = (SpfResult.PASS, "the domain permits this client")
    MATCHED_FAIL = (SpfResult.FAIL, "the domain says that this client is not permitted")
    MATCHED_SOFTFAIL = (SpfResult.SOFTFAIL, "the domain says that this client is probably not permitted")
    MATCHED_NEUTRAL = (SpfResult.NEUTRAL, "the domain says nothing about this client")
    NO_MATCH = (SpfResult.NEUTRAL, "nothing in the domain's record matches this client")

    # There is nothing to evaluate (RFC 7208 §2.4, §4.3, §4.5); a guess is nothing that a domain says
    NO_CLIENT = (SpfResult.NONE, "the message came from no host")
    NO_DOMAIN = (SpfResult.NONE, "there is no domain to ask")
    DOMAIN_LITERAL = (SpfResult.NONE, "an address literal stands where the domain should be")
    SINGLE_LABEL = (SpfResult.NONE, "the domain has a single label only")
    MALFORMED_DOMAIN = (SpfResult.NONE, "the domain is not well-formed")
    DOMAIN_TOO_LONG = (SpfResult.NONE, "the domain is longer than DNS can hold")
    NXDOMAIN = (SpfResult.NONE, "the domain does not exist in DNS")
    NO_RECORD = (SpfResult.NONE, "the domain has no SPF record")
    GUESSED_PASS = (SpfResult.NONE, "the domain has no SPF record; this client would match the best guess")
    GUESS_UNDECIDED = (SpfResult.NONE, "the domain has no SPF record; for the best guess, DNS answers are missing")

    # The record, or one that it leads to, cannot be used (RFC 7208 §4.5, §4.6, §5, §6)
    SEVERAL_RECORDS = (SpfResult.PERMERROR, "there is more than one SPF record at a domain")
    RECORD_TOO_LONG = (SpfResult.PERMERROR, "an SPF record is longer than is looked at")
    NOT_ASCII = (SpfResult.PERMERROR, "an SPF record is not in ASCII")
    BAD_SYNTAX = (SpfResult.PERMERROR, "an SPF record is not well-formed")
    INCLUDE_WITHOUT_RECORD = (SpfResult.PERMERROR, "an included domain has no SPF record")
    REDIRECT_WITHOUT_RECORD = (SpfResult.PERMERROR, "the domain of redirect= has no SPF record")
    TOO_MANY_LOOKUPS = (SpfResult.PERMERROR, "the records need more DNS look-ups than are permitted")
    TOO_MANY_VOID_LOOKUPS = (SpfResult.PERMERROR, "too many DNS look-ups found nothing")
    TOO_MANY_MX = (SpfResult.PERMERROR, "a domain has more MX records than are permitted")

    # Trying again may help (RFC 7208 §2.6.6, §4.6.4)
    SERVFAIL = (SpfResult.TEMPERROR, "the name servers failed")
    TIMEOUT = (SpfResult.TEMPERROR, "the name servers did not answer in time")
    TIME_LIMIT = (SpfResult.TEMPERROR, "the evaluation took longer than is permitted")
    INTERNAL_ERROR = (SpfResult.TEMPERROR, "evaluation failed for an internal reason; see the log")

    def __init__(self, result: SpfResult, text: str) -> None:
        self.result = result
        """The RFC 8601 word."""
        self.text = text
        """A sentence for people, without a full stop."""


@enum.unique
class SenderIdReason(enum.Enum):
    """Every way in which a Sender ID check can end."""

    # There is no purported responsible address (RFC 4407 §2 step 6); the word is that of RFC 5451 §2.4.2
    PRA_MISSING = (SpfResult.PERMERROR, "no header field says who is responsible for the message")
    PRA_SEVERAL_FIELDS = (SpfResult.PERMERROR, "several header fields say who is responsible for the message")
    PRA_SEVERAL_MAILBOXES = (SpfResult.PERMERROR, "the header field that says who is responsible has several mailboxes")
    PRA_MALFORMED = (SpfResult.PERMERROR, "the header field that says who is responsible is malformed")
    PRA_BAD_DOMAIN = (SpfResult.PERMERROR, "the address that is responsible has no usable domain")

    # RFC 4406 §4.3
    PRA_NXDOMAIN = (SpfResult.FAIL, "the domain that is responsible does not exist in DNS")

    # The rest is as with SPF: each reason there has its counterpart, by name.
    MATCHED_PASS = SpfReason.MATCHED_PASS.value
    MATCHED_FAIL = SpfReason.MATCHED_FAIL.value
    MATCHED_SOFTFAIL = SpfReason.MATCHED_SOFTFAIL.value
    MATCHED_NEUTRAL = SpfReason.MATCHED_NEUTRAL.value
    NO_MATCH = SpfReason.NO_MATCH.value
    NO_CLIENT = SpfReason.NO_CLIENT.value
    NO_DOMAIN = SpfReason.NO_DOMAIN.value
    DOMAIN_LITERAL = SpfReason.DOMAIN_LITERAL.value
    SINGLE_LABEL = SpfReason.SINGLE_LABEL.value
    MALFORMED_DOMAIN = SpfReason.MALFORMED_DOMAIN.value
    DOMAIN_TOO_LONG = SpfReason.DOMAIN_TOO_LONG.value
    NXDOMAIN = SpfReason.NXDOMAIN.value
    NO_RECORD = SpfReason.NO_RECORD.value
    GUESSED_PASS = SpfReason.GUESSED_PASS.value
    GUESS_UNDECIDED = SpfReason.GUESS_UNDECIDED.value
    SEVERAL_RECORDS = SpfReason.SEVERAL_RECORDS.value
    RECORD_TOO_LONG = SpfReason.RECORD_TOO_LONG.value
    NOT_ASCII = SpfReason.NOT_ASCII.value
    BAD_SYNTAX = SpfReason.BAD_SYNTAX.value
    INCLUDE_WITHOUT_RECORD = SpfReason.INCLUDE_WITHOUT_RECORD.value
    REDIRECT_WITHOUT_RECORD = SpfReason.REDIRECT_WITHOUT_RECORD.value
    TOO_MANY_LOOKUPS = SpfReason.TOO_MANY_LOOKUPS.value
    TOO_MANY_VOID_LOOKUPS = SpfReason.TOO_MANY_VOID_LOOKUPS.value
    TOO_MANY_MX = SpfReason.TOO_MANY_MX.value
    SERVFAIL = SpfReason.SERVFAIL.value
    TIMEOUT = SpfReason.TIMEOUT.value
    TIME_LIMIT = SpfReason.TIME_LIMIT.value
    INTERNAL_ERROR = SpfReason.INTERNAL_ERROR.value

    def __init__(self, result: SpfResult, text: str) -> None:
        self.result = result
        """The RFC 8601 word."""
        self.text = text
        """A sentence for people, without a full stop."""
