"""Modules that are imported when they are first used."""

from __future__ import annotations

import sys

import pytest

from exim_dkim.lazymodule import lazy_module


def test_a_module_is_imported_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    module = lazy_module("colorsys")
    assert "colorsys" not in sys.modules
    function = module.rgb_to_hsv  # type: ignore[attr-defined]
    assert "colorsys" in sys.modules
    assert module.rgb_to_hsv is function  # type: ignore[attr-defined]


def test_what_a_module_does_not_have_is_missed() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lazy_module("colorsys").no_such_name  # type: ignore[attr-defined]
