"""What the documents say is what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exim_dkim.config.options import OPTIONS
from exim_dkim.system.files import read_configuration

ROOT = Path(__file__).resolve().parent.parent


def option_table() -> str:
    """The table of docs/configuration.md, from the declared options."""
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for option in OPTIONS.values():
        default = "" if option.default is None else f"`{option.default}`"
        if len(default) > 60:
            default = "see below"
        rows.append(f"| `{option.name}` | {option.type} | {default} | {option.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def test_the_table_of_options() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    table = re.search(r"^\| option \|.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    assert table is not None
    assert table[0] == option_table(), "put the output of option_table() into docs/configuration.md"


def test_the_example_configuration_is_right() -> None:
    settings = read_configuration(str(ROOT / "examples" / "exim-dkim.conf"), {"ETC": "/nonexistent"})
    settings.check_templates()
    assert settings.string("key_directory") == "/nonexistent/keys"


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/protocol.md"])
def test_files_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    paths = set(re.findall(r"`((?:docs|examples|tests|exim_dkim|lookup_server|transport_wrapper)/[\w./-]+)`", text))
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
