"""`make demo` shows what it promises, with Exim and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import peers

CHECKOUT = Path(__file__).parents[2]
WORDS = ["good", "bad", "unsigned", "unverified", "defer"]


def run_demo(*arguments: str, **environment: str) -> str:
    """What the demonstration prints; it must end well and leave nothing behind."""
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-m", "examples.demo", *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "TMPDIR": temporary, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        assert os.listdir(temporary) == []
    return done.stdout


def assert_shows_all(output: str) -> None:
    assert "\033" not in output
    assert re.findall(r"the answer +\| (\S+) +\(as expected\)", output) == WORDS
    assert "5 of 5 answers were as expected." in output


def test_with_exim() -> None:
    peers.program("exim4", "exim4-daemon-heavy")
    if os.getuid() != 0:
        peers.missing("the demonstration with Exim needs root", "run the tests as root")
    output = run_demo()
    assert_shows_all(output)
    for word in WORDS:
        assert re.search(rf"(second|third) Exim +\| \S+ DKIM {word} for ", output)
    assert output.count("Authentication-Results: rx.example;") == len(WORDS)
    for result in ("dkim=pass", "dkim=fail", "dkim=none", "dkim=temperror", "spf=pass"):
        assert re.search(rf"\| +{result}\b", output), result


def test_without_exim() -> None:
    assert_shows_all(run_demo("--without-exim"))
