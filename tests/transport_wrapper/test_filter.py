"""The filter as a program: what goes in, what comes out, and what happens when something is in the way."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exim_dkim
import transport_wrapper.filter
from exim_dkim.crypto import generate_private_key
from tests.support.mail import MESSAGE, pem, record
from transport_wrapper.arguments import Arguments
from transport_wrapper.filter import Filter
from transport_wrapper.main import EX_CONFIG, EX_OK, EX_TEMPFAIL, EX_USAGE

SPOOLED = MESSAGE.replace(b"\r\n", b"\n")
KEYS = exim_dkim.MemoryResolver({"sel._domainkey.example.org": record()})
PROGRAM = [sys.executable, "-c", "from transport_wrapper.main import main; main()"]


@pytest.fixture(name="configuration")
def _configuration(tmp_path: Path) -> Path:
    key = tmp_path / "sel.pem"
    key.write_bytes(pem())
    key.chmod(0o600)
    file = tmp_path / "exim-dkim.conf"
    file.write_text(
        f"dkim_domain = example.org\ndkim_selector = sel\ndkim_private_key = {key}\n"
        "dkim_strict = ${if eq{STRICT}{yes}{1}{0}}\n"
    )
    return file


def command(configuration: Path, *more: str, strict: bool = True) -> list[str]:
    return [*PROGRAM, "--config", str(configuration), f"-DSTRICT={'yes' if strict else 'no'}", *more]


def run(words: list[str], message: bytes = SPOOLED, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The filter with stderr in a file, where it is for people."""
    with tempfile.TemporaryFile() as errors:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            words, input=message, stdout=subprocess.PIPE, stderr=errors, timeout=60, check=False, **options  # type: ignore[call-overload]
        )  # fmt: skip
        errors.seek(0)
        done.stderr = errors.read()
    return done


def is_good(output: bytes, message: bytes = SPOOLED) -> bool:
    """Whether `output` is `message` with one good signature before it, and nothing else is changed."""
    field = output.removesuffix(message)
    assert output.endswith(message)
    assert field.startswith(b"DKIM-Signature: ")
    assert field.endswith(b"\n")
    assert b"\r" not in field
    assert b"\n\n" not in field
    wire = field.replace(b"\n", b"\r\n") + message.replace(b"\n", b"\r\n")
    (verdict,) = exim_dkim.verify_blocking(wire, KEYS, now=time.time())
    return verdict.result.value == "pass"


def test_signs(configuration: Path) -> None:
    done = run(command(configuration))
    assert done.returncode == EX_OK
    assert is_good(done.stdout)
    assert done.stderr == b"message: signed d=example.org s=sel\n"


MESSAGES = {
    "no body": b"From: a@example.org\n\n",
    "no empty line": b"From: a@example.org\n",
    "no final newline": b"From: a@example.org\n\nbody",
    "8 bit and NUL": b"From: a@example.org\nX: \xff\xc3\xa4\n\n\xff\0\xc3\xa4\0\n",
    "bare CR": b"From: a@example.org\n\na\rb\r\n\r\n\r",
    "dots": b"From: a@example.org\n\n.\n..\n.x\n\n.\n",
    "blanks": b"From: a@example.org\nX:\n\t folded \t\n\n \t \n\t\n x \n\n\n\n",
    "long lines": b"From: a@example.org\n\n" + b"x" * 500_000 + b"\n" + b" " * 200_000 + b"\n",
    "more than a pipe holds": b"From: a@example.org\n" + b"X: " + b"y" * 200_000 + b"\n\n" + b"line\n" * 100_000,
    "more than the memory limit": b"From: a@example.org\n\n" + b"0123456789abcde\n" * 300_000,
    "many fields": b"From: a@example.org\n" + b"Received: x\n" * 5000 + b"\nbody\n",
}
MALFORMED = {
    "bare CR in the header": b"From: a@example.org\nX: a\rb\n\nbody\n",
    "nameless line": b"not a field\nFrom: a@example.org\n\nbody\n",
}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("canon", ["relaxed", "simple"])
def test_messages_pass_unchanged(configuration: Path, name: str, canon: str) -> None:
    done = run(command(configuration, "--dkim-canon", canon), MESSAGES[name])
    assert done.returncode == EX_OK
    assert is_good(done.stdout, MESSAGES[name])


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_messages_pass_unchanged(configuration: Path, name: str) -> None:
    """Exim makes none. Verifiers differ on them, but that is no reason to keep or change a message."""
    done = run(command(configuration), MALFORMED[name])
    assert done.returncode == EX_OK
    assert done.stdout.startswith(b"DKIM-Signature: ")
    assert done.stdout.endswith(b"=\n" + MALFORMED[name])
    assert b"the header has a line that is no field, or a lone CR or LF" in done.stderr


