"""`miltertest`, OpenDKIM's scripted milter client with the wire code of libmilter, against our filters.

The scripts are in miltertest_filters/; they fail by an error, whose text is shown.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import peers, samples
from tests.support.filter_process import MilterFilter
from tests.support.mail_world import KEY, SIGNING, ZONE
from tests.support.processes import free_port, shared_directory

pytestmark = pytest.mark.peer("miltertest")

SCRIPTS = Path(__file__).parent / "miltertest_filters"


def play(script: str, variables: Mapping[str, str]) -> None:
    """Run a script."""
    binary = peers.program("miltertest", "miltertest")
    definitions = [f"-D{name}={value}" for name, value in variables.items()]
    definitions += [f"-Dlibrary={SCRIPTS / 'library.lua'}", f"-Dscript={SCRIPTS / f'{script}.lua'}"]
    command = [binary, *definitions, "-s", str(SCRIPTS / "run.lua")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def sockets() -> Iterator[dict[str, str]]:
    """The filters, by the names that the scripts have for their sockets."""
    peers.program("miltertest", "miltertest")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(shared_directory("exim-dkim-miltertest-"))
        (directory / "zone").write_text(ZONE)
        zone = ("--set", f"dns_zone_file={directory / 'zone'}")
        filters = {
            "signer": ("dkim-filter", *SIGNING, "-k", KEY, "-s", "rsa"),
            "verifier": ("dkim-filter", "-b", "v", *zone),
            "dk_signer": ("dk-filter", *SIGNING, "-s", KEY, "-S", "rsa", "-c", "nofws", "-H"),
            "dk_verifier": ("dk-filter", "-b", "v", *zone),
            "sid": ("sid-filter", "-t", *zone),
            "refuser": ("sid-filter", "-r", "1", *zone),
        }
        started = {
            name: stack.enter_context(MilterFilter(program, directory, *arguments, name=name))
            for name, (program, *arguments) in filters.items()
        }
        for each in started.values():
            each.wait()
        yield {name: each.milter.address for name, each in started.items()}


@pytest.mark.parametrize("script", ["sign", "verify", "domainkeys", "senderid", "forged", "connections", "options"])
def test_script(sockets: dict[str, str], script: str) -> None:
    play(script, sockets)


def test_started_by_miltertest(tmp_path: Path) -> None:
    """As OpenDKIM's own tests do it, with a configuration file."""
    configuration = tmp_path / "filter.conf"
    configuration.write_text(
        f"milter_domains = example.org\ndkim_selector = rsa\ndkim_private_key = {samples.KEY_DIRECTORY}/rsa2048.pem\n"
    )
    program = Path(sys.executable).parent / "dkim-filter"
    where = f"inet:{free_port()}@127.0.0.1"
    play("start", {"program": str(program), "socket": where, "configuration": str(configuration)})
