"""exim-dkim exim-config: its text is that of examples/exim.conf, which the tests run under a real Exim."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from exim_dkim.commands.exim_config import PARTS, template
from tests.support.cli import run_cli
from tests.support.exim_templates import EXAMPLE, cut
from tests.support.peers import program
from tests.support.processes import shared_directory


@pytest.mark.parametrize("name", [name for name in PARTS if name != "macros"])
def test_every_part_is_that_of_the_example(name: str) -> None:
    assert template(name) == cut(EXAMPLE.read_text())[name], "run: python -m tests.support.exim_templates"


def test_the_macros_are_those_of_the_example() -> None:
    defined = re.findall(r"^([A-Z_]+) =", EXAMPLE.read_text(), re.MULTILINE)
    printed = re.findall(r"^([A-Z_]+) =", run_cli("exim-config", "macros").stdout, re.MULTILINE)
    assert set(printed) <= set(defined)
    used = {name for name in defined for part in PARTS if part != "macros" and name in template(part)}
    assert used == set(printed)


def test_paths_of_this_installation(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("lookup_listen = /run/dkim/socket\nlookup_timeout = 10s\n")
    result = run_cli("exim-config", "-C", config, "--filter", "/opt/x/exim-dkim-filter")
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert "LOOKUP_SOCKET = /run/dkim/socket" in lines
    assert "LOOKUP_PATIENCE = 12s" in lines
    assert "SIGNING_FILTER = /opt/x/exim-dkim-filter" in lines
    assert f"SIGNING_CONFIG = {config}" in lines
    assert lines[1].startswith("# Macros: ")


def test_inline_has_no_macros() -> None:
    result = run_cli("exim-config", "--inline", "--socket", "/run/x.sock", "--filter", "/usr/bin/exim-dkim-filter")
    assert "LOOKUP_SOCKET" not in result.stdout
    assert "${readsocket {/run/x.sock}\\" in result.stdout
    assert "transport_filter = /usr/bin/exim-dkim-filter --config /etc/exim-dkim/exim-dkim.conf \\" in result.stdout


def test_parts_can_be_chosen() -> None:
    result = run_cli("exim-config", "transport")
    assert "remote_smtp_signed:" in result.stdout
    assert "lookup_dkim:" not in result.stdout
    assert run_cli("exim-config", "nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("socket", "spec"),
    [("inet:127.0.0.1:8892", "inet:127.0.0.1:8892"), ("inet6:[::1]:8892", "inet:[::1]:8892")],
)
def test_tcp_sockets_as_readsocket_wants_them(tmp_path: Path, socket: str, spec: str) -> None:
    config = tmp_path / "config"
    config.write_text(f"lookup_listen = <; {socket}\n")
    result = run_cli("exim-config", "-C", config, "macros")
    assert f"LOOKUP_SOCKET = {spec}\n" in result.stdout
    assert "use a Unix socket" in result.stderr


def test_paths_that_exim_would_take_apart(tmp_path: Path) -> None:
    result = run_cli("exim-config", "--filter", "/opt/my tools/exim-dkim-filter", "transport")
    assert "holds characters that Exim would take apart" in result.stderr


@pytest.mark.peer("exim")
@pytest.mark.parametrize("inline", [True, False])
def test_exim_takes_the_parts(inline: bool) -> None:
    """The parts, in the places that their headings name, make a configuration that Exim reads."""
    exim = program("exim4", "exim4-daemon-heavy")
    options = ("--inline",) if inline else ()
    text = {name: run_cli("exim-config", *options, name).stdout for name in PARTS}
    parts = [
        text["macros"],
        "primary_hostname = mail.example.org",
        "domainlist local_domains = example.org",
        "hostlist relay_from_hosts = <; 127.0.0.1",
        "acl_smtp_rcpt = acl_check_rcpt",
        "acl_smtp_data = acl_check_data",
        "begin acl",
        text["lookup"],
        "acl_check_rcpt:",
        text["rcpt"],
        "  accept",
        text["data"],
        "begin routers",
        text["router"],
        "begin transports",
        text["transport"],
        "begin retry",
        "* * F,2h,5m",
    ]
    with shared_directory("exim-dkim-config-") as directory:
        file = directory / "exim.conf"
        file.write_text("\n".join(parts) + "\n")
        file.chmod(0o644)
        for question in (("-bV",), ("-bP", "transport", "remote_smtp_signed"), ("-bP", "router", "outgoing_signed")):
            done = subprocess.run(
                [exim, "-C", file, *question], capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr + done.stdout
            assert "error" not in done.stderr
