"""What docs/milter.md and the systemd unit show works: configurations and command lines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.options import OPTIONS
from milter_server import dk_filter, dkim_filter, sid_filter
from milter_server.configuration import filters_of
from milter_server.keylist import KeyList
from milter_server.letters import parse_command_line
from tests.support.milter_filters import KEY

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "milter.md").read_text()
BLOCKS: list[str] = re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
CONFIGURATIONS = [
    block for block in BLOCKS if re.search(r"^ *milter_", block, re.MULTILINE) and "smtpd_milters" not in block
]
COMMANDS = re.findall(r"`((?:sid|dk|dkim)-filter -[^`]*)`", TEXT)
PROGRAMS = {each.PROGRAM.name: each.PROGRAM for each in (sid_filter, dk_filter, dkim_filter)}


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations(text: str) -> None:
    text = re.sub(r"/etc/exim-dkim/keys/\S+", str(KEY), text)
    text = re.sub(r"^root# .*\n", "", text, flags=re.MULTILINE)
    assert filters_of(parse_configuration(text.encode(), "docs"), {})


@pytest.mark.parametrize("line", COMMANDS)
def test_command_lines(line: str) -> None:
    program, *arguments = shlex.split(line)
    parsed = parse_command_line(PROGRAMS[program], arguments, "version")
    assert parsed.options.get("milter_listen") or parsed.files


def test_rules() -> None:
    (block,) = [block for block in BLOCKS if block.startswith("news@")]
    assert KeyList(block.splitlines(), lambda path: True).find("alice", "example.com") is not None


def test_enough_was_found() -> None:
    assert len(CONFIGURATIONS) >= 3
    assert len(COMMANDS) >= 6
    postfix = {"milter_default_action", "milter_protocol", "milter_command_timeout"}
    assert set(re.findall(r"`(milter_\w+)", TEXT)) <= {*OPTIONS, "milter_", *postfix}


def test_every_file_that_the_unit_names_is_installed() -> None:
    unit = (ROOT / "examples" / "systemd" / "exim-dkim-milter.service").read_text()
    assert "ExecStart=/opt/exim-dkim/bin/exim-dkim milter --config /etc/exim-dkim/exim-dkim.conf" in unit
    assert "Type=notify" in unit
