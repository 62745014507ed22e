"""Which TXT records at a domain are its Sender ID record (RFC 4406 §3.1, §4.4).

    record  = ( "v=spf1" / "spf2." 1*DIGIT "/" scope *( "," scope ) ) [ SP terms ]

A record that names the scope that is asked for counts before `v=spf1`, which stands for both scopes where no other
does. Where RFC 4406 contradicts itself, the steps of §4.4 are followed and not §3.4: a domain whose `spf2.0` records
are all for the other scope is judged by its `v=spf1` record. SPF resource records (§4.4 step 1) are not asked for:
RFC 7208 §3.1 has ended them. Terms are those of SPF; all modifiers that are known are global, others are ignored, also
those that could be positional (§3.3).
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from exim_dkim.lazypattern import lazy_pattern

if TYPE_CHECKING:
    from exim_dkim.spf.record import Select

_VERSION = lazy_pattern(
    rb"(?:v=spf1|spf2\.[0-9]++/([a-z][a-z0-9._-]*+(?:,[a-z][a-z0-9._-]*+)*+))(?= |\Z)", re.IGNORECASE
)


class Scope(enum.Enum):
    """Which address is judged (RFC 4406 §3.1)."""

    PRA = "pra"
    MFROM = "mfrom"


SPF1_SCOPES: Final = frozenset(scope.value.encode() for scope in Scope)
"""What `v=spf1` stands for (RFC 4406 §3.4)."""


class Version(NamedTuple):
    """How a record begins. `number`: 1 or 2. `scopes` in lower case, also unknown ones. `terms`: all that follows."""

    number: int
    scopes: frozenset[bytes]
    terms: bytes


def parse_version(record: bytes) -> Version | None:
    """The version of a TXT record; None when it is none of ours. The minor version may be any number (§4.4 step 2)."""
    match = _VERSION.match(record)
    if match is None:
        return None
    terms = record[match.end() :]
    if match[1] is None:
        return Version(1, SPF1_SCOPES, terms)
    return Version(2, frozenset(match[1].lower().split(b",")), terms)


def select_record(scope: Scope, spf1: bool, records: Sequence[bytes]) -> Sequence[bytes]:
    """The terms of the records for `scope` (RFC 4406 §4.4 steps 2 to 5): no record, one, or several, an error."""
    wanted = scope.value.encode()
    versions = [version for version in map(parse_version, records) if version and wanted in version.scopes]
    return [version.terms for version in versions if version.number == 2] or [
        version.terms for version in versions if spf1
    ]


@functools.cache
def selector(scope: Scope, spf1: bool = True) -> Select:
    """Selection for one scope, always the same object: what it finds is kept by it.

    `spf1`: whether `v=spf1` may stand in, which §3.4 wants but a site may not.
    """
    return partial(select_record, scope, spf1)
