"""SPF records as a fuzz target: whatever the text, there is a verdict."""

from __future__ import annotations

import json

from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.outcome import SpfReason
from exim_dkim.resolver import RecordType
from exim_dkim.spf import SpfPolicy, check_host
from tests.support.openspf import DIRECTORY
from tests.support.run import run

_TOKENS = b"include: redirect= exp= a mx ptr exists: ip4: ip6: /24 //64 %{l1r-} %{p} %{ } -all ? v=spf1"
SPF_TOKENS = (*_TOKENS.split(), b"example.org", b"192.0.2.1", b"::1", b"\0", b" ")
_ENVELOPE = Envelope(parse_client(b"192.0.2.1"), b"mail.example.org", b"alice@example.org")


def judge_record(data: bytes) -> None:
    """The text is the record, the included one, and the explanation."""
    zone: dict[Key, Value] = {
        "example.org": b"v=spf1 " + data,
        "a.example.org": b"v=spf1 " + data[::-1],
        ("example.org", RecordType.A): "198.51.100.1",
        ("example.org", RecordType.MX): [data[:40], "10 a.example.org"],
        ("1.2.0.192.in-addr.arpa", RecordType.PTR): [data[:40], "a.example.org"],
    }
    resolver = MemoryResolver(zone)
    verdict = run(check_host(_ENVELOPE, resolver, SpfPolicy()))
    assert verdict.reason is not SpfReason.INTERNAL_ERROR, verdict
    assert verdict.explanation.isprintable()
    assert len(resolver.asked) < 150


def spf_records() -> list[bytes]:
    """The terms of every record of the openspf suite."""
    found = set()
    for scenario in json.loads((DIRECTORY / "rfc7208.json").read_text()):
        for entries in scenario["zonedata"].values():
            for entry in entries:
                text = entry.get("SPF") if isinstance(entry, dict) else None
                if isinstance(text, str) and text.startswith("v=spf1 "):
                    found.add(text.removeprefix("v=spf1 ").encode())
    return sorted(found)
