"""Records that pyspf alone takes for malformed."""

from __future__ import annotations

import pytest

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import MemoryResolver
from exim_dkim.outcome import SpfReason
from exim_dkim.spf import SpfPolicy, check_host
from tests.support.run import run


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        # RFC 7208 §6: modifiers that are not known are ignored, however often they stand there
        ("v=spf1 x=y x=y -all", SpfReason.MATCHED_FAIL),
        ("v=spf1 x=y a x=z ~all x=y", SpfReason.MATCHED_SOFTFAIL),
        ("v=spf1 exp=a.example exp=b.example -all", SpfReason.BAD_SYNTAX),
        ("v=spf1 redirect=a.example redirect=b.example", SpfReason.BAD_SYNTAX),
        # §4.6: terms are evaluated from left to right; this one is well-formed
        ("v=spf1 ip4:192.0.2.1 include:example.org -all", SpfReason.MATCHED_PASS),
        ("v=spf1 -ip4:192.0.2.1 ?include:%{d} +all", SpfReason.MATCHED_FAIL),
        ("v=spf1 ip4:192.0.2.2 include:example.org -all", SpfReason.TOO_MANY_LOOKUPS),
        ("v=spf1 ip4:192.0.2.1 include -all", SpfReason.BAD_SYNTAX),
    ],
)
def test_record(record: str, reason: SpfReason) -> None:
    envelope = Envelope(parse_client(b"192.0.2.1"), b"mx.example.net", b"a@example.org")
    verdict = run(check_host(envelope, MemoryResolver({"example.org": record}), SpfPolicy()))
    assert verdict.reason is reason, verdict
