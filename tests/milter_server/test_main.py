"""The programs as processes: background, pid file, privileges, restarts, reloads, several filters in one process."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ConfigurationError
from exim_dkim.message import parse_message
from exim_dkim.system import logs
from milter_server import dkim_filter, sid_filter
from milter_server.command import Body, Data, EndOfHeaders, Field, Mail, Rcpt
from milter_server.configuration import filters_of, read_filter
from milter_server.main import LOGGERS, Programme, configure_logs, make_filters
from tests.support import samples
from tests.support.cli import run_cli
from tests.support.milter_client import LostError, MilterClient, Outcome
from tests.support.milter_filters import BODY, FIELDS, KEY, pass_through
from tests.support.peers import program
from tests.support.processes import Process, free_port, shared_directory, wait_until

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
SIGNING = ("-d", "example.org", "-k", str(KEY), "-s", "key1")


def command(name: str, *arguments: str) -> list[str]:
    if name == "milter":
        start = "import sys; from exim_dkim.commands.main import main; sys.exit(main())"
        return [sys.executable, "-c", start, "milter", *arguments]
    return [sys.executable, "-m", f"milter_server.{name}_filter", *arguments]


def run(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, *arguments), capture_output=True, text=True, timeout=60, env={**os.environ, **(environment or {})}
    )


def answers(port: int) -> bool:
    """Whether somebody speaks the milter protocol there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    with MilterClient(("127.0.0.1", port)):
        return True


@contextlib.contextmanager
def foreground(directory: Path, name: str, *arguments: str, ports: tuple[int, ...]) -> Iterator[Process]:
    """A program with -f, from when it answers; ended at the end."""
    process = Process(command(name, "-f", *arguments), log=directory / "log", environment=dict(os.environ))
    try:
        for port in ports:
            process.wait_until("the filter answers", functools.partial(answers, port))
        yield process
    finally:
        process.end()


def message(port: int, address: bytes = b"127.0.0.1") -> Outcome:
    with MilterClient(("127.0.0.1", port)) as mta:
        mta.greet(address=address)
        return mta.message(FIELDS, BODY)


def inserted(outcome: Outcome) -> list[bytes]:
    return [name for name, _ in outcome.applied(FIELDS)[: len(outcome.modifications)]]


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has collected yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_into_the_background_and_back(tmp_path: Path) -> None:
    port, pid_file = free_port(), tmp_path / "pid"
    done = run("dkim", "-p", f"inet:{port}@127.0.0.1", *SIGNING, "-P", str(pid_file))
    assert (done.returncode, done.stderr) == (0, "")
    pid = int(pid_file.read_text())
    try:
        assert inserted(message(port)) == [b"DKIM-Signature"]
        assert os.getsid(pid) == pid
        assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until("the filter has ended", lambda: gone(pid))
    assert not pid_file.exists()


def test_what_is_wrong_in_the_background_is_told_to_the_terminal(tmp_path: Path) -> None:
    pid_file = tmp_path / "missing" / "pid"
    done = run("dkim", "-p", f"inet:{free_port()}@127.0.0.1", *SIGNING, "-P", str(pid_file))
    assert done.returncode == 78
    assert done.stderr == f"dkim-filter: command line: pid_file_path: {pid_file}: No such file or directory\n"


