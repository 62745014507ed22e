"""LDAP look-ups beside Exim's own; both ask the same server."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import expand, parse_template
from exim_dkim.expansion.lookups import LookupDeferred
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.lookups import connections
from exim_dkim.system.lookups.ldap import Query, parse_query, quote
from tests.support import databaseservers
from tests.support.peers import missing, program
from tests.support.processes import free_port

needs_library = pytest.mark.usefixtures("library")


@pytest.fixture
def library() -> None:
    if importlib.util.find_spec("ldap") is None:
        missing("python-ldap is not installed", "pip install 'exim-dkim[ldap]'")


ENTRIES = """\
dn: o=base
objectClass: organization
o: base

dn: uid=ann,o=base
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: O'Ann
mail: ann@example.org
mail: ann, 2@example.org
description:: cXVvdGVkICJ4IiBiYWNrXHNsYXNoCm5ld2xpbmU=
title: one, two

dn: uid=bob,o=base
objectClass: inetOrgPerson
uid: bob
cn: Bob (B) *
sn: B
mail: bob@example.org
"""

# PLACE is the server; each is given to both.
QUERIES = [
    "ldap{ldap://PLACE/o=base?mail?sub?(uid=bob)}",
    "ldap{ldap://PLACE/o=base?mail?sub?(uid=ann)}",
    "ldap{ldap://PLACE/o=base?title?sub?(uid=ann)}",
    "ldap{ldap://PLACE/o=base?description?sub?(uid=ann)}",
    "ldap{ldap://PLACE/o=base?mail,title,description,sn?sub?(uid=ann)}",
    "ldap{ldap://PLACE/o=base??sub?(uid=ann)}",
    "ldap{ldap://PLACE/uid=bob,o=base?mail}",
    "ldap{ldap://PLACE/uid=bob,o=base}",
    "ldapm{ldap://PLACE/o=base?cn?sub?(objectClass=inetOrgPerson)}",
    "ldapm{ldap://PLACE/o=base?cn,mail?one?(objectClass=inetOrgPerson)}",
    "ldapm{ldap://PLACE/o=base?mail?sub}",
    "ldapdn{ldap://PLACE/o=base?cn?sub?(uid=bob)}",
    "ldapdn{ldap://PLACE/o=base?cn?sub?(uid=none)}{y}{n}",
    "ldap{ldap://PLACE/o=base?mail?sub?(uid=none)}{y}{n}",
    "ldap{ldap://PLACE/o=base?telephoneNumber?sub?(uid=bob)}{y<$value>}{n}",
    "ldap{ldap://PLACE/o=nobase?mail?sub?(uid=none)}{y}{n}",
    'ldap{user="cn=root,o=base" pass=secret ldap://PLACE/o=base?mail?sub?(uid=bob)}',
    "ldap{USER=${quote_ldap_dn:cn}=root,o=base PASS=secret  ldap://PLACE/o=base?mail?sub?(uid=bob)}",
    "ldap{ldap://PLACE/o=base?mail?sub?(cn=${quote_ldap:Bob (B) *})}",
    "ldap{ldap://PLACE/uid=${quote_ldap_dn:bob},o=base?mail?base?}",
    "ldap{servers=LISTED ldap:///o=base?mail?sub?(uid=bob)}",
    "ldap{time=1 size=1 connect=1 dereference=never referrals=nofollow ldap://PLACE/o=base?mail?sub?(uid=bob)}",
    "ldapm{size=1 ldap://PLACE/o=base?mail?sub?(objectClass=inetOrgPerson)}",
    "ldapm,ret=key{ldap://PLACE/o=base?mail?sub?(objectClass=inetOrgPerson)}",
    "ldap{foo}",
    "ldap{ldap:foo}",
    "ldap{user=x pass=y foo=z ldap://PLACE/ou=x?cn?sub?(a=b)}",
    "ldap{ldap://PLACE/o=base?cn?sub?(objectClass=inetOrgPerson)}",
    "ldapdn{ldap://PLACE/o=base?cn?sub?(objectClass=inetOrgPerson)}",
]
# Both fail, in words of their own.
FAILING = [
    'ldap{user="cn=root,o=base" pass=wrong ldap://PLACE/o=base?mail?sub?(uid=bob)}',
    "ldap{ldap://PLACE/o=base?mail?sub?(uid=bob}",
    "ldap{ldap://127.0.0.1:1/o=base?mail?sub?(uid=bob)}",
]


@pytest.fixture(scope="module", name="place")
def _place() -> Iterator[str]:
    with databaseservers.slapd(ENTRIES) as running:
        yield f"127.0.0.1:{running.port}"


def text_of(query: str, place: str) -> str:
    return f"${{lookup {query}}}".replace("PLACE", place).replace("LISTED", place.replace(":", "::"))


def ours(text: str, configuration: str = "") -> bytes:
    environment = MessageEnvironment(parse_configuration(configuration.encode()))
    try:
        return expand(parse_template(text.encode()), environment).text
    except ExpansionError as error:
        return b"Failed: " + error.message.encode()


def exim(directory: Path, text: str) -> bytes:
    configuration = directory / "exim.conf"
    configuration.write_text(f"spool_directory = {directory}\nlog_file_path = {directory}/%slog\nkeep_environment =\n")
    words = [program("exim4", "exim4-daemon-heavy"), "-C", str(configuration), "-be"]
    done = subprocess.run(words, input=text.encode() + b"\n", capture_output=True, timeout=30, check=False)
    return done.stdout.removeprefix(b"> ").removesuffix(b"> \n").removesuffix(b"\n")


@needs_library
@pytest.mark.peer("exim")
@pytest.mark.parametrize("query", QUERIES)
def test_same_as_exim(place: str, tmp_path: Path, query: str) -> None:
    text = text_of(query, place)
    assert ours(text) == exim(tmp_path, text)


@needs_library
@pytest.mark.peer("exim")
@pytest.mark.parametrize("query", FAILING)
def test_same_failures(place: str, tmp_path: Path, query: str) -> None:
    text = text_of(query, place)
    assert b" gave DEFER: " in exim(tmp_path, text)
    assert b" gave DEFER: " in ours(text)


@needs_library
def test_servers_of_the_configuration(place: str) -> None:
    text = "${lookup ldap{ldap:///o=base?mail?sub?(uid=bob)}}"
    down = f"127.0.0.1::{free_port()}"
    assert ours(text, f"ldap_default_servers = {down} : {place.replace(':', '::')}\n") == b"bob@example.org"
    assert b"failed to bind the LDAP connection to server 127.0.0.1:" in ours(text, f"ldap_default_servers = {down}\n")
    assert b"no LDAP server: name one in the URL" in ours(text)


@needs_library
def test_connections_are_kept(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By server and user; one that does not work any more is replaced."""
    kept: dict[object, Any] = {}
    monkeypatch.setattr(connections, "_kept", kept)
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    query = text_of("ldap{ldap://PLACE/o=base?mail?sub?(uid=bob)}", place)
    as_root = query.replace("{ldap:", '{user="cn=root,o=base" pass=secret ldap:')

    def used(text: str) -> Any:
        assert ours(text) == b"bob@example.org"
        return list(kept.values())[-1].connection

    first = used(query)
    assert used(query) is first
    assert used(as_root) is not first
    first.unbind_s()
    assert used(query) is not first
    assert len(kept) == 2
    connections.close_all()


@pytest.mark.peer("exim")
def test_quoting_is_exim_s(tmp_path: Path) -> None:
    texts = [bytes([byte]) for byte in range(1, 256)] + [b"   ", b" a ", b"a  ", b"##", b"a # b", b"(*)\\ +"]
    for option in (b"", b"_dn"):
        lines = [
            b"${quote_ldap" + option + b":" + b"".join(b"\\x%02x" % byte for byte in text) + b"}" for text in texts
        ]
        printed = exim(tmp_path, "\n".join(line.decode() for line in lines)).split(b"\n> ")
        assert printed == [quote(text, option.lstrip(b"_")) for text in texts]
    assert quote(b"x", b"other") is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"user", b"=", b'"', b"\\", b" ", b"x", b"ldap", b"://", b"size=1 ", b"\xff"])))
def test_any_query_is_parsed_or_refused(pieces: list[bytes]) -> None:
    try:
        found: object = parse_query(b"".join(pieces))
    except LookupDeferred as error:
        found = str(error)
    assert isinstance(found, Query | str)