ED25519 = generate_private_key("ed25519", 0).decode()
FAULTS = {
    "no key": ["--dkim-private-key", "/nonexistent"],
    "a key that is none": ["--dkim-private-key", "junk"],
    "a failing expansion": ["--dkim-domain", "${if eq{a}{b}{x}fail}"],
    "not a domain": ["--dkim-domain", "a b"],
    "a message that is not in the spool": [
        "--message-id",
        "1xUwUc-0005KI-1c",
        "--spool-directory",
        "/nonexistent",
        "--dkim-domain",
        "$sender_address_domain",
    ],
    "a message id that is none": ["--message-id", "../../etc/passwd", "--dkim-domain", "$sender_address_domain"],
    "a message that nobody has named": ["--dkim-domain", "$sender_address_domain"],
    "a hash that Ed25519 does not have": ["--dkim-private-key", ED25519, "--dkim-hash", "sha512"],
    "tainted key name": ["--dkim-private-key", "/keys/${domain:$rh_from:}"],
}


@pytest.mark.parametrize("name", FAULTS)
def test_strict(configuration: Path, name: str) -> None:
    done = run(command(configuration, *FAULTS[name]))
    assert (done.returncode, done.stdout) == (EX_TEMPFAIL, b"")
    assert b"dkim_strict is set" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", FAULTS)
def test_not_strict(configuration: Path, name: str) -> None:
    done = run(command(configuration, *FAULTS[name], strict=False))
    assert (done.returncode, done.stdout) == (EX_OK, SPOOLED)
    assert b"sent unsigned" in done.stderr


@pytest.mark.parametrize("message", [b"", b"\n", b"To: x\n\nno From\n", b"\nbody only\n", b"junk", b" x\nFrom: a\n\n"])
def test_messages_that_cannot_be_signed(configuration: Path, message: bytes) -> None:
    strict = run(command(configuration), message)
    assert (strict.returncode, strict.stdout) == (EX_TEMPFAIL, b"")
    lax = run(command(configuration, strict=False), message)
    assert (lax.returncode, lax.stdout) == (EX_OK, message)


def test_not_to_be_signed(configuration: Path) -> None:
    done = run(command(configuration, "--dkim-private-key", "0"))
    assert (done.returncode, done.stdout) == (EX_OK, SPOOLED)
    assert b"not signed for example.org with sel" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1\n", b"nonsense"),
        ("dkim_domain = a\ndkim_domain = b\n", b"dkim_domain"),
        (".include /nonexistent\n", b"/nonexistent"),
        (".ifdef X\n", b".endif"),
    ],
)
def test_a_wrong_configuration_keeps_the_message(tmp_path: Path, text: str, message: bytes) -> None:
    file = tmp_path / "wrong.conf"
    file.write_text(text)
    done = run(command(file, strict=False))
    assert (done.returncode, done.stdout) == (EX_CONFIG, b"")
    assert message in done.stderr


def test_no_configuration(tmp_path: Path) -> None:
    assert run(command(tmp_path / "missing.conf")).returncode == EX_CONFIG
    done = run([*PROGRAM, "--config", "", "--dkim-domain=example.org", "--dkim-selector=sel",
                "--dkim-private-key", pem().decode()])  # fmt: skip
    assert done.returncode == EX_OK
    assert is_good(done.stdout)