@pytest.mark.parametrize(
    ("name", "arguments", "status", "text"),
    [
        ("dkim", "", 78, "dkim-filter has no socket; set milter_listen (-p), as in inet:10003@127.0.0.1"),
        ("dkim", "-p inet:99999", 78, "milter_listen: inet:99999: '99999' is not a port number"),
        ("dkim", "-p inet:{taken}@127.0.0.1", 78, "milter_listen: inet:{taken}@127.0.0.1: Address already in use"),
        ("dkim", "-p inet:1 -b s", 78, "dkim-filter is to sign, but dkim_domain is not set"),
        ("dkim", "-p inet:1 -d x.example -k /nonexistent -s s", 78, "dkim_private_key: /nonexistent: No such file"),
        ("dkim", "-p inet:1 -d x.example -k /etc/passwd -s s", 78, "not a private key"),
        ("dkim", "-p inet:1 -i /nonexistent", 78, "milter_internal_hosts: /nonexistent: No such file"),
        (
            "dkim",
            "-p inet:1 --set milter_internal_hosts=1.2.3",
            78,
            "milter_internal_hosts: '1.2.3' is not a host; write an address",
        ),
        ("dkim", "-p inet:1 -x /nonexistent", 78, "failed to open /nonexistent"),
        ("dkim", "-p inet:1 -s key1", 2, "may be a selector"),
        ("dkim", "-p inet:1 --set milter_methods=weather", 78, "'weather' is no method; there are: dkim"),
        ("dkim", "-p inet:1 --set milter_filters=x --profile x", 78, 'profile "x" unknown'),
        ("sid", "-p inet:1 -u nobody-of-this-name", 78, "user: there is no user nobody-of-this-name"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    name: str, arguments: str, status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = {"dkim": dkim_filter.main, "sid": sid_filter.main}[name]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["-f", *arguments.format(taken=port).split()]) == status
    told = capsys.readouterr().err
    assert text.format(taken=port) in told
    assert told.startswith(f"{name}-filter: ")


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dkim_filter.main(["-n", "-p", "inet:1@127.0.0.1", *SIGNING, "-L", "5"]) == 0
    told = capsys.readouterr()
    assert told.out == "dkim-filter: the configuration is right\n"
    assert "dkim-filter: warning: -L does nothing" in told.err
    (tmp_path / "c").write_text("dkim_domain = ${if\n")
    assert dkim_filter.main(["-n", "-x", str(tmp_path / "c")]) == 78
    assert capsys.readouterr().err.startswith(f"dkim-filter: {tmp_path}/c:1: failed to expand dkim_domain")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("-p inet:99999@127.0.0.1", "milter_listen: inet:99999@127.0.0.1: '99999' is not a port number"),
        ("-p inet:1@127.0.0.1 -u nobody-of-this-name", "user: there is no user nobody-of-this-name"),
        ("-p unix:/x --set milter_socket_group=no-such", "milter_socket_group: there is no group no-such"),
    ],
)
def test_a_check_finds_what_a_start_would(arguments: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dkim_filter.main(["-n", *arguments.split()]) == 78
    assert text in capsys.readouterr().err


def test_a_check_warns_of_what_only_systemd_could_make_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert dkim_filter.main(["-n"]) == 0
    assert "dkim-filter: warning: dkim-filter has no socket; set milter_listen (-p)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "foreground", "to_syslog", "level"),
    [
        ("", True, False, logging.INFO),
        ("", False, True, logging.WARNING),
        ("log_destination = syslog", True, True, logging.INFO),
        ("log_destination = syslog", False, True, logging.INFO),
        ("log_destination = stderr", False, False, logging.INFO),
    ],
)
def test_where_the_log_goes(
    options: str, foreground: bool, to_syslog: bool, level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SYSLOG_SOCKET", str(tmp_path / "log"))
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    log = logging.getLogger("milter_server")
    monkeypatch.setattr(log, "propagate", log.propagate)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(tmp_path / "log"))
        syslog.settimeout(5)
        configure_logs(parse_configuration(options.encode()), foreground, "dkim-filter")
        try:
            assert log.level == level
            log.error("hello")
            if to_syslog:
                assert b"dkim-filter[" in syslog.recv(4096)
            else:
                syslog.setblocking(False)
                with pytest.raises(BlockingIOError):
                    syslog.recv(4096)
        finally:
            for name in LOGGERS:
                for handler in logging.getLogger(name).handlers[:]:
                    logging.getLogger(name).removeHandler(handler)
                    handler.close()
            log.setLevel(logging.NOTSET)


def test_a_list_of_clients_that_is_not_there_yet_is_told() -> None:
    done = run("dkim", "-p", "inet:1@127.0.0.1", *SIGNING, "-U", "/nonexistent/pop.db", "-n")
    assert done.returncode == 0
    assert "warning: milter_pop_before_smtp (-U): /nonexistent/pop.db: there is no such file yet" in done.stderr


