"""The table of options."""

from __future__ import annotations

import re
from pathlib import Path

from exim_dkim.config.options import OPTIONS


def test_names_are_like_exims() -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) and name == option.name for name, option in OPTIONS.items())


def test_no_name_looks_like_the_negation_of_another() -> None:
    assert not {prefix + name for name in OPTIONS for prefix in ("no_", "not_")} & set(OPTIONS)


def test_every_option_is_used_somewhere() -> None:
    root = Path(__file__).parents[3]
    code = "".join(
        path.read_text()
        for package in ("exim_dkim", "lookup_server", "transport_wrapper", "milter_server")
        for path in (root / package).rglob("*.py")
        if path.name != "options.py"
    )
    assert [name for name in OPTIONS if f'"{name}"' not in code] == []
