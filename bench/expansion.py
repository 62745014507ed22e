"""Expansion strings against `exim -be`: the same lines, for the same message, one process of each.

Exim parses a line each time it expands it; this package parses it once, as the server does, and keeps a value that
comes from the line alone, as that of `${lc:ABC}`. Two thirds of the vectors are such lines, so that those which ask for
something outside of them (a variable, a header field, a table) are also measured without the others. Both keep what
a look-up has found for the message. Exim's start is measured with no lines at all and taken off.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench import timing
from bench.opendkim import PeerMissingError
from bench.report import Section, Target
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import Template, expand, parse_template
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.watch import Watch
from tests.support.corpus import read_goldens
from tests.support.expansion import DIED, VECTORS, Sandbox, read_vectors
from tests.support.generated import read_stored

LIMIT = 0.5
"""At least this part of Exim's rate."""
ROOT = Path(__file__).parent.parent
_LINES = 10_000
"""Lines of a run, at least: what Exim's start takes differs by as much as a thousand lines."""
_GENERATED = 3_000
"""Random templates of the stored ten thousand."""
_OPTION = re.compile(rb"^[^#\n]*?=\s*(\$\{.*\})$", re.MULTILINE)
# What asks others, and a search for plug-ins.
_NOT_ALONE = re.compile(rb"readsocket|\$\{acl|stat:|env\{|randint|sqlite|passwd|quote_nosuch")
_MACROS = {
    b"SIGNS_ALWAYS": b"TABLES/table",
    b"ETC/signing-domains": b"TABLES/table",
    b"ETC/keys": b"TABLES/dir",
    b"WHEN_DEFERRED": b"accept",
}


def measure(rounds: int) -> Section:
    """The strings of the examples, and the lines of the differential corpus by family."""
    if os.geteuid() != 0 or not Path("/usr/sbin/exim4").exists():
        raise PeerMissingError(
            "expansion: Exim is not installed (apt-get install exim4-daemon-heavy), or you are not root"
        )
    section = Section(
        "Expansion: strings a second in one process",
        f"medians of {rounds} interleaved rounds; CPU time; Exim without its start",
        ("", "lines", "this package", "exim -be", "/ Exim"),
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        sandbox = Sandbox(directory / "sandbox")
        time.sleep(2.1)  # a table that has just changed is not kept
        vectors = _usable([vector.template for vector in read_vectors(VECTORS / "same.txt")])
        asking = [line for line in vectors if _asks(line, sandbox)]
        crossed = _usable(
            [golden.template for golden in read_goldens(VECTORS / "crossed.golden") if golden.exim != DIED]
        )
        generated = _usable([golden.template for golden in read_stored(directory)[:_GENERATED] if golden.exim != DIED])
        families = {"vectors": vectors, "vectors that ask": asking, "crossed": crossed, "generated": generated}
        for title, lines in {"examples": _examples(), **families}.items():
            _compare(section, title, lines, sandbox, rounds)
    return section


def _examples() -> list[bytes]:
    """What examples/exim.conf and examples/exim-dkim.conf expand, but for what asks a server."""
    lines = []
    for name in ("exim.conf", "exim-dkim.conf"):
        text = re.sub(rb"\\\n\s*", b"", (ROOT / "examples" / name).read_bytes())
        for macro, value in _MACROS.items():
            text = text.replace(macro, value)
        lines += [line for line in _OPTION.findall(text) if not _NOT_ALONE.search(line)]
    return lines


def _usable(lines: Sequence[bytes]) -> list[bytes]:
    """Those that can be parsed and ask nobody else."""
    found = []
    for line in lines:
        with suppress(ExpansionError):
            parse_template(line)
            if not _NOT_ALONE.search(line):
                found.append(line)
    return found


def _asks(line: bytes, sandbox: Sandbox) -> bool:
    """Whether the value depends on something outside of the line."""
    watch = Watch(State(sandbox.environment(), {}))
    with suppress(ExpansionError):
        _parsed(line, sandbox).run(watch)
    return not watch.close()


def _parsed(line: bytes, sandbox: Sandbox) -> Template:
    return parse_template(line.replace(b"TABLES", os.fsencode(sandbox.tables)))


def _compare(section: Section, title: str, lines: list[bytes], sandbox: Sandbox, rounds: int) -> None:
    count = len(lines)
    lines = lines * (_LINES // len(lines) + 1)
    runs = {"ours": _ours(lines, sandbox), "exim": _exim(lines, sandbox)}
    times = timing.interleave(runs, rounds, 0.3)
    ratio = timing.ratio(times["exim"], times["ours"])
    rates = {name: len(lines) / statistics.median(taken) for name, taken in times.items()}
    section.rows.append((title, str(count), f"{rates['ours']:,.0f}", f"{rates['exim']:,.0f}", f"{ratio:.2f}"))
    section.values.append({"name": title, "lines": count, "ratio": ratio, **rates})
    section.targets.append(Target(f"{title}, of Exim's rate", ratio, LIMIT, at_least=True))


def _ours(lines: Sequence[bytes], sandbox: Sandbox) -> timing.Run:
    parsed = {line: _parsed(line, sandbox) for line in lines}
    templates = [parsed[line] for line in lines]
    environment = sandbox.environment()

    def expand_all() -> None:
        for template in templates:
            try:  # noqa: SIM105  cheaper than suppress()
                expand(template, environment)
            except ExpansionError:
                pass

    return timing.of_process(expand_all)


def _exim(lines: Sequence[bytes], sandbox: Sandbox) -> timing.Run:
    text = b"".join(line + b"\n" for line in lines)
    command = sandbox.exim_command()
    start = statistics.median(_cpu_of(command, b"") for _ in range(5))

    def run(count: int) -> float:
        return max(_cpu_of(command, text * count) - start, 1e-3) / count

    return run


def _cpu_of(command: Sequence[str], text: bytes) -> float:
    """The CPU seconds of a program that reads `text`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
