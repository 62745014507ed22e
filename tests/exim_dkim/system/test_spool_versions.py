"""The same message in the -H files of several versions of Exim."""

from __future__ import annotations

from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.expansion import Value, expand, parse_template
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.spool_header import parse_spool_header

FILES = sorted((Path(__file__).parents[2] / "vectors" / "spool").glob("*-H"))
MARKED = ("4.96-H", "4.99-H")  # nothing in a file of 4.94 says that its marks can be relied on


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_version_says_the_same(path: Path) -> None:
    header = parse_spool_header(path.read_bytes())
    assert (header.sender, header.received_time, header.login) == (b"Env@From.example", 1795311346, b"exim")
    assert header.recipients == (b"a@b.example", b'"sp ace"@y.example', b"c@d.example")
    assert header.acl == {
        b"acl_c0": Value(b"192.0.2.7", True),
        b"acl_m0": Value(b"a\nb", path.name not in MARKED),
    }
    assert [field.type for field in header.fields] == [b"P", b"F", b"T", b" ", b"*"]
    assert header.fields[0].text == b"Received: from rdns.example\n\tby x\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_and_so_do_variables(path: Path, tmp_path: Path) -> None:
    message_id = path.read_bytes().partition(b"-H\n")[0].decode()
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / f"{message_id}-H").write_bytes(path.read_bytes())
    (tmp_path / "input" / f"{message_id}-D").write_text(f"{message_id}-D\nHello\n")
    settings = parse_configuration(f"spool_directory = {tmp_path}\n".encode())
    environment = MessageEnvironment(settings, message_id=message_id)
    template = b"$sender_fullhost $sender_host_port $acl_c0 $interface_port $recipients_count $message_body"
    value = expand(parse_template(template), environment)
    assert value.text == b"rdns.example (client.example) [192.0.2.7] 4321 192.0.2.7 25 3 Hello "
    assert value.tainted


def test_there_are_several() -> None:
    assert len(FILES) == 6
