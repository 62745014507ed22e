"""How a filter knows the Authentication-Results fields of filters that have seen the message before it on this host.

They bear our own id, as forged ones do, and stand where forged ones can stand. So each of our fields ends in a comment
with a keyed hash of what makes the message: the MTA's queue id, the client, the reverse-path, and all that the results
say. The key is the kernel's boot id, which every process of this host can read and no client knows. Who sees a stamp
cannot use it for another message, since nobody can choose the queue id that a message will get; and should he get it
again, the stamp says nothing but what was true of a message of his.

Where there is no such id, or the MTA gives no queue id, there is no stamp, and such fields are taken for forged unless
`milter_trusted_results` names their methods.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from exim_dkim.authres import MethodResult, parse_authres
from exim_dkim.errors import ParseError
from milter_server.message import Transaction

BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
LENGTH: Final = 12
"""Bytes of a stamp: no one guesses 96 bits."""
PREFIX: Final = "exim-dkim "


@functools.cache
def host_key() -> bytes:
    """What all processes of this host know and nobody else; empty if there is nothing of the kind."""
    try:
        with open(BOOT_ID, "rb") as file:
            return file.read(64).strip()
    except OSError:
        return b""


def stamp(transaction: Transaction, authserv_id: str, field: bytes, key: bytes) -> bytes:
    """The comment that ends this field of ours; empty where there can be none."""
    mark = _mark(transaction, authserv_id, parse_authres(field.partition(b":")[2]).results, key)
    return b"\r\n\t(" + mark.encode() + b")" if mark else b""


def is_stamped(value: bytes, transaction: Transaction, authserv_id: str, key: bytes) -> bool:
    """Whether a field of this value, which bears our id, was written by one of us for this very message."""
    try:
        results = parse_authres(value).results
    except ParseError:
        return False
    mark = _mark(transaction, authserv_id, results, key)
    if not mark or not results:
        return False
    comments = results[-1].comments
    return any(hmac.compare_digest(each.encode("utf-8", "replace"), mark.encode()) for each in comments)


def _mark(transaction: Transaction, authserv_id: str, results: Sequence[MethodResult], key: bytes) -> str:
    """Everything but comments counts: some MTAs use queue ids again, and who had such mail before knows its stamp."""
    if not key or not transaction.queue_id:
        return ""
    said = repr([(one.method, one.version, one.result, one.reason, *map(tuple, one.properties)) for one in results])
    address = transaction.connection.address
    parts = (transaction.queue_id, address, transaction.sender, authserv_id.encode(), said.encode())
    digest = blake2b(b"".join(b"%d:" % len(part) + part for part in parts), digest_size=LENGTH, key=key)
    return PREFIX + digest.hexdigest()
