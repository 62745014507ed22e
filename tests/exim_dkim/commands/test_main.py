"""The entry point: quick, and a wall against tracebacks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exim_dkim.commands import main as main_module
from exim_dkim.commands import program
from exim_dkim.commands.exits import ExitStatus
from exim_dkim.commands.main import run, version_line
from exim_dkim.commands.program import SUBCOMMANDS
from tests.support.cli import MESSAGE, make_material, run_cli
from tests.support.processes import give, shared_directory, wait_until

COMMAND = (sys.executable, "-m", "exim_dkim.commands.main")


def start(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [*COMMAND, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)  # type: ignore[call-overload, no-any-return]


def imported(*arguments: str) -> set[str]:
    """The modules that a run of the command imports."""
    code = (
        "import sys\nfrom exim_dkim.commands.main import run\n"
        f"run({list(arguments)!r})\nsys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.splitlines())


def test_version() -> None:
    assert start("--version").stdout == version_line() + "\n"
    assert run_cli("-V").stdout == version_line() + "\n"


def test_what_is_not_needed_is_not_imported() -> None:
    assert not {"click", "rich", "asyncio", "dns", "cryptography"} & imported("--version")
    assert not {"rich", "asyncio", "dns", "cryptography"} & imported("--help")
    assert not {"rich", "asyncio", "dns"} & imported("expand", "x")
    assert not {"rich", "asyncio", "dns", "cryptography", "lookup_server"} & imported(
        "lookup", "--socket", "/x", "ping"
    )


def test_help_lists_every_command() -> None:
    text = start("--help").stdout
    assert all(f"\n  {name} " in text for name in program.SUBCOMMANDS)


def test_usage_errors() -> None:
    done = start("nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'nonsense'" in done.stderr


def test_a_command_that_is_misspelt() -> None:
    result = run_cli("verfy", "message")
    assert result.exit_code == 2
    assert "No such command 'verfy'. Did you mean 'verify'?" in result.stderr


@pytest.mark.parametrize("name", ["", *SUBCOMMANDS])
def test_help_fits_on_a_terminal(name: str) -> None:
    """Lines of at most 80 characters, and no control characters."""
    result = run_cli(*filter(None, [name]), "--help")
    lines = result.stdout.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if len(line) > 80 or not line.isprintable()] == []


class TestWall:
    """No traceback, whatever a command does."""

    @pytest.fixture(autouse=True)
    def faulty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*arguments: object) -> None:
            raise ZeroDivisionError("secret\x1b[31m")

        monkeypatch.setattr("exim_dkim.commands.genkey.write_key", fail)
        monkeypatch.delenv("EXIM_DKIM_DEBUG", raising=False)

    def test_one_line_and_how_to_report(self) -> None:
        result = run_cli("genkey", "example.org", "s", "--type", "ed25519")
        assert result.exit_code == 70
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert "internal error: ZeroDivisionError" in result.stderr
        assert "EXIM_DKIM_DEBUG=1" in result.stderr
        assert "\x1b" not in result.stderr

    def test_debugging_shows_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXIM_DKIM_DEBUG", "1")
        assert isinstance(run_cli("genkey", "example.org", "s", "--type", "ed25519").exception, ZeroDivisionError)


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    material = make_material(tmp_path)
    mbox = material.write("mbox", (b"From a@b Sun Nov 22 02:45:25 2026\n" + MESSAGE + b"\n") * 5000)
    words = [*COMMAND, "verify", str(mbox), "--dns-zone", str(material.zone)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"unsigned\t")
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(30) == 1
    assert errors == b""


def status_of(pid: int) -> str:
    """The State line of a process."""
    return Path(f"/proc/{pid}/status").read_text().split("State:")[1].splitlines()[0]


def test_an_interrupt(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    words = [*COMMAND, "sign", "--domain", "example.org", "--selector", "s", "--key", "/x", str(fifo)]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        fifo.open("wb"),  # returns when the command has opened the other end
    ):
        wait_until("the command waits for its input", lambda: "(sleeping)" in status_of(process.pid))
        for _ in range(5):  # one that comes just before the system call is seen only after it
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
                break
        output, errors = process.communicate(timeout=30)
    assert (output, errors, process.returncode) == (b"", b"", ExitStatus.INTERRUPTED)


def test_an_early_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "run", interrupt)
    with pytest.raises(SystemExit) as caught:
        main_module.main()
    assert caught.value.code == ExitStatus.INTERRUPTED


def test_run_returns_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert run(["expand", "x"]) == 0
    assert run(["expand", "${nonsense}"]) == 1
    assert run(["nonsense"]) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "x"


def test_serve_answers_and_ends() -> None:
    """serve and lookup together, as processes."""
    with shared_directory("exim-dkim-serve-") as directory:
        material = make_material(directory)
        (directory / "run").mkdir()
        sockets = give(directory / "run", "nobody", 0o755)
        user = "user = nobody\n" if os.geteuid() == 0 else ""
        options = f"lookup_listen = {sockets}/socket\ndns_zone_file = {material.zone}\n{user}"
        config = material.write("config", options.encode())
        message = material.write("message", material.signed())
        words = [*COMMAND, "serve", "-C", str(config), "--foreground"]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert server.stderr is not None
                assert any("serving on" in line for line in iter(server.stderr.readline, ""))
                done = start("lookup", "-C", config, "dkim", "example.org", message)
                assert done.stdout == "good\n", done.stderr
                server.send_signal(signal.SIGTERM)
                assert server.wait(20) == 0
            finally:
                server.kill()


def test_serve_without_a_configuration(tmp_path: Path) -> None:
    result = run_cli("serve", "-C", tmp_path / "none")
    assert result.exit_code == 78
    assert "there is no such file" in result.stderr
