"""The look-up server over its Unix socket: requests a second and latencies, for each kind of query."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench import timing
from bench.contenders import DOMAIN, Keys, Ours
from bench.messages import make_message
from bench.report import Section, duration

MESSAGES = 400
REQUESTS = 2000
CLIENTS = 8
OCTETS = 4 << 10
PATIENCE = 10.0
"""Seconds for the server to start, and for a reply."""
_START = "import sys; from lookup_server.main import run; sys.exit(run(sys.argv[1]))"
TICKS = os.sysconf("SC_CLK_TCK")


def measure(rounds: int) -> Section:
    """Distinct 4 KB messages, then one message again and again; by one client, then by several at once."""
    section = Section(
        "Server: look-ups over the Unix socket",
        f"4 KB messages, keys from a zone file; server and clients on two cores if there are; {CLIENTS} clients, "
        "latencies with one",
        ("", "requests/s", "server CPU", "median", "95 %", "99 %", "longest"),
    )
    keys = Keys()
    ours = Ours(keys)
    requests = []
    for number in range(MESSAGES * 2):
        message = make_message(OCTETS, f"m{number:04}")
        requests.append(b"dkim example.org\ncontrol = dkim_verify\n\n" + ours.sign_once(message, "relaxed") + message)
    with tempfile.TemporaryDirectory() as directory, _running(Path(directory), keys) as (path, process):
        _case(section, "distinct messages", path, process, requests[:MESSAGES], requests[MESSAGES:])
        again = requests[:1] * REQUESTS
        _case(section, "the same message", path, process, again, again)
        spf = [_enveloped(b"spf", number) for number in range(MESSAGES * 2)]
        _case(section, "spf, distinct senders", path, process, spf[:MESSAGES], spf[MESSAGES:], b"pass")
        fields = [
            _enveloped(b"authres", number, request.partition(b"\n")[2])
            for number, request in enumerate(requests, len(requests))
        ]
        wanted = b"Authentication-Results: "
        _case(section, "authres: DKIM, SPF, Sender ID", path, process, fields[:MESSAGES], fields[MESSAGES:], wanted)
    return section


def _enveloped(query: bytes, number: int, rest: bytes = b"\n") -> bytes:
    """A request with an envelope of its own; `rest` is what follows the first line."""
    sender = b"sender_host_address = 192.0.2.1\nsender_address = u%d@%s\n" % (number, DOMAIN.encode())
    return query + b"\n" + sender + rest


@contextmanager
def _running(directory: Path, keys: Keys) -> Iterator[tuple[str, int]]:
    """A server; its socket and process id."""
    record = keys.record.decode()
    pieces = " ".join(f'"{record[start : start + 250]}"' for start in range(0, len(record), 250))
    (directory / "zone").write_text(f'{keys.name}. TXT {pieces}\n{DOMAIN}. TXT "v=spf1 ip4:192.0.2.0/24 -all"\n')
    path = str(directory / "lookup.sock")
    configuration = directory / "exim-dkim.conf"
    user = "user = root\n" if os.geteuid() == 0 else ""
    configuration.write_text(
        f"lookup_listen = {path}\nlog_destination = stderr\ndns_zone_file = {directory}/zone\n{user}"
    )
    words = [sys.executable, "-c", _START, str(configuration)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[1])
    try:
        _wait(path, process)
        timing.leave_to(process.pid)
        yield path, process.pid
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _wait(path: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            if ask(path, b"ping\n") == b"pong":
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the look-up server does not start")


def ask(path: str, request: bytes) -> bytes:
    """One request as Exim makes it, and the reply."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(path)
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        reply = b""
        while piece := client.recv(4096):
            reply += piece
        return reply


def _timed(path: str, request: bytes, wanted: bytes) -> float:
    start = time.perf_counter()
    reply = ask(path, request)
    spent = time.perf_counter() - start
    if not reply.startswith(wanted):
        raise AssertionError(f"the server answers {reply!r}")
    return spent


def cpu(process: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _case(
    section: Section,
    name: str,
    path: str,
    process: int,
    one_by_one: Sequence[bytes],
    at_once: Sequence[bytes],
    wanted: bytes = b"good",
) -> None:
    used = cpu(process)
    times = sorted(_timed(path, request, wanted) for request in one_by_one)
    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(lambda request: _timed(path, request, wanted), at_once):
            pass
    rate = len(at_once) / (time.perf_counter() - start)
    spent = (cpu(process) - used) / (len(one_by_one) + len(at_once))
    cuts = statistics.quantiles(times, n=100)
    latencies = {"median": cuts[49], "95 %": cuts[94], "99 %": cuts[98], "longest": times[-1]}
    section.rows.append((name, f"{rate:.0f}", duration(spent), *map(duration, latencies.values())))
    section.values.append({"name": name, "requests_per_second": rate, "cpu": spent, "domain": DOMAIN, **latencies})
