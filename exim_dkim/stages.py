"""The body stage of a verification, which DKIM and DomainKeys share: after the header, before the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from exim_dkim.hashing import CHUNK, BodyHasher
from exim_dkim.message import Message


class Pending(Protocol):
    """A signature on its way: `verdict` is None until it is known."""

    @property
    def verdict(self) -> object | None:
        """The verdict."""


PendingSignature = TypeVar("PendingSignature", bound=Pending)


class BodyStage(Generic[PendingSignature]):
    """A message whose header has been judged and whose body is still to come."""

    __slots__ = ("_hasher", "_pending")

    def __init__(self, pending: Sequence[PendingSignature], hasher: BodyHasher) -> None:
        self._pending = pending
        self._hasher = hasher

    @property
    def wants_body(self) -> bool:
        """False when every verdict is known without the body."""
        return None in [pending.verdict for pending in self._pending]

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body, in wire form, cut anywhere."""
        self._hasher.update(chunk)

    def take_body(self, message: Message) -> None:
        """Take all of the body, instead of `update`, if it is wanted."""
        if not self.wants_body:
            return
        if len(message.data) - message.body_start <= CHUNK:
            self._hasher.take_whole(message.body)
        else:
            for chunk in message.body_chunks():
                self._hasher.update(chunk)
