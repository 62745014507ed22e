"""Which Authentication-Results fields of a message only look as if we had written them, whoever brought the message."""

from __future__ import annotations

from collections.abc import Collection

from milter_server.message import Header, Transaction
from milter_server.results import forged, says_only
from milter_server.stamp import host_key, is_stamped


def find_forged(header: Header, transaction: Transaction, authserv_id: str, trusted: Collection[str]) -> list[int]:
    """Their numbers as the MTA counts them, the last one first. `trusted`: methods that others report in our name."""

    def is_ours(value: bytes) -> bool:
        return says_only(value, trusted) or is_stamped(value, transaction, authserv_id, host_key())

    return list(forged(header, authserv_id, is_ours))
