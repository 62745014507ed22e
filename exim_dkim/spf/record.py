"""Which TXT records at a domain are the SPF record (RFC 7208 §4.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_VERSION = b"v=spf1"

Select = Callable[[Sequence[bytes]], Sequence[bytes]]
"""From the TXT records of one domain to the SPF records among them, each without its version part.

None means that the domain has no record, several are an error. Asked for every domain, also of include and redirect.
"""


def select_spf1(records: Sequence[bytes]) -> Sequence[bytes]:
    """The terms of each record that is `v=spf1`, alone or with a space behind it, in any letter case."""
    size = len(_VERSION)
    return [
        record[size:] for record in records if record[:size].lower() == _VERSION and record[size : size + 1] in b" "
    ]
