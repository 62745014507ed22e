"""Limits of the SQLite look-up; what it gives is compared with Exim in tests/vectors/expansion."""

from __future__ import annotations

from pathlib import Path

import pytest

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, expand, parse_template
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.lookups import sqlite
from tests.support.databases import make_sqlite


def template(path: Path, query: str) -> bytes:
    return f"${{lookup sqlite,file={path} {{{query}}}{{$value}}{{none}}}}".encode()


def value(path: Path, query: str) -> bytes:
    return expand(parse_template(template(path, query)), MessageEnvironment(Settings())).text


def test_a_statement_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_SECONDS", 0.05)
    make_sqlite(tmp_path / "base", "create table t (x);")
    endless = "with recursive n(x) as (select 1 union all select x+1 from n) select count(*) from n"
    with pytest.raises(ExpansionError, match="gave DEFER: interrupted"):
        value(tmp_path / "base", endless)


def test_rows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_ROWS", 3)
    make_sqlite(tmp_path / "base", "create table t (x);")
    many = "with recursive n(x) as (select 1 union all select x+1 from n limit 10) select x from n"
    with pytest.raises(ExpansionError, match="gave DEFER: more than 3 rows"):
        value(tmp_path / "base", many)


def test_odd_names_of_files(tmp_path: Path) -> None:
    path = tmp_path / "a?mode=rwc#%41"
    make_sqlite(path, "create table t (x); insert into t values ('found');")
    assert value(path, "select x from t") == b"found"


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database at all\n" * 100)
    with pytest.raises(ExpansionError, match="gave DEFER: file is not a database"):
        value(tmp_path / "text", "select 1 from t")
    with pytest.raises(ExpansionError, match="unable to open database file"):
        value(tmp_path, "select 1 from t")


def test_only_where_files_may_be_read(tmp_path: Path) -> None:
    with pytest.raises(ExpansionError, match="file access is not available here"):
        expand(parse_template(template(tmp_path / "base", "select 1")), EmptyEnvironment())