@pytest.mark.parametrize("words", [["--nonsense"], ["--config"]])
def test_a_wrong_command_line(words: list[str]) -> None:
    done = run([*PROGRAM, *words])
    assert (done.returncode, done.stdout) == (EX_USAGE, b"")


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_is_never_taken_for_the_message(word: str) -> None:
    assert run([*PROGRAM, word]).returncode == EX_OK
    as_exim_does = subprocess.run(
        [*PROGRAM, word], input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert (as_exim_does.returncode, as_exim_does.stdout) == (EX_USAGE, b"")


@pytest.mark.parametrize("more", [[], FAULTS["no key"]])
def test_nothing_but_the_message_where_stderr_is_stdout(configuration: Path, more: list[str]) -> None:
    """Exim gives a filter one pipe for both."""
    done = subprocess.run(
        command(configuration, *more, strict=False),
        input=SPOOLED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, env={"PYTHONWARNINGS": "always"},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == SPOOLED if more else is_good(done.stdout)


def test_nothing_but_the_message_where_a_script_stands_between(configuration: Path) -> None:
    """In `filter | other` stdout is the script's pipe, and stderr still Exim's."""
    script = ["sh", "-c", 'exec 3>&1; "$@" 2>&3 | cat', "sh", *command(configuration, *FAULTS["no key"], strict=False)]
    done = subprocess.run(script, input=SPOOLED, stdout=subprocess.PIPE, check=True)
    assert done.stdout == SPOOLED


def test_stderr_closed(configuration: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command(configuration)], input=SPOOLED, stdout=subprocess.PIPE, check=True
    )
    assert is_good(done.stdout)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", ">&- 2>&-"])
def test_input_or_output_closed(configuration: Path, closed: str) -> None:
    """What is opened first would take the place of what is closed, and swallow the message."""
    script = ["sh", "-c", f'"$@" {closed}', "sh", *command(configuration)]
    assert subprocess.run(script, input=SPOOLED, stdout=subprocess.PIPE, check=False).returncode == EX_TEMPFAIL


def test_a_log_that_cannot_be_written_does_not_keep_the_message(configuration: Path) -> None:
    words = command(configuration)
    words[2] = (
        "import sys, transport_wrapper.main as m\n"
        "m.guard_standard_error = lambda: False\n"
        "sys.stderr = open('/dev/full', 'w')\n"
        "m.main()"
    )
    done = run(words)
    assert done.returncode == EX_OK
    assert is_good(done.stdout)


def start(words: list[str], **options: object) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(name="started")
def _started(configuration: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A filter that has been given half a message; killed at the end of the test."""
    process = start(command(configuration))
    assert process.stdin is not None
    process.stdin.write(SPOOLED[:100])
    process.stdin.flush()
    yield process
    process.kill()
    process.communicate()


def test_nothing_is_written_before_the_message_is_complete(started: subprocess.Popen[bytes]) -> None:
    assert started.stdout is not None
    os.set_blocking(started.stdout.fileno(), False)
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(1)
    assert started.stdout.read() is None
    assert started.stdin is not None
    os.set_blocking(started.stdout.fileno(), True)
    output, _ = started.communicate(SPOOLED[100:], timeout=30)
    assert is_good(output)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_killed_in_the_middle(started: subprocess.Popen[bytes], number: signal.Signals) -> None:
    started.send_signal(number)
    output, _ = started.communicate(timeout=30)
    assert output == b""
    assert started.returncode == -number


def test_the_reader_goes_away(configuration: Path) -> None:
    process = start(command(configuration))
    assert process.stdout is not None
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.write(MESSAGES["more than a pipe holds"])
    process.stdin.close()
    assert process.wait(30) == EX_TEMPFAIL
    assert process.stderr is not None
    assert process.stderr.read() == b""  # it is a pipe, which might be Exim's
    process.stderr.close()


def limit_file_size() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


@pytest.mark.parametrize("strict", [True, False])
def test_no_room_for_the_temporary_file(configuration: Path, strict: bool) -> None:
    """Part of the message would be lost, so it must stay queued, strict or not."""
    done = run(
        command(configuration, strict=strict), MESSAGES["more than the memory limit"], preexec_fn=limit_file_size
    )
    assert (done.returncode, done.stdout) == (EX_TEMPFAIL, b"")
    assert b"stays queued" in done.stderr


def test_no_place_for_the_temporary_file(configuration: Path) -> None:
    words = command(configuration)
    words[2] = (
        "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nonexistent']\n"
        "from transport_wrapper.main import main; main()"
    )
    done = run(words, MESSAGES["more than the memory limit"])
    assert (done.returncode, done.stdout) == (EX_TEMPFAIL, b"")


def test_standard_output_is_full(configuration: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(configuration), input=SPOOLED, stdout=full, check=False)
    assert done.returncode == EX_TEMPFAIL


def test_a_fault_of_our_own_keeps_the_message(configuration: Path) -> None:
    words = command(configuration, strict=False)
    words[2] = (
        "import transport_wrapper.filter as f\n"
        "def broken(*_): raise RuntimeError('boom')\n"
        "f.plan_signatures = broken\n"
        "from transport_wrapper.main import main; main()"
    )
    done = run(words)
    assert (done.returncode, done.stdout) == (EX_TEMPFAIL, b"")
    assert done.stderr == b"internal error, the message stays queued: RuntimeError: boom\n"


def test_50_megabytes_in_little_memory(configuration: Path, tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.write(b"From: a@example.org\n\n")
        for _ in range(50):
            file.write(b"0123456789abcde\n" * 65536)
    output = tmp_path / "out"
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[3:], stdin=open(sys.argv[1], 'rb'), stdout=open(sys.argv[2], 'wb'))\n"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    words = [sys.executable, "-c", code, str(big), str(output), *command(configuration)]
    status, peak = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=100).stdout.split()
    assert int(status) == EX_OK
    assert int(peak) < 64 * 1024
    assert is_good(output.read_bytes(), big.read_bytes())


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("message", [SPOOLED, b"\nbody\n", b"From: a@example.org\n\n", b"From: a@example.org\n"])
def test_a_message_that_comes_in_pieces(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, message: bytes
) -> None:
    """The empty line is found wherever the pieces are cut."""
    monkeypatch.setattr(transport_wrapper.filter, "READ_SIZE", size)
    (tmp_path / "in").write_bytes(message)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as target:
        Filter(Arguments(str(configuration), {"STRICT": "no"})).run(source.fileno(), target.fileno())
    output = (tmp_path / "out").read_bytes()
    assert is_good(output, message) if b"From" in message else output == message


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.binary(max_size=300) | st.text("From: a\n\r\t", max_size=80).map(str.encode))
def test_any_message(configuration: Path, tmp_path: Path, message: bytes) -> None:
    """In process: whatever comes in goes out, with or without a signature before it."""
    (tmp_path / "in").write_bytes(b"From: a@example.org\n" + message)
    source, target = (
        os.open(tmp_path / "in", os.O_RDONLY),
        os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT | os.O_TRUNC),
    )
    try:
        Filter(Arguments(str(configuration), {"STRICT": "no"})).run(source, target)
    finally:
        os.close(source)
        os.close(target)
    assert (tmp_path / "out").read_bytes().endswith(b"From: a@example.org\n" + message)


def test_profiles(configuration: Path) -> None:
    configuration.write_text(
        configuration.read_text() + "begin profiles\nsecond:\n  dkim_identity = @mail.example.org\n"
    )
    done = run(command(configuration, "--profile", "second"))
    assert (done.returncode, b"i=@mail.example.org;" in done.stdout) == (EX_OK, True)
    assert b" i=" not in run(command(configuration)).stdout.partition(b"\nFrom:")[0]


def test_an_unknown_profile(configuration: Path) -> None:
    done = run(command(configuration, "--profile=third"))
    assert (done.returncode, done.stdout) == (EX_CONFIG, b"")
    assert b'profile "third" unknown (there are: none)' in done.stderr
