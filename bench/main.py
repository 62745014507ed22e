"""Command line of the benchmark: which sections, how many rounds, where the JSON goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from bench import domainkeys, engine, expansion, filter, milter, report, server, spf, timing
from bench.opendkim import PeerMissingError

SECTIONS: dict[str, Callable[[int], report.Section]] = {
    "engine": engine.measure,
    "domainkeys": domainkeys.measure,
    "server": server.measure,
    "filter": filter.measure,
    "expansion": expansion.measure,
    "milter": milter.measure,
    "spf": spf.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the sections asked for (all by default). A missed target is told, and is no error: machines differ."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (default 9)")
    parser.add_argument("--json", metavar="FILE", help="also write raw values and targets to FILE")
    options = parser.parse_args(arguments)
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    done = []
    try:
        for name in options.sections or SECTIONS:
            timing.use_one_core()
            section = SECTIONS[name](options.rounds)
            report.show(section)
            done.append(section)
    except PeerMissingError as missing:
        print(missing, file=sys.stderr)
        return 2
    if options.json:
        report.save(done, options.json)
    return 0
