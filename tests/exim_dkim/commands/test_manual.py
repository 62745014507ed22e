"""The manual pages in docs/ are what the program would write, and roff takes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from exim_dkim.commands.manual import PAGES, main
from exim_dkim.commands.program import SUBCOMMANDS
from exim_dkim.config.options import OPTIONS
from tests.support import peers

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_up_to_date(name: str) -> None:
    current = PAGES[name]()
    assert (DOCS / name).read_text() == current, "run: python -m exim_dkim.commands.manual docs"


def test_pages_are_written(tmp_path: Path) -> None:
    main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_roff_has_nothing_to_say(name: str) -> None:
    groff = peers.program("groff", "groff-base")
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tascii", "-z", DOCS / name], capture_output=True, timeout=30, check=True
    )
    assert done.stderr == b""


def test_everything_is_in_them() -> None:
    commands, configuration, *filters = (page().replace("\\-", "-") for page in PAGES.values())
    assert [name for name in SUBCOMMANDS if f".SS {name}\n" not in commands] == []
    assert [name for name in OPTIONS if f".BR {name} " not in configuration] == []
    assert "--profile NAME" in commands
    assert len(filters) == 3
    assert all(".B -p, --listen SOCKET\n" in page for page in filters)
