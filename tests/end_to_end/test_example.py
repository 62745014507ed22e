"""examples/exim.conf is a configuration that Exim accepts as it is, and that says what it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.support import peers
from tests.support.exim import EXAMPLE
from tests.support.processes import exim_user, give
from tests.support.samples import KEY_DIRECTORY, message
from tests.support.smtp import submit
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


def test_example_of_the_signing_configuration(world: World) -> None:
    """examples/exim-dkim.conf as it is, but for the directory that its macro names."""
    etc = world.directory / "etc"
    keys = etc / "keys"
    keys.mkdir(parents=True)
    (etc / "signing-domains").write_text("example.org: rsa\nother.example: absent\n")
    shutil.copy(EXAMPLE.with_name("exim-dkim.conf"), etc / "exim-dkim.conf")
    shutil.copy(KEY_DIRECTORY / "rsa2048.pem", keys / "example.org.rsa.pem")
    for path in (etc, keys, *etc.glob("*"), *keys.glob("*")):
        give(path, exim_user(), 0o755 if path.is_dir() else 0o640)
    exim = world.sender("by-example", signing=f"ETC = {etc}\n.include {etc}/exim-dkim.conf\n")
    for author, signed in (("alice@example.org", True), ("olga@other.example", False), ("x@third.example", False)):
        submit(exim.port, message(author), sender="alice@example.org", recipients=["bob@rx.example"])
        assert (b"DKIM-Signature: " in world.sink.next().message) == signed, author
