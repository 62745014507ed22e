"""The body stage: in pieces or at once, and only where it is wanted."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from exim_dkim.hashing import CHUNK, BodyHasher
from exim_dkim.message import parse_message
from exim_dkim.stages import BodyStage


class Signed(NamedTuple):
    """A signature whose verdict is known, or not."""

    verdict: object | None


@pytest.mark.parametrize(
    ("verdicts", "wants"), [((), False), ((None,), True), (("bad",), False), (("bad", None), True), (("", 0), False)]
)
def test_a_body_is_wanted_while_a_verdict_is_open(verdicts: tuple[object | None, ...], wants: bool) -> None:
    assert BodyStage([Signed(verdict) for verdict in verdicts], BodyHasher()).wants_body is wants


@pytest.mark.parametrize("lines", [0, 1, CHUNK // 3, CHUNK // 3 + 1, CHUNK])
def test_a_body_at_once_is_the_same_as_in_pieces(lines: int) -> None:
    message = parse_message(b"From: a@example.org\r\n\r\n" + b"x\r\n" * lines)
    digests = []
    for whole in (True, False):
        hasher = BodyHasher()
        body_hash = hasher.want("sha256", "relaxed")
        stage = BodyStage([Signed(None)], hasher)
        if whole:
            stage.take_body(message)
        else:
            for start in range(0, len(message.body), 1000):
                stage.update(message.body[start : start + 1000])
        hasher.finish()
        digests.append(body_hash.digest())
    assert digests[0] == digests[1]


def test_a_body_that_is_not_wanted_is_not_hashed() -> None:
    hasher = BodyHasher()
    fed: list[bytes] = []
    hasher.add("simple", fed.append)
    BodyStage([Signed("bad")], hasher).take_body(parse_message(b"A: b\r\n\r\nbody\r\n"))
    assert fed == []