def test_messages_in_files(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("From: a@example.org\n\ntext\n")
    done = run("dkim", *SIGNING, "-t", str(tmp_path / "m"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"dkim-filter: {tmp_path / 'm'}: signed d=example.org s=key1\nDKIM-Signature: v=1;")


def test_started_again_after_a_crash_and_in_the_middle_of_a_message(tmp_path: Path) -> None:
    port = free_port()
    with foreground(tmp_path, "dkim", "-A", "-p", f"inet:{port}@127.0.0.1", *SIGNING, ports=(port,)) as keeper:
        (child,) = _children(keeper.pid)
        with MilterClient(("127.0.0.1", port)) as mta:
            mta.greet(address=b"127.0.0.1")
            for command in (Mail(b"<a@example.org>"), Rcpt(b"<b@example.net>"), Data(), Field(*FIELDS[0])):
                mta.tell(command)
            mta.tell(EndOfHeaders())
            mta.tell(Body(b"half a mess"))
            mta.flush()
            os.kill(child, signal.SIGKILL)
            with pytest.raises(LostError):
                mta.reply()
        assert inserted(message(port)) == [b"DKIM-Signature"]  # connections wait meanwhile: the socket stays open
        assert _children(keeper.pid) != [child]
        assert "ended with status -9; starting it again in 1 s" in keeper.output()
        keeper.send(signal.SIGTERM)
        assert keeper.wait() == 0


def test_a_child_ends_when_its_keeper_is_gone(tmp_path: Path) -> None:
    port = free_port()
    with foreground(tmp_path, "dkim", "-A", "-p", f"inet:{port}@127.0.0.1", *SIGNING, ports=(port,)) as keeper:
        (child,) = _children(keeper.pid)
        keeper.send(signal.SIGKILL)
        keeper.wait()
        wait_until("the child has ended", lambda: gone(child))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_reload(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "c"
    text = f"milter_listen = inet:{port}@127.0.0.1\nmilter_domains = example.org\ndkim_selector = {{}}\n"
    text += f"dkim_private_key = {KEY}\n"
    file.write_text(text.format("one"))
    with foreground(tmp_path, "dkim", "-x", str(file), ports=(port,)) as process:
        assert b"s=one;" in message(port).applied(())[0][1]
        file.write_text("nonsense = 1\n")
        process.send(signal.SIGHUP)
        process.wait_until("the fault is logged", lambda: "the old configuration stays" in process.output())
        assert f'{file}:1: main option "nonsense" unknown' in process.output()
        assert b"s=one;" in message(port).applied(())[0][1]
        file.write_text(text.format("two"))
        process.send(signal.SIGHUP)
        process.wait_until("the file is read again", lambda: "configuration read again" in process.output())
        assert b"s=two;" in message(port).applied(())[0][1]


def test_what_was_read_again_counts_after_a_crash_too(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "c"
    text = f"milter_listen = inet:{port}@127.0.0.1\nmilter_domains = example.org\ndkim_selector = {{}}\n"
    text += f"dkim_private_key = {KEY}\nmilter_restart\n"
    file.write_text(text.format("one"))
    with foreground(tmp_path, "dkim", "-x", str(file), ports=(port,)) as keeper:
        (child,) = _children(keeper.pid)
        file.write_text(text.format("two"))
        keeper.send(signal.SIGHUP)
        keeper.wait_until("the file is read again", lambda: "configuration read again" in keeper.output())
        os.kill(child, signal.SIGKILL)
        assert b"s=two;" in message(port).applied(())[0][1]


FILTERS = """
begin profiles
sid-filter:
  milter_listen = inet:{sid}@127.0.0.1
dkim-filter:
  milter_listen = inet:{dkim}@127.0.0.1
  milter_domains = example.org
  dkim_selector = key1
  dkim_private_key = {key}
"""


STRICT_AND_LAX = """
dns_zone_file = {zone}
authserv_id = mx.example
dkim_verify_min_keysizes = rsa=2048
begin profiles
strict:
  milter_methods = {method}
lax:
  milter_methods = {method}
  {option}
"""
PLAIN = samples.message()
LATER = int(time.time()) + 86400
TWICE = samples.signed(samples.signed(PLAIN), selector="revoked")
CASES = [
    ("dkim_verify_min_keysizes = rsa=4096", "dkim", samples.signed(PLAIN), ("pass", "policy")),
    ("dkim_verify_max_keysize = 1024", "dkim", samples.signed(PLAIN), ("pass", "policy")),
    ("dkim_verify_hashes = sha512", "dkim", samples.signed(PLAIN), ("pass", "policy")),
    ("dkim_verify_signatures = 1", "dkim", TWICE, ("permerror pass", "permerror policy")),
    ("dkim_verify_clock_drift = 100w", "dkim", samples.signed(PLAIN, timestamp=LATER), ("policy", "pass")),
    ("domainkeys_verify = false", "domainkeys", samples.domainkeys_signed(PLAIN), ("pass", "policy")),
    ("domainkeys_verify_min_keysize = 4096", "domainkeys", samples.domainkeys_signed(PLAIN), ("pass", "policy")),
    ("spf_max_void_lookups = 0", "spf", PLAIN, ("pass", "permerror")),
    ("senderid_spf1 = false", "senderid", PLAIN, ("pass", "none")),
    ("authserv_id = other.example", "dkim", PLAIN, ("mx.example", "other.example")),
]


@pytest.mark.parametrize(("option", "method", "text", "words"), CASES, ids=[row[0] for row in CASES])
def test_filters_of_a_process_may_verify_differently(
    tmp_path: Path, option: str, method: str, text: bytes, words: tuple[str, str]
) -> None:
    records = {**samples.RECORDS, "example.org": "v=spf1 a:nothing.example ip4:192.0.2.1 -all"}
    (tmp_path / "zone").write_text(samples.zone_text(records))
    configuration = STRICT_AND_LAX.format(zone=tmp_path / "zone", option=option, method=method)
    settings = parse_configuration(configuration.encode(), "test.conf")
    parsed = parse_message(text)
    fields = [(field.raw.partition(b":")[0], field.value) for field in parsed.fields]
    found = []
    filters = filters_of(settings.replaced({"milter_filters": b"strict : lax"}), {})
    for one in make_filters(Programme(settings, filters)).values():
        (result,) = pass_through(one, fields, parsed.body, address=b"192.0.2.1").results
        told = re.findall(r"(?:dkim|domainkeys|spf|sender-id)=(\w+)", result)
        found.append(result.partition(";")[0] if option.startswith("authserv_id") else " ".join(told))
    assert tuple(found) == words


def test_what_makes_no_sense_in_a_profile_has_its_place() -> None:
    text = b"begin profiles\ndkim-filter:\n  dkim_verify_hashes = md5\n"
    settings = parse_configuration(text, "test.conf")
    with pytest.raises(ConfigurationError, match="'md5' is no hash") as caught:
        make_filters(Programme(settings, filters_of(settings, {})))
    assert (caught.value.file, caught.value.line) == ("test.conf", 3)


def test_two_filters_in_one_process(tmp_path: Path) -> None:
    sid, dkim = free_port(), free_port()
    file = tmp_path / "c"
    user = "user = root\n" if os.geteuid() == 0 else ""
    file.write_text(
        user
        + "dns_zone_file = /dev/null\n".replace("/dev/null", str(tmp_path / "zone"))
        + FILTERS.format(sid=sid, dkim=dkim, key=KEY)
    )
    (tmp_path / "zone").write_text('example.org. 60 IN TXT "v=spf1 -all"\n')
    done = run("milter", "--check", "--config", str(file))
    assert done.stdout.splitlines() == [
        f"sid-filter on inet:{sid}@127.0.0.1: verify spf, verify sender-id",
        f"dkim-filter on inet:{dkim}@127.0.0.1: sign dkim, verify dkim",
    ]
    with foreground(tmp_path, "milter", "--config", str(file), ports=(sid, dkim)) as process:
        assert inserted(message(dkim)) == [b"DKIM-Signature"]
        assert inserted(message(dkim, b"198.51.100.1")) == [b"Authentication-Results"]
        (change,) = message(sid, b"198.51.100.1").modifications
        assert b"spf=fail" in change.value  # type: ignore[union-attr]
        assert f"sid-filter on inet:{sid}:127.0.0.1" in process.output().replace(
            f"inet:127.0.0.1:{sid}", f"inet:{sid}:127.0.0.1"
        )


def test_a_program_uses_its_profile(tmp_path: Path) -> None:
    sid, dkim = free_port(), free_port()
    file = tmp_path / "c"
    file.write_text(FILTERS.format(sid=sid, dkim=dkim, key=KEY))
    with foreground(tmp_path, "dkim", "-x", str(file), ports=(dkim,)):
        assert inserted(message(dkim)) == [b"DKIM-Signature"]
        assert not answers(sid)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("milter_filters = a : a\nbegin profiles\na:\n", "milter_filters: a filter is named twice"),
        ("milter_filters = a : b\nbegin profiles\na:\n", "there is no profile b"),
        ("milter_filters = a\nbegin profiles\na:\n  milter_mode = x\n", "milter_mode: 'x': write s, v or sv"),
    ],
)
def test_profiles_that_are_no_filters(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "c").write_text(text)
    result = run_cli("milter", "--check", "--config", tmp_path / "c")
    assert result.exit_code == 78
    assert error in result.stderr


@NEEDS_ROOT
def test_privileges_are_dropped_and_keys_that_only_root_reads_are_used() -> None:
    port = free_port()
    with shared_directory("exim-dkim-milter-") as directory:
        key = directory / "key.pem"
        key.write_bytes(KEY.read_bytes())
        key.chmod(0o600)
        arguments = ("-p", f"inet:{port}@127.0.0.1", "-d", "example.org", "-k", str(key), "-s", "key1", "-u", "nobody")
        with foreground(directory, "dkim", *arguments, ports=(port,)) as process:
            status = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split()
            assert inserted(message(port)) == [b"DKIM-Signature"]
            process.send(signal.SIGHUP)
            process.wait_until("the file is read again", lambda: "configuration read again" in process.output())
            assert inserted(message(port)) == [b"DKIM-Signature"]


@NEEDS_ROOT
def test_root_is_warned_by_programs_and_refused_by_exim_dkim_milter(tmp_path: Path) -> None:
    port = free_port()
    with foreground(tmp_path, "sid", "-p", f"inet:{port}@127.0.0.1", ports=(port,)) as process:
        assert "running as root; name a user with -u" in process.output()
    (tmp_path / "c").write_text(f"milter_listen = inet:{port}@127.0.0.1\n")
    done = run("milter", "--config", str(tmp_path / "c"))
    assert done.returncode == 78
    assert "started as root, and no user is set" in done.stderr


def test_sockets_of_systemd_find_their_filter_by_name(tmp_path: Path) -> None:
    file = tmp_path / "c"
    user = "user = root\n" if os.geteuid() == 0 else ""
    file.write_text(user + FILTERS.format(sid=1, dkim=2, key=KEY))
    activate = program("python3", "python3")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = one.getsockname()[1], two.getsockname()[1]
        starter = (
            "import os, sys\n"
            f"os.dup2({one.fileno()}, 30); os.dup2({two.fileno()}, 31); os.dup2(30, 3); os.dup2(31, 4)\n"
            "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='dkim-filter:sid-filter')\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        child = subprocess.Popen(
            [activate, "-c", starter, *command("milter", "-f", "--config", str(file))],
            pass_fds=(one.fileno(), two.fileno()),
            stderr=subprocess.DEVNULL,
        )
        try:
            assert inserted(message(ports[0])) == [b"DKIM-Signature"]
            assert inserted(message(ports[1])) == [b"Authentication-Results"]
        finally:
            child.terminate()
            assert child.wait(20) == 0


# --- reports --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "status", "text"),
    [
        ("milter_report_command=/nowhere/sendmail -t", 0, "warning: milter_report_command: /nowhere/sendmail cannot"),
        ("milter_report_command=sendmail -t", 78, "is not a program by its whole path"),
        ("milter_report_server=inet:25", 78, "want inet:PORT@HOST"),
        ("milter_report_from=nobody", 78, "'nobody' is not an address"),
    ],
)
def test_reports_are_looked_at_before_the_start(option: str, status: int, text: str) -> None:
    common = ("-n", "-b", "v", "-p", "inet:1@127.0.0.1", "--set", "primary_hostname=mx.example", "--set", option)
    done = run("dkim", *common, "-R")
    assert (done.returncode, text in done.stderr) == (status, True), done.stderr
    assert run("dkim", *common).returncode == 0  # without -R nobody looks at it


def test_limits_of_reports_go_on_when_the_configuration_is_read_again() -> None:
    settings = parse_configuration(b"milter_reports\nprimary_hostname = mx.example\n", "test.conf")
    programme = Programme(settings, (read_filter(settings, "dkim-filter"),))
    first = make_filters(programme)
    again = make_filters(programme, first)
    assert first["dkim-filter"].reporter is not None
    assert again["dkim-filter"].reporter is not None
    assert again["dkim-filter"].reporter.limits is first["dkim-filter"].reporter.limits
    off = parse_configuration(b"primary_hostname = mx.example\n", "test.conf")
    assert make_filters(Programme(off, (read_filter(off, "dkim-filter"),)), first)["dkim-filter"].reporter is None
