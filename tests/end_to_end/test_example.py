"""examples/exim.conf is a configuration that Exim accepts as it is, and that says what it needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support import peers
from tests.support.exim import EXAMPLE
from tests.support.processes import exim_user
from tests.support.world import World

TEXT = EXAMPLE.read_text()
USED = set(re.findall(r"^\.ifn?def (\w+)", TEXT, re.MULTILINE))


def exim(*arguments: str) -> str:
    binary = peers.program("exim4", "exim4-daemon-heavy")
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_exim_accepts_it() -> None:
    assert f"Configuration file is {EXAMPLE}" in exim("-bV", "-C", str(EXAMPLE))


def test_exim_accepts_it_with_every_macro_set(tmp_path: Path) -> None:
    values = dict.fromkeys(USED, "yes") | {
        "EXIM_STATE": str(tmp_path),
        "SMTP_INTERFACES": "127.0.0.1",
        "SMTP_PORTS": "2525",
        "MAILBOX_USER": exim_user(),
        "CLIENT_NETWORKS": "192.0.2.0/24 ; 2001:db8::/32",
        "SMART_HOST": "relay.example::587",
    }
    wrapper = tmp_path / "exim.conf"
    lines = [f"{name} = {value}\n" for name, value in values.items()]
    wrapper.write_text("".join(lines) + f".include {EXAMPLE}\n")
    tmp_path.chmod(0o755)
    assert "Configuration file is" in exim("-bV", "-C", str(wrapper))


def test_every_macro_is_explained() -> None:
    """In the first section, with a default or with a comment that says what happens without it."""
    first = TEXT.partition("#  2. ")[0]
    assert USED
    for name in USED - {"NO_DKIM_CONTROL", "SPLIT_SPOOL", "WIRE_FORMAT_SPOOL", "TLS_ADVERTISED_TO"}:
        assert re.search(rf"^(# )?{name} =|^# .*\b{name}\b", first, re.MULTILINE), name


def test_untainting_recipe(world: World) -> None:
    """A mailbox that is not there is refused at RCPT, however the name is made."""
    world.server()
    receiver = world.receiver()
    for name in ("alice", "../bob", "bob/new", ".", "..", "/etc/passwd"):
        assert "failed to verify" in receiver.run("-bv", f"{name}@rx.example"), name
    assert "verified" in receiver.run("-bv", "bob@rx.example")
