"""The tables of operators, items, conditions and look-ups: each name is tried, and none is known twice."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, expand, parse_template
from exim_dkim.expansion.conditions import CONDITIONS
from exim_dkim.expansion.items import ITEMS
from exim_dkim.expansion.lookups.table import GROUP, LOOKUPS, load
from exim_dkim.expansion.operators import OPERATORS
from exim_dkim.expansion.parse import ITEM_NAMES
from exim_dkim.expansion.variables import KNOWN, acl_hint, is_known
from tests.support.expansion import VECTORS, read_vectors

TEMPLATES = b"\n".join(
    vector.template for name in ("same.txt", "different.txt") for vector in read_vectors(VECTORS / name)
)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_has_vectors(name: bytes) -> None:
    assert re.search(rb"\$\{" + re.escape(name) + rb"[_:]", TEMPLATES)


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_every_item_has_vectors(name: bytes) -> None:
    assert re.search(rb"\$\{" + re.escape(name) + rb"[ {]", TEMPLATES)
    assert name in ITEM_NAMES


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_every_condition_has_vectors(name: bytes) -> None:
    assert re.search(rb"[ !{]" + re.escape(name) + rb"[ {:}]", TEMPLATES)


# Types that Debian's Exim does not have, or that need a server or binary files; they have tests of their own.
NOT_IN_VECTORS = {
    *(b"dkim", b"dnsdb", b"domainkeys", b"json", b"ldap", b"ldapdn", b"ldapm", b"mysql", b"pgsql", b"redis"),
    *(b"dbm", b"dbmjz", b"dbmnz", b"senderid", b"spf"),
}


@pytest.mark.parametrize("name", sorted(LOOKUPS.keys() - NOT_IN_VECTORS))
def test_every_lookup_type_has_vectors(name: bytes) -> None:
    assert re.search(rb"[} ]" + re.escape(name) + rb"[*,{ ]", TEMPLATES)


def test_lookup_types_are_entry_points_too() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    places = {name.decode(): entry.place for name, entry in LOOKUPS.items()}
    assert project["entry-points"][GROUP] == places
    extras = {entry.extra or name.decode() for name, entry in LOOKUPS.items() if entry.library}
    assert extras <= set(project["optional-dependencies"])


@pytest.mark.parametrize("name", sorted(LOOKUPS))
def test_every_lookup_type_is_what_the_table_says(name: bytes) -> None:
    assert load(name).style == LOOKUPS[name].style


@pytest.mark.parametrize("name", sorted(ITEM_NAMES - set(ITEMS)))
def test_items_that_are_not_here_say_why(name: bytes) -> None:
    with pytest.raises(ExpansionError, match=f'expansion item "{name.decode()}" has no meaning outside Exim: .{{10}}'):
        parse_template(b"${" + name + b"{a}{b}{c}}")


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_variable_of_exim_is_known_and_may_be_empty(name: bytes) -> None:
    assert expand(parse_template(b"[${" + name + b"}]"), EmptyEnvironment()).text == b"[]"


def test_names_of_variables() -> None:
    for name in (b"acl_c_x", b"acl_m0", b"acl_c", b"r_name", b"auth1", b"auth4", b"regex9"):
        assert is_known(name), name
    for name in (b"acl_cx", b"auth0", b"auth5", b"authx", b"regex100", b"n0", b"", b"Sender_address"):
        assert not is_known(name), name
    assert "must start acl_c or acl_m" in acl_hint(b"acl_x")
    assert "6th character" in acl_hint(b"acl_cx")


@pytest.mark.parametrize(
    ("kind", "names"), [("items", ITEMS), ("operators", OPERATORS), ("conditions", CONDITIONS), ("look-ups", LOOKUPS)]
)
def test_the_documentation_names_what_there_is(kind: str, names: dict[bytes, object]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "expansion.md").read_text()
    row = re.search(rf"^\| {kind} \| ([^;\n]*)", page, re.MULTILINE)
    assert row is not None
    assert set(re.findall(r"`([^`]+)`", row[1])) - {"!"} == {name.decode() for name in names}
