"""Who must not import whom (ARCHITECTURE.md, "Layers"), read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("exim_dkim", "lookup_server", "milter_server", "transport_wrapper")
IMPURE = {
    "asyncio", "socket", "os", "time", "random", "secrets", "subprocess", "pathlib", "logging", "syslog", "dns",
}  # fmt: skip
IMPURE_ROOMS = ("exim_dkim.system", "exim_dkim.commands")


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """Every module that `name` imports at run time, also inside of functions; not what is for type checkers only."""
    tree = ast.parse(MODULES[name].read_text())
    for node in walk_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in MODULES
            )


def walk_run_time(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from walk_run_time(child)


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def offenders(importers: list[str], forbidden: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name} imports {target}"
        for name in importers
        for target in imports(name)
        if within(target, *forbidden) and not within(target, *allowed)
    ]


ENGINE = [name for name in MODULES if within(name, "exim_dkim")]
PURE = [name for name in ENGINE if not within(name, *IMPURE_ROOMS)]
PROTOCOLS = (
    "exim_dkim.dkim",
    "exim_dkim.domainkeys",
    "exim_dkim.senderid",
    "exim_dkim.dmarc",
    "exim_dkim.arc",
    "exim_dkim.spf",
)


def test_the_sources_are_found() -> None:
    assert "exim_dkim.dkim.verify" in MODULES
    assert "exim_dkim.resolver" in set(imports("exim_dkim.dkim.verify"))


def test_rule_1_the_engine_is_pure() -> None:
    # The resolvers that `exim_dkim` offers by name and `api.verify_blocking` are the doors to system/.
    doors = {"exim_dkim", "exim_dkim.api"}
    assert offenders([name for name in PURE if name not in doors], (*IMPURE, "exim_dkim.system")) == []
    assert offenders(sorted(doors), tuple(IMPURE)) == []


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("cryptography", ("exim_dkim.crypto",)),
        ("dns", ("exim_dkim.system",)),
        ("spf", ("exim_dkim.spf.pyspf",)),
        ("click", ("exim_dkim.commands",)),
        ("rich", ("exim_dkim.commands",)),
        ("sqlite3", ("exim_dkim.system.lookups",)),
        ("redis", ("exim_dkim.system.lookups.redis",)),
        ("ldap", ("exim_dkim.system.lookups.ldap",)),
        ("pymysql", ("exim_dkim.system.lookups.mysql",)),
        ("pg8000", ("exim_dkim.system.lookups.pgsql",)),
        ("pcre2", ("exim_dkim.expansion.regex",)),
    ],
)
def test_rule_2_a_library_has_one_home(library: str, homes: tuple[str, ...]) -> None:
    assert offenders([name for name in MODULES if not within(name, *homes)], (library,)) == []


def test_rule_3_front_ends_stand_alone() -> None:
    front_ends = ("lookup_server", "transport_wrapper", "milter_server")
    for one in front_ends:
        others = tuple(other for other in front_ends if other != one)
        assert offenders([name for name in MODULES if within(name, one)], others) == []
    engine = [name for name in ENGINE if not within(name, "exim_dkim.commands")]
    assert offenders(engine, (*front_ends, "exim_dkim.commands")) == []


def test_rule_4_expansion_and_protocols_do_not_know_each_other() -> None:
    assert offenders([name for name in MODULES if within(name, "exim_dkim.expansion")], PROTOCOLS) == []
    assert offenders([name for name in MODULES if within(name, *PROTOCOLS)], ("exim_dkim.expansion",)) == []


def test_rule_5_signing_and_verifying_do_not_know_each_other() -> None:
    for protocol in PROTOCOLS:
        makers = [name for name in MODULES if name in (f"{protocol}.sign", f"{protocol}.seal")]
        assert offenders(makers, ("exim_dkim.resolver", f"{protocol}.verify")) == []
        judges = [name for name in MODULES if name == f"{protocol}.verify"]
        assert offenders(judges, (f"{protocol}.sign", f"{protocol}.seal")) == []


def test_rule_6_syntax_does_not_act() -> None:
    nouns = ("record", "signature", "chain", "keyrecord", "taglist", "message", "names")
    syntax = [name for name in ENGINE if name.rpartition(".")[2] in nouns]
    assert syntax
    bad = [
        line
        for line in offenders(syntax, ("exim_dkim",))
        if line.endswith((".evaluate", ".verify", "exim_dkim.resolver"))
    ]
    assert bad == []


def test_rule_7_the_engine_does_not_speak_in_acl_words() -> None:
    inner = [name for name in ENGINE if not within(name, "exim_dkim.commands", "exim_dkim.words")]
    assert offenders(inner, ("exim_dkim.words",)) == []


def test_rule_8_the_filter_imports_what_its_start_can_afford() -> None:
    costly = ("asyncio", "click", "rich", "dns", "argparse", "dataclasses", "inspect", "logging", "pathlib", "json")
    assert offenders([name for name in MODULES if within(name, "transport_wrapper")], costly) == []


def test_no_relative_imports() -> None:
    relative = [
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []
