"""A bounded cache of DNS answers that honours TTLs (RFC 1035 §3.2.1, RFC 2308, RFC 9520). Knows no DNS library.

Least recently used answers leave first. What is kept, and how long:
- records: the TTL of the answer (the smallest of a CNAME chain), at most `max_ttl`;
- NXDOMAIN and no data: what the SOA permits (RFC 2308 §5: not at all without one), at most `negative_ttl`;
- SERVFAIL and TIMEOUT: `FAILURE_TTL` seconds, so that the several look-ups that an ACL makes for one message wait
  once, and a dead name server is not asked again for every message of a burst (RFC 9520 §3.2 wants between one second
  and five minutes); a sender's next attempt, minutes later, asks anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from exim_dkim.resolver import Answer, Question

FAILURE_TTL = 5.0
"""Seconds for which a temporary failure is remembered."""

MAX_ANSWER_BYTES = 8192
"""Larger answers are not kept: with `dns_cache_size` this bounds the memory. A 4096-bit key has about 800 bytes."""

RECORD_BYTES = 48
"""What a record takes besides its data."""


class AnswerCache:
    """Answers by question. `size` 0 keeps nothing. `clock` is in seconds and never goes back."""

    def __init__(
        self,
        size: int = 20_000,
        max_ttl: float = 3600,
        negative_ttl: float = 300,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size
        self._max_ttl = max_ttl
        self._negative_ttl = negative_ttl
        self._clock = clock
        self._entries: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question) -> Answer | None:
        """The answer, if there is one that has not expired."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        if entry[0] <= self._clock():
            del self._entries[question]
            return None
        self._entries.move_to_end(question)
        return entry[1]

    def put(self, answer: Answer, ttl: float) -> None:
        """Keeps `answer` for `ttl` seconds, or less (see above)."""
        ttl = min(ttl, self._longest(answer))
        if ttl <= 0 or sum(map(len, answer.records)) + RECORD_BYTES * len(answer.records) > MAX_ANSWER_BYTES:
            return
        self._entries[answer.question] = (self._clock() + ttl, answer)
        self._entries.move_to_end(answer.question)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def _longest(self, answer: Answer) -> float:
        if answer.trouble is None:
            return self._max_ttl
        return FAILURE_TTL if answer.trouble.temporary else self._negative_ttl
