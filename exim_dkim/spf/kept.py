"""Evaluations that are kept, so that one like it need not be done again (RFC 7208 §4).

A verdict follows from who is judged, the policy, and the answers of DNS. So what is evaluated for the second time is
kept with the questions that it asked and the answers that it got. When this client comes with this domain again, the
same questions are asked, in the same order, and the verdict holds if every answer is what it was. If one is not, the
evaluation is done anew, and takes up the answers that were got until then: they are what it asks first, so no question
is asked in vain.

What depends on the time (a limit, the macro `t`) is not kept, nor is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Final, NamedTuple

from exim_dkim.resolver import Answer, Question, Resolver
from exim_dkim.spf.record import Select
from exim_dkim.spf.verdict import SpfPolicy, SpfVerdict

MAX_KEPT: Final = 16 << 20
"""How much is kept, in bytes of memory: some thousand pairs of a client and a domain."""
MAX_SEEN: Final = 1 << 15
"""How many pairs are remembered that came once: about 2 MiB."""
_PER_EVALUATION: Final = 1200
_PER_ANSWER: Final = 550
"""What an evaluation, and one of its answers, takes at most in bytes beside names and records."""

Key = tuple[int, type, bytes, Select]
"""The client's address as a number and its family, the domain as it came, and which records are looked for."""

Round = tuple[tuple[Question, ...], Sequence[Answer]]
"""Questions that were asked together, and their answers."""


class Evaluation(NamedTuple):
    """What was asked and answered, and the verdict, for this local part and HELO name.

    `by_local`, `by_helo`: whether the verdict depends on them. `size`: how much memory all takes, in bytes.
    """

    verdict: SpfVerdict
    policy: SpfPolicy
    rounds: Sequence[Round]
    local: bytes
    helo: bytes
    by_local: bool
    by_helo: bool
    size: int


def size_of(rounds: Sequence[Round]) -> int:
    """The size of an evaluation that asked this."""
    size = _PER_EVALUATION
    for _, answers in rounds:
        for answer in answers:
            size += _PER_ANSWER + len(answer[0][0]) + sum(map(len, answer[1]))
    return size


class KeptEvaluations(dict[Key, Evaluation]):
    """Evaluations by what they are about. What was put in first is forgotten first. May be used by several threads."""

    def __init__(self, largest: int = MAX_KEPT) -> None:
        super().__init__()
        self.size = 0
        self._largest = largest
        self._seen: set[int] = set()
        self._lock = Lock()

    def wants(self, key: Key) -> bool:
        """Whether an evaluation is to be put in: when it is done for the second time. Many clients come only once."""
        number = hash(key)
        if number in self._seen:
            return True
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        self._seen.add(number)
        return False

    def put(self, key: Key, evaluation: Evaluation) -> None:
        """Keep this evaluation, in the place of an earlier one."""
        with self._lock:
            earlier = self.pop(key, None)
            if earlier is not None:
                self.size -= earlier.size
            self[key] = evaluation
            self.size += evaluation.size
            while self.size > self._largest:
                self.size -= self.pop(next(iter(self))).size

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            super().clear()
            self.size = 0
            self._seen.clear()


class Resumed:
    """A resolver that first gives answers which were got already, as long as the same is asked."""

    def __init__(self, got: Sequence[Round], resolver: Resolver) -> None:
        self._got = list(reversed(got))
        self._resolver = resolver

    async def resolve(self, *questions: Question) -> Sequence[Answer]:
        """The answers, one for each question, in the order asked."""
        if self._got:
            asked, answers = self._got.pop()
            if asked == questions:
                return answers
            self._got.clear()
        return await self._resolver.resolve(*questions)
