"""DomainKeys: CPU time to verify one message, against Mail::DKIM (Perl), which loops inside of its own process."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench import timing
from bench.contenders import DOMAIN, SELECTOR, Keys, run
from bench.messages import make_message
from bench.opendkim import PeerMissingError
from bench.report import Section, Target, duration, size
from exim_dkim import crypto
from exim_dkim.domainkeys.sign import MessageSigning, SigningRequest
from exim_dkim.domainkeys.verify import verify
from exim_dkim.hashing import BodyHasher
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.names import Domain, Selector
from exim_dkim.policy import DomainKeysPolicy

SIZES: Final = (4 << 10, 50 << 10, 5 << 20)
CANONICALIZATIONS: Final = ("nofws", "simple")
LIMITS: Final = {4 << 10: 0.5, 50 << 10: 0.5}
WORKER: Final = Path(__file__).parents[1] / "tests" / "peers" / "mail_dkim.pl"
_POLICY: Final = DomainKeysPolicy(accept_sha1=True)


class MailDkim:
    """Mail::DKIM in its process; `key` is the record that it finds."""

    def __init__(self, process: subprocess.Popen[bytes], keys: Keys) -> None:
        self._process = process
        self._ask(f"key {keys.name} {len(keys.record)}", keys.record)

    def _ask(self, line: str, blob: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n" + blob)
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer.startswith(b"ok"):
            raise AssertionError(f"Mail::DKIM ended in {line!r}")
        return answer[2:]

    def verify(self, signed: bytes, count: int) -> float:
        """Seconds of CPU time for one of `count` verifications."""
        return float(self._ask(f"time {count} {len(signed)}", signed))


@contextmanager
def mail_dkim(keys: Keys) -> Iterator[MailDkim]:
    """The Perl process; `PeerMissingError` when there is no Mail::DKIM."""
    probe = ["perl", "-MMail::DKIM", "-e", "1"]
    try:
        found = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        raise PeerMissingError("Mail::DKIM is not installed: apt-get install libmail-dkim-perl")
    process = subprocess.Popen(["perl", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield MailDkim(process, keys)
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def signed(message: bytes, keys: Keys, canonicalization: str) -> bytes:
    """The message with a DomainKeys signature on top."""
    parsed = parse_message(message)
    request = SigningRequest(Domain(DOMAIN), Selector(SELECTOR), None, canonicalization)
    signing = MessageSigning(parsed.fields, request, crypto.load_private_key(keys.pem))
    hasher = BodyHasher()
    signing.begin(hasher)
    hasher.update(parsed.body)
    hasher.finish()
    return signing.field() + message


def verify_ours(resolver: MemoryResolver, message: bytes, count: int) -> float:
    """As `MailDkim.verify`."""
    resolver.asked.clear()
    start = time.process_time()
    for _ in range(count):
        (verdict,) = run(verify(parse_message(message), resolver, _POLICY))
    spent = time.process_time() - start
    if verdict.result.value != "pass":
        raise AssertionError(verdict.explanation)
    return spent / count


def measure(rounds: int) -> Section:
    """All sizes, both canonicalisations."""
    section = Section(
        "DomainKeys: CPU time to verify one message",
        "RSA-2048, one core, keys from memory; medians of interleaved rounds, ratios within a round",
        ("", "Mail::DKIM", "exim-dkim", "/ Mail::DKIM"),
    )
    keys = Keys()
    resolver = MemoryResolver({keys.name: keys.record})
    with mail_dkim(keys) as peer:
        for octets in SIZES:
            message = make_message(octets).replace(b"alice@example.org", f"alice@{DOMAIN}".encode())
            for canonicalization in CANONICALIZATIONS:
                whole = signed(message, keys, canonicalization)
                runs = {"Mail::DKIM": partial(peer.verify, whole), "exim-dkim": partial(verify_ours, resolver, whole)}
                _add(section, octets, canonicalization, timing.interleave(runs, rounds))
    return section


def _add(section: Section, octets: int, canonicalization: str, times: dict[str, list[float]]) -> None:
    ratio = timing.ratio(times["exim-dkim"], times["Mail::DKIM"])
    medians = {name: statistics.median(values) for name, values in times.items()}
    name = f"verify {size(octets)} {canonicalization}"
    section.rows.append((name, *map(duration, medians.values()), f"{ratio:.2f}"))
    section.values.append({"octets": octets, "canonicalization": canonicalization, "seconds": medians, "ratio": ratio})
    if octets in LIMITS:
        section.targets.append(Target(f"{name}, of Mail::DKIM", ratio, LIMITS[octets]))
