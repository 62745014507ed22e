"""What import-opendkim suggests in place of tables in databases and directories does what they did: real servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from milter_server import dkim_filter
from tests.support.cli import run_cli
from tests.support.databaseservers import postgresql, slapd
from tests.support.milter_filters import KEY
from tests.support.peers import missing

AUTHORS = {"alice@one.example": "s1", "bob@one.example": "s2", "Carol@TWO.example": "s3", "o'dan@x.example": ""}
SQL = f"""
create table signing (author text, keyname text);
insert into signing values ('alice@one.example', 'first'), ('one.example', 'second'), ('two.example', 'third');
create table keys (id text, domain text, selector text, private text);
insert into keys values ('first', 'one.example', 's1', '{KEY}'), ('second', 'one.example', 's2', '{KEY}');
insert into keys values ('third', 'two.example', 's3', '{KEY}');
"""
LDIF = """\
dn: o=base
objectClass: organization
o: base

{entries}
"""
ENTRIES = [
    ("alice@one.example", "description", "first"),
    ("one.example", "description", "second"),
    ("two.example", "description", "third"),
]


def signed(directory: Path, tables: str, servers: str, capfd: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The selector with which a filter signs mail of each author, by the suggested configuration."""
    (directory / "opendkim.conf").write_text(f"{tables}Mode s\nCanonicalization relaxed/relaxed\n")
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", directory / "out.conf")
    assert result.exit_code == 0, result.output
    text = (directory / "out.conf").read_text()
    suggested = [line.removeprefix("#     ") for line in text.splitlines() if line.startswith("#     ")]
    assert servers in "\n".join(suggested)
    (directory / "full.conf").write_text("\n".join([*suggested, text]))
    found = {}
    for author in AUTHORS:
        (directory / "m").write_text(f"From: {author}\r\nSubject: s\r\n\r\nhi\r\n", newline="")
        capfd.readouterr()
        dkim_filter.main(["-x", str(directory / "full.conf"), "-t", str(directory / "m")])
        match = re.search(r"DKIM-Signature:[^;]*;(?:[^;]*;)*?\s*s=(\w+);", capfd.readouterr().out)
        found[author] = match[1] if match else ""
    return found


@pytest.mark.peer("postgresql")
def test_a_database(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import pg8000.native

    with postgresql() as server:
        with pg8000.native.Connection("tester", host="127.0.0.1", port=server.port, database="postgres") as connection:
            for statement in filter(str.strip, SQL.split(";")):
                connection.run(statement)
        place = f"dsn:pgsql://tester@{server.port}+127.0.0.1/postgres"
        tables = f"SigningTable {place}/table=signing?keycol=author?datacol=keyname\n"
        tables += f"KeyTable {place}/table=keys?keycol=id?datacol=domain,selector,private\n"
        servers = f"hide pgsql_servers = 127.0.0.1::{server.port}/postgres/tester/"
        assert signed(tmp_path, tables, servers, capfd) == AUTHORS


@pytest.mark.peer("slapd")
def test_a_directory(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        import ldap  # noqa: F401
    except ImportError:
        missing("python-ldap is not installed", "pip install exim-dkim[ldap]")
    entries = [
        f"dn: cn={name},o=base\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\n{attribute}: {value}\n"
        for name, attribute, value in ENTRIES
    ]
    entries += [
        f"dn: cn={name},o=base\nobjectClass: inetOrgPerson\ncn: {name}\nsn: {name}\nl: {domain}\nst: {selector}\n"
        f"street: {KEY}\n"
        for name, domain, selector in (
            ("first", "one.example", "s1"),
            ("second", "one.example", "s2"),
            ("third", "two.example", "s3"),
        )
    ]
    with slapd(LDIF.format(entries="\n".join(entries))) as server:
        base = f"ldap://127.0.0.1:{server.port}/o=base"
        tables = f"SigningTable {base}?description?sub?(cn=$d)\nKeyTable {base}?l,st,street?sub?(cn=$d)\n"
        assert signed(tmp_path, tables, f"{base}?st?sub?(cn=", capfd) == AUTHORS
