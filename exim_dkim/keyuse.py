"""May the key of a record be used for a signature? What DKIM (RFC 6376 §6.1.2) and DomainKeys (RFC 4870 §3.7.4) share.

The reasons have the same names in both; which ones are meant is said by `reasons`, the enum of the protocol.
"""

from __future__ import annotations

from typing import Final, Protocol, TypeVar, assert_never

from exim_dkim.crypto import PublicKey, load_public_key
from exim_dkim.errors import KeyFormatError
from exim_dkim.keyrecord import KeyRecord
from exim_dkim.outcome import DkimReason, DomainKeysReason
from exim_dkim.resolver import Answer, Trouble

MAX_KEY_RECORDS: Final = 4
"""Key records tried at one name: enough for a botched rotation, too few to make us work for an attacker."""

Reason = TypeVar("Reason", DkimReason, DomainKeysReason)


class Signed(Protocol):
    """What a signature says of its key."""

    @property
    def key_name(self) -> str:
        """The DNS name of the key."""


def no_key(reasons: type[Reason], answer: Answer, name: str) -> tuple[Reason, str]:
    """Why DNS has given no record at `name`, and the detail for people."""
    return _trouble(reasons, answer.trouble), f"{name}: {answer.detail}" if answer.detail else name


def _trouble(reasons: type[Reason], trouble: Trouble | None) -> Reason:
    match trouble:
        case Trouble.NXDOMAIN:
            return reasons.KEY_NXDOMAIN
        case Trouble.NO_DATA | None:
            return reasons.KEY_NO_DATA
        case Trouble.SERVFAIL:
            return reasons.KEY_SERVFAIL
        case Trouble.TIMEOUT:
            return reasons.KEY_TIMEOUT
    assert_never(trouble)


def refuse_record(
    reasons: type[Reason], record: KeyRecord, signature: Signed, key_type: str, hash_name: str
) -> tuple[Reason, str] | None:
    """What the record says against its use for a signature of this type and hash, or None."""
    if not record.version_known:
        return reasons.KEY_UNKNOWN_VERSION, ""
    if record.revoked:
        return reasons.KEY_REVOKED, signature.key_name
    if record.type != key_type:
        return reasons.KEY_TYPE_MISMATCH, f"k={record.type[:40]}, a={key_type}-{hash_name}"
    if record.hashes is not None and hash_name not in record.hashes:
        return reasons.KEY_HASH_MISMATCH, f"h={':'.join(record.hashes)[:40]}, a={key_type}-{hash_name}"
    if not record.for_mail:
        return reasons.KEY_NOT_FOR_MAIL, f"s={':'.join(record.services)[:40]}"
    return None


def load_key(reasons: type[Reason], record: KeyRecord, least: int, most: int) -> PublicKey | tuple[Reason, str, int]:
    """The key of a record, of `least` to `most` bits; or what is against it, for people, and its size (0: unknown)."""
    try:
        key = load_public_key(record.type, record.data)
    except KeyFormatError as error:
        return reasons.KEY_UNUSABLE, str(error), 0
    if key.bits < least:
        return reasons.KEY_TOO_SMALL, f"{key.bits} bits; at least {least} are wanted", key.bits
    if key.bits > most:
        return reasons.KEY_TOO_LARGE, f"{key.bits} bits; at most {most} are accepted", key.bits
    return key
