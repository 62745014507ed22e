"""SPF: CPU time of one evaluation, against plain pyspf and libspf2, all with DNS answers in memory.

The cases are those of the openspf suite for RFC 7208 (many are errors, to which a mail server gives little time), and
records as large sites have them. pyspf has its DNS driver replaced by a dictionary; libspf2 (`libspf2.c`) has its own
zone. Both parse and evaluate a record each time they see it. This package keeps what it has made of a record, and the
evaluation for a client and a domain, which holds while all answers of DNS are what they were. So it is measured for a
client and a domain that came before (what pyspf and libspf2 do is the same each time), for a new client of a record
that is known, and for what is seen for the first time.

libspf2 follows RFC 4408 and gives up early on many cases of the suite; those where it agrees are measured alone, too.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import exim_dkim.spf
from bench import timing
from bench.contenders import run
from bench.libspf2 import LibSpf2, build
from bench.report import Section, Target, duration
from exim_dkim.envelope import Envelope, parse_client
from exim_dkim.memory import Key, MemoryResolver, Value
from exim_dkim.resolver import RecordType
from exim_dkim.spf import SpfPolicy, check_host, macros, questions, walk
from exim_dkim.spf.compiled import RecordCache
from exim_dkim.spf.kept import KeptEvaluations
from exim_dkim.spf.kept import Key as SpfKey
from tests.support.openspf import cases
from tests.support.plain_pyspf import Dictionary, query_of

POLICY = SpfPolicy()
_EVALUATE: Any = sys.modules[f"{exim_dkim.spf.__name__}.evaluate"]
TO_PYSPF = 1.0
TO_LIBSPF2 = 2.0

Check = tuple[Envelope, dict[Key, Value]]


def measure(rounds: int) -> Section:
    """The suite, then typical records."""
    section = Section(
        "SPF: CPU time of one evaluation",
        "one core, DNS answers from memory; medians of interleaved rounds, ratios within a round",
        ("", "libspf2", "pyspf", "exim-dkim", "/ libspf2", "/ pyspf", "new client", "/ libspf2", "first sight"),
    )
    with LibSpf2(build()) as worker:
        suite = [(case.envelope, case.zone) for case in cases("rfc7208")]
        _add(section, "RFC 7208 suite", suite, worker, rounds)
        agreed = [check for check in suite if _agrees(worker, *check)]
        _add(section, f"its {len(agreed)} cases where libspf2 agrees", agreed, worker, rounds)
        for name, check in typical():
            _add(section, name, [check], worker, rounds)
    return section


def typical() -> Iterable[tuple[str, Check]]:
    """Records such as large sites and hosting customers have."""
    networks = " ".join(f"ip4:203.0.{number}.0/24" for number in range(40))
    zone: dict[Key, Value] = {
        "list.example": f"v=spf1 {networks} -all",
        "customer.example": "v=spf1 include:_spf.host.example mx ~all",
        "_spf.host.example": "v=spf1 include:_one.host.example include:_two.host.example ~all",
        "_one.host.example": f"v=spf1 {networks} ~all",
        "_two.host.example": "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all",
        ("customer.example", RecordType.MX): ["10 mx1.host.example", "20 mx2.host.example"],
        ("mx1.host.example", RecordType.A): "192.0.2.25",
        ("mx2.host.example", RecordType.A): "192.0.2.26",
        "macro.example": "v=spf1 exists:%{ir}.%{l1r-}.%{d2} -all",
        ("7.100.51.198.alice.macro.example", RecordType.A): "127.0.0.2",
    }

    def check(client: str, domain: str) -> Check:
        return Envelope(parse_client(client.encode()), b"mail.host.example", b"alice@" + domain.encode()), zone

    yield "forty networks, none fits", check("198.51.100.7", "list.example")
    yield "three includes, the last fits", check("198.51.100.7", "customer.example")
    yield "three includes, mx, none fits", check("192.0.2.99", "customer.example")
    yield "exists with macros", check("198.51.100.7", "macro.example")


def _add(section: Section, name: str, checks: list[Check], worker: LibSpf2, rounds: int) -> None:
    runs = {"libspf2": _libspf2(checks, worker), "pyspf": _pyspf(checks), "exim-dkim": _ours(checks, KeptEvaluations())}
    runs["new client"] = _ours(checks, _NewClients())
    runs["first sight"] = _first_sight(checks)
    for work in runs.values():
        work(1)  # what is done once in the life of a server: imports, caches
    times = timing.interleave(runs, rounds)
    medians = {contender: statistics.median(values) / len(checks) for contender, values in times.items()}
    to_libspf2 = timing.ratio(times["exim-dkim"], times["libspf2"])
    to_pyspf = timing.ratio(times["exim-dkim"], times["pyspf"])
    new_to_libspf2 = timing.ratio(times["new client"], times["libspf2"])
    shown = {contender: duration(median) for contender, median in medians.items()}
    for small in ("libspf2", "exim-dkim"):
        shown[small] = f"{medians[small] * 1e6:.2f} us"
    both = (shown["libspf2"], shown["pyspf"], shown["exim-dkim"], f"{to_libspf2:.1f}", f"{to_pyspf:.2f}")
    section.rows.append((name, *both, shown["new client"], f"{new_to_libspf2:.1f}", shown["first sight"]))
    ratios = {"to_libspf2": to_libspf2, "to_pyspf": to_pyspf, "new_to_libspf2": new_to_libspf2}
    section.values.append({"name": name, "seconds": medians, **ratios})
    if len(checks) > 1:
        section.targets.append(Target(f"{name}, of pyspf", to_pyspf, TO_PYSPF))
        section.targets.append(Target(f"{name}, of libspf2", to_libspf2, TO_LIBSPF2))


def _agrees(worker: LibSpf2, envelope: Envelope, zone: dict[Key, Value]) -> bool:
    """Whether libspf2 comes to the same result."""
    worker.set_zone(zone)
    return worker.check(envelope).result == run(check_host(envelope, MemoryResolver(zone), SpfPolicy())).result.value


def _libspf2(checks: list[Check], worker: LibSpf2) -> timing.Run:
    def run_all(count: int) -> float:
        spent = 0.0
        for _, group in groupby(checks, lambda check: id(check[1])):
            together = list(group)
            worker.set_zone(together[0][1])
            spent += sum(worker.check(envelope, count).seconds for envelope, _ in together)
        return spent

    return run_all


def _pyspf(checks: list[Check]) -> timing.Run:
    pairs = [(envelope, Dictionary(MemoryResolver(zone))) for envelope, zone in checks]

    def run_all(count: int) -> float:
        start = time.process_time()
        for envelope, dictionary in pairs:
            with dictionary:
                for _ in range(count):
                    query_of(envelope).check()
        return (time.process_time() - start) / count

    return run_all


class _NewClients(KeptEvaluations):
    """Takes every client for one that has not come before."""

    def get(self, key: SpfKey, default: Any = None) -> Any:
        """Nothing."""
        return default

    def wants(self, key: SpfKey) -> bool:
        """No, after the same work."""
        super().wants(key)
        return False


def _ours(checks: list[Check], kept: KeptEvaluations) -> timing.Run:
    """Each check again and again, but for the first two times, which are not timed."""
    pairs = [(envelope, MemoryResolver(zone)) for envelope, zone in checks]

    def run_all(count: int) -> float:
        spent = 0.0
        _EVALUATE.KEPT = kept
        for envelope, resolver in pairs:
            resolver.asked.clear()
            for _ in range(2):
                run(check_host(envelope, resolver, POLICY))
            start = time.process_time()
            for _ in range(count):
                run(check_host(envelope, resolver, POLICY))
            spent += time.process_time() - start
        return spent / count

    return run_all


def _first_sight(checks: list[Check]) -> timing.Run:
    """Each check when nothing is known."""
    pairs = [(envelope, MemoryResolver(zone)) for envelope, zone in checks]

    def run_all(count: int) -> float:
        spent = 0.0
        for envelope, resolver in pairs:
            resolver.asked.clear()
            for _ in range(count):
                _forget_all()
                start = time.process_time()
                run(check_host(envelope, resolver, POLICY))
                spent += time.process_time() - start
        return spent / count

    return run_all


def _forget_all() -> None:
    """What was kept of clients, records, names and macros."""
    _EVALUATE.KEPT = KeptEvaluations()
    walk.CACHE = RecordCache()
    questions.question_of.cache_clear()
    macros.parse_macros.cache_clear()
    _EVALUATE._domain_to_ask.cache_clear()
