"""What SPF asks DNS (RFC 7208 §4.4, §5)."""

from __future__ import annotations

import functools

from exim_dkim.envelope import ClientAddress
from exim_dkim.resolver import Question, RecordType
from exim_dkim.spf.record import is_name


@functools.lru_cache(maxsize=4096)
def question_of(name: str, record_type: RecordType) -> Question | None:
    """What to ask; None for what is no name."""
    return Question(name.lower(), record_type) if is_name(name) else None


def reverse_question(client: ClientAddress) -> Question:
    """What asks for the names of a client (RFC 7208 §5.5)."""
    return Question(client.reverse_pointer, RecordType.PTR)
