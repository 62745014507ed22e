"""Finding the keys, tables and domains that signing options lead to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exim_dkim.commands.configured_keys import (
    key_files,
    literal_paths,
    missing_options,
    named_keys,
    probe,
    signing_domains,
)
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.names import Domain
from tests.support.cli import make_material


def settings(text: str) -> Settings:
    return parse_configuration(text.encode(), "test")


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("${lookup {$dkim_domain} lsearch {/etc/x/table}}", ["/etc/x/table"]),
        ("/etc/x/keys/$dkim_domain.pem", ["/etc/x/keys"]),
        ("/etc/x/key.pem", ["/etc/x/key.pem"]),
        ("${if eq{a}{b}{/a/one}{/b/two.pem}}", ["/a/one", "/b/two.pem"]),
        ("$spool_directory/keys/x", []),
        ("${lc:A}/keys/x", []),
        ("relaxed/simple", []),
    ],
)
def test_literal_paths(value: str, paths: list[str]) -> None:
    assert literal_paths(settings(f"dkim_private_key = {value}\n")) == paths


def test_missing_options() -> None:
    assert missing_options(settings("dkim_selector = s\n")) == ["dkim_domain", "dkim_private_key"]


def test_domainkeys_alone_is_enough(tmp_path: Path) -> None:
    material = make_material(tmp_path)
    text = (
        "domainkeys_domain = example.org\ndomainkeys_selector = s\n"
        f"domainkeys_private_key = {material.key_file}\ndkim_selector = s\n"
    )
    assert missing_options(settings(text)) == []
    assert signing_domains(settings(text)) == ["example.org"]
    assert key_files(settings(text)) == [str(material.key_file)]
    (named,) = named_keys(probe(settings(text), Domain("example.org"), 0).plan)
    assert (named.record_name, named.hash_name) == ("s._domainkey.example.org", "sha1")


def test_domains_of_a_plain_list() -> None:
    text = "dkim_domain = Example.ORG : example.net\ndkim_selector = s\ndkim_private_key = 0\n"
    assert signing_domains(settings(text)) == ["example.net", "example.org"]


def test_domains_of_a_table(tmp_path: Path) -> None:
    table = tmp_path / "domains"
    table.write_text('# comment.example\nexample.org: s\n"quoted.example" : s\n*.wild.example: s\n*: x\nexample.net\n')
    options = f"dkim_domain = ${{lookup {{$sender_address_domain}} lsearch,ret=key {{{table}}}}}\n"
    assert signing_domains(settings(options)) == ["example.net", "example.org", "quoted.example"]


def test_key_files(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("a.pem", "b.key", "c.private", "README", "d.txt"):
        (keys / name).write_text("")
    expected = [str(keys / name) for name in ("a.pem", "b.key", "c.private")]
    assert key_files(settings(f"dkim_private_key = {keys}/$dkim_domain.pem\n")) == expected
    assert key_files(settings(f"key_directory = {keys}\n")) == expected
    assert key_files(settings(f"dkim_private_key = {keys}/d.txt\n")) == [str(keys / "d.txt")]


def test_names_of_key_files_count_when_they_sign(tmp_path: Path) -> None:
    material = make_material(tmp_path)
    (tmp_path / "keys").mkdir()
    for name in ("example.org.s.pem", "other.example.s.pem"):
        (tmp_path / "keys" / name).write_bytes(material.key_file.read_bytes())
    text = (
        "dkim_domain = ${if eq{${domain:$rh_from:}}{example.org}{example.org}}\n"
        f"dkim_selector = s\ndkim_private_key = {tmp_path}/keys/$dkim_domain.s.pem\n"
    )
    assert signing_domains(settings(text)) == ["example.org"]


def test_what_this_user_may_not_read_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "table").write_text("example.org\n")
    text = (
        f"dkim_domain = ${{lookup {{x}} lsearch {{{tmp_path}/table}}}}\ndkim_selector = s\n"
        f"dkim_private_key = {tmp_path}/keys/$dkim_domain\n"
    )

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    assert signing_domains(settings(text)) == []
    assert key_files(settings(text)) == []
