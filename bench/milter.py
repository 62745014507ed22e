"""Filters over the milter protocol: messages a second of CPU time, ours and opendkim with the same client.

Both get the same messages on connections that stay open, as MTAs keep them; each answers what it has negotiated to
answer. Keys come from a file in both.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import timing
from bench.contenders import DOMAIN, SELECTOR, Keys, Ours
from bench.messages import make_message
from bench.milter_load import send
from bench.opendkim import PeerMissingError
from bench.report import Section, Target, size
from bench.server import PATIENCE, TICKS, cpu

MESSAGES = 100
SIZES = (4 << 10, 50 << 10)
CONNECTIONS = (1, 50)
COUNTS = {"opendkim": 300, "dkim-filter": 1200}
"""Messages a round: about a second of CPU time of either."""
ROUNDS = 3
ENDURANCE = 100_000
LEAST = 0.7
EXPECTED = {"verify": b"dkim=pass", "sign": b"v=1; a=rsa-sha256;"}


class Running:
    """A milter: its name, where it listens, its process."""

    def __init__(self, name: str, path: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.path = path
        self.process = process

    def rate(self, messages: Sequence[bytes], connections: int, count: int, expected: bytes) -> float:
        """Messages a second of its CPU time."""
        used = cpu(self.process.pid)
        send(self.path, connections, messages, count, expected)
        return count / max(cpu(self.process.pid) - used, 1 / TICKS)


def measure(rounds: int) -> Section:
    """Verify and sign, 4 KB and 50 KB, one connection and 50; then memory over many messages."""
    section = Section(
        "Milter: messages over the milter protocol",
        "messages a second of the server's CPU time; RSA-2048, relaxed/relaxed, keys from a file",
        ("", "opendkim", "dkim-filter", "ours / opendkim"),
    )
    keys = Keys()
    ours = Ours(keys)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for act in ("verify", "sign"):
            with _opendkim(directory, keys, act) as peer, _ours(directory, keys, act) as filter:
                timing.leave_to(peer.process.pid)
                timing.leave_to(filter.process.pid)
                for octets in SIZES:
                    messages = [make_message(octets, f"m{number:04}") for number in range(MESSAGES)]
                    if act == "verify":
                        messages = [ours.sign_once(message, "relaxed") + message for message in messages]
                    for connections in CONNECTIONS:
                        _case(section, act, octets, connections, (peer, filter), messages, min(rounds, ROUNDS))
                if act == "verify":
                    _endurance(section, filter, messages[:10])
    return section


def _case(
    section: Section,
    act: str,
    octets: int,
    connections: int,
    contenders: Sequence[Running],
    messages: Sequence[bytes],
    rounds: int,
) -> None:
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for contender in contenders:
        contender.rate(messages, connections, connections, EXPECTED[act])
    for _ in range(rounds):
        for contender in contenders:
            count = COUNTS[contender.name]
            rates[contender.name].append(contender.rate(messages, connections, count, EXPECTED[act]))
    peer, own = rates.values()
    ratio = timing.ratio(own, peer)
    title = f"{act} {size(octets)}, {connections} connection{'s' if connections > 1 else ''}"
    section.rows.append((title, f"{statistics.median(peer):.0f}", f"{statistics.median(own):.0f}", f"{ratio:.2f}"))
    section.values.append({"name": title, "opendkim": peer, "dkim-filter": own, "ratio": ratio})
    section.targets.append(Target(f"{title}: of opendkim's rate", ratio, LEAST, at_least=True))


def _endurance(section: Section, filter: Running, messages: Sequence[bytes]) -> None:
    """Memory after a tenth of many messages, and after all."""
    began = time.perf_counter()
    send(filter.path, CONNECTIONS[-1], messages, ENDURANCE // 10, EXPECTED["verify"])
    before = resident(filter.process.pid)
    send(filter.path, CONNECTIONS[-1], messages, ENDURANCE - ENDURANCE // 10, EXPECTED["verify"])
    growth = resident(filter.process.pid) - before
    rate = ENDURANCE / (time.perf_counter() - began)
    section.rows.append((f"memory after {ENDURANCE} messages", "", f"{before + growth} KiB", f"{growth:+} KiB"))
    section.values.append({"name": "endurance", "kib": before + growth, "growth": growth, "messages_per_second": rate})
    section.targets.append(Target("growth over 90,000 messages", growth / 1024, 2.0, " MiB"))


def resident(process: int) -> int:
    """KiB of memory that a process has."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def _opendkim(directory: Path, keys: Keys, act: str) -> Iterator[Running]:
    program = shutil.which("opendkim", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise PeerMissingError("opendkim is not installed: apt-get install opendkim")
    path = f"{directory}/opendkim.sock"
    key = directory / "opendkim.pem"
    key.write_bytes(keys.pem)
    (directory / "records").write_text(f"{keys.name} {keys.record.decode()}\n")
    lines = [
        f"Socket local:{path}",
        "Background no",
        "Syslog no",
        "RequireSafeKeys no",
        "Canonicalization relaxed/relaxed",
        f"TestDNSData file:{directory}/records",
    ]
    if act == "verify":
        lines += ["Mode v", "InternalHosts 127.0.0.5", "AuthservID mx.example.net"]
    else:
        lines += ["Mode s", f"Domain {DOMAIN}", f"Selector {SELECTOR}", f"KeyFile {key}", "InternalHosts 192.0.2.1"]
    configuration = directory / "opendkim.conf"
    configuration.write_text("".join(f"{line}\n" for line in lines))
    with _process("opendkim", path, [program, "-f", "-x", str(configuration)]) as running:
        yield running


@contextmanager
def _ours(directory: Path, keys: Keys, act: str) -> Iterator[Running]:
    path = f"{directory}/ours.sock"
    key = directory / "ours.pem"
    key.write_bytes(keys.pem)
    key.chmod(0o600)
    record = keys.record.decode()
    pieces = " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))
    (directory / "zone").write_text(f"{keys.name}. TXT {pieces}\n")
    clients = directory / "clients"
    clients.write_text("192.0.2.1\n" if act == "sign" else "127.0.0.5\n")
    user = "user = root\n" if os.geteuid() == 0 else ""
    configuration = directory / "ours.conf"
    configuration.write_text(f"dns_zone_file = {directory}/zone\nlog_destination = stderr\n{user}")
    words = ["-f", "-p", f"unix:{path}", "-x", str(configuration), "-b", act[0], "-i", str(clients)]
    if act == "verify":
        words += ["-H", "mx.example.net"]
    else:
        words += ["-d", DOMAIN, "-s", SELECTOR, "-k", str(key), "-c", "relaxed/relaxed"]
    start = "import sys; from milter_server.dkim_filter import main; sys.exit(main(sys.argv[1:]))"
    with _process("dkim-filter", path, [sys.executable, "-c", start, *words]) as running:
        yield running


@contextmanager
def _process(name: str, path: str, command: Sequence[str]) -> Iterator[Running]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
    try:
        end = time.monotonic() + PATIENCE
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(path) == 0:
                    break
            if time.monotonic() > end or process.poll() is not None:
                raise AssertionError(f"{name} does not start")
            time.sleep(0.02)
        yield Running(name, path, process)
    finally:
        process.kill()
        process.wait(timeout=PATIENCE)
