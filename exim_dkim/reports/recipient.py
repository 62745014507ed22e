"""Who wants to hear of a failure: the domain's own word, in DNS (RFC 6651 §3.3; RFC 4870 §3.6).

One question at most. Nobody is told who has not asked; and nothing that a domain says leads to another domain.
"""

from __future__ import annotations

from exim_dkim.errors import ParseError
from exim_dkim.reports.failure import Failure
from exim_dkim.reports.record import parse_own_address, parse_report_record, report_name
from exim_dkim.resolver import Question, RecordType, Resolver


async def find_recipient(failure: Failure, resolver: Resolver, chance: int) -> str | None:
    """The address that is to be told, or None. `chance`: a random number from 0 to 99, for rp=.

    A name with several TXT records, or with DNS trouble, has no report record (§3.3 step 3).
    """
    try:
        if failure.kind is None:
            return parse_own_address(failure.address, failure.domain)
        (answer,) = await resolver.resolve(Question(report_name(failure.domain), RecordType.TXT))
        if answer.trouble is not None or len(answer.records) != 1:
            return None
        record = parse_report_record(answer.records[0])
    except ParseError:
        return None
    if failure.kind not in record.kinds or chance >= record.percentage:
        return None
    return f"{record.local}@{failure.domain}"
