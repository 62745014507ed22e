"""The signing filter as Exim starts it: wall time, CPU time and peak memory; its cold start against a bare Python's."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import timing
from bench.contenders import DOMAIN, SELECTOR, Keys
from bench.messages import make_message
from bench.report import Section, Target, duration, size

SIZES = (4 << 10, 50 << 20)
MEMORY_LIMIT = 64.0
"""MiB of peak memory for the large message."""
START_LIMIT = 1.3
LAUNCHER = Path(__file__).with_name("launch.py")
FILTER = Path(sys.executable).with_name("exim-dkim-filter")
BARE = "from cryptography.hazmat.primitives.asymmetric import rsa"
RUNS_IN_A_ROUND = 5
LARGE_RUNS = 3


class Run(NamedTuple):
    """One run of a program: seconds, seconds of CPU, KiB of peak memory."""

    wall: float
    cpu: float
    memory: int


def launch(command: Sequence[str], source: str, target: str, count: int) -> list[Run]:
    """Runs a command so many times; an exit status other than 0 is an error."""
    words = [sys.executable, "-I", "-S", str(LAUNCHER), str(count), source, target, *command]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    runs = []
    for line in done.stdout.splitlines():
        wall, cpu, memory, status = line.split()
        if status != "0":
            raise AssertionError(f"{command[0]} ended with status {status}: {done.stderr}")
        runs.append(Run(float(wall), float(cpu), int(memory)))
    return runs


def measure(rounds: int) -> Section:
    """Both sizes, and the cold start."""
    section = Section(
        "Filter: one process a message",
        f"RSA-2048, relaxed/relaxed, options from a file; medians of {rounds * RUNS_IN_A_ROUND} interleaved runs; "
        "bare: python -I that imports cryptography's RSA",
        ("", "wall", "CPU", "peak memory", "/ bare: wall", "/ bare: CPU"),
    )
    with tempfile.TemporaryDirectory() as directory:
        command = _prepare(Path(directory))
        _cold_start(section, command, Path(directory), rounds)
        _large(section, command, Path(directory))
    return section


def _prepare(directory: Path) -> list[str]:
    (directory / "key.pem").write_bytes(Keys().pem)
    (directory / "key.pem").chmod(0o600)
    configuration = directory / "exim-dkim.conf"
    configuration.write_text(
        f"dkim_domain = {DOMAIN}\ndkim_selector = {SELECTOR}\ndkim_private_key = {directory}/key.pem\n"
        "dkim_strict = true\n"
    )
    for octets in SIZES:
        # as Exim hands it over: line ends are LF
        (directory / f"{octets}.msg").write_bytes(make_message(octets).replace(b"\r\n", b"\n"))
    return [str(FILTER), "--config", str(configuration)]


def _cold_start(section: Section, command: Sequence[str], directory: Path, rounds: int) -> None:
    message = str(directory / f"{SIZES[0]}.msg")
    python = sys.executable
    commands: Mapping[str, tuple[Sequence[str], str]] = {
        "bare": ((python, "-I", "-c", BARE), "/dev/null"),
        "python -I -c pass": ((python, "-I", "-c", "pass"), "/dev/null"),
        f"filter, {size(SIZES[0])}": (command, message),
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (words, source) in commands.items():
            runs[name] += launch(words, source, "/dev/null", RUNS_IN_A_ROUND)
    bare = runs["bare"]
    for name, taken in runs.items():
        wall = timing.ratio([run.wall for run in taken], [run.wall for run in bare])
        cpu = timing.ratio([run.cpu for run in taken], [run.cpu for run in bare])
        _add(section, name, taken, f"{wall:.2f}", f"{cpu:.2f}")
    section.targets += [
        Target("cold start, wall time, of bare", wall, START_LIMIT),
        Target("cold start, CPU time, of bare", cpu, START_LIMIT),
    ]


def _large(section: Section, command: Sequence[str], directory: Path) -> None:
    source, target = directory / f"{SIZES[1]}.msg", directory / "out"
    runs = launch(command, str(source), str(target), LARGE_RUNS)
    written = target.read_bytes()
    if not (written.startswith(b"DKIM-Signature:") and written.endswith(source.read_bytes())):
        raise AssertionError("the filter's output is not the signed message")
    _add(section, f"filter, {size(SIZES[1])}", runs, "", "")
    memory = max(run.memory for run in runs) / 1024
    section.targets.append(Target(f"peak memory for {size(SIZES[1])}", memory, MEMORY_LIMIT, " MiB"))


def _add(section: Section, name: str, runs: Sequence[Run], *ratios: str) -> None:
    wall = statistics.median(run.wall for run in runs)
    cpu = statistics.median(run.cpu for run in runs)
    memory = max(run.memory for run in runs)
    section.rows.append((name, duration(wall), duration(cpu), f"{memory / 1024:.1f} MiB", *ratios))
    section.values.append({"name": name, "wall": wall, "cpu": cpu, "peak_kib": memory})
