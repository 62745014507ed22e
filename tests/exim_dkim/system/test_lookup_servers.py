"""Look-ups in database servers, asked of real ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import Value, expand, parse_template
from exim_dkim.expansion.lookups import LookupDeferred
from exim_dkim.system.environment import MessageEnvironment
from exim_dkim.system.lookups import connections, mysql, pgsql, redis
from exim_dkim.system.lookups.servers import Kind, Server, parse_server
from tests.support import databaseservers
from tests.support.databaseservers import Running
from tests.support.processes import free_port


def value(template: str, servers: str = "") -> bytes:
    environment = MessageEnvironment(
        parse_configuration(servers.encode()), variables={b"sender_host_name": Value(b"O'Brien", True)}
    )
    return expand(parse_template(template.encode()), environment).text


def failure(template: str, servers: str = "") -> str:
    with pytest.raises(ExpansionError) as caught:
        value(template, servers)
    return caught.value.message.partition(" gave DEFER: ")[2]


@pytest.fixture(scope="module", name="redis_servers")
def _redis_servers() -> Iterator[str]:
    with databaseservers.redis() as running:
        servers = f"hide redis_servers = 127.0.0.1::{running.port}//secret : x({running.socket})/3/secret\n"
        for command in ("set key value", r"set two\ words a\\b", "rpush list a b c", "hset hash f v g w"):
            value(f"${{lookup redis{{\\N{command}\\N}}}}", servers)
        value(f"${{lookup redis,servers=x({running.socket})/3/secret{{set key third}}}}", servers)
        yield servers


@pytest.mark.peer("redis")
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("redis{get key}", b"value"),
        ("redis{ GET   key }", b"value"),
        ("redis{get ${quote_redis:two words}}", rb"a\b"),
        ("redis{get none}{y}{n}", b"n"),
        ("redis{lrange list 0 -1}", b"a\nb\nc"),
        ("redis{lrange none 0 -1}{y}{n}", b"n"),
        ("redis{hgetall hash}", b"f\nv\ng\nw"),
        ("redis{exists key}", b"true"),
        ("redis{exists none}", b"false"),
        ("redis{ping}", b"PONG"),
        (r"redis{\Neval return\ {{'a',1},'b'} 0\N}", b"a\n1\nb"),
    ],
)
def test_redis(redis_servers: str, template: str, text: bytes) -> None:
    assert value(f"${{lookup {template}}}", redis_servers) == text


@pytest.mark.peer("redis")
def test_redis_servers(redis_servers: str) -> None:
    second = redis_servers.partition(" : ")[2].strip()
    assert value(f"${{lookup redis,servers={second}{{get key}}}}", redis_servers) == b"third"
    down = redis_servers.replace("= ", f"= 127.0.0.1::{free_port()}// : ")
    assert value("${lookup redis{get key}}", down) == b"value"
    assert "REDIS: lookup result failed: unknown command" in failure("${lookup redis{nosuch}}", redis_servers)
    wrong = redis_servers.replace("secret", "wrong")
    assert "Redis connection failed: " in failure("${lookup redis{get key}}", wrong)
    assert failure("${lookup redis{}}", redis_servers) == "an empty Redis command"


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1).filter(lambda text: b"\0" not in text))
def test_what_is_quoted_for_redis_is_one_word(text: bytes) -> None:
    quoted = redis.quote(text, b"")
    assert quoted is not None
    assert redis.words_of(b"get " + quoted + b" x") == [b"get", text, b"x"]


@pytest.fixture(scope="module", name="sql_servers", params=["mysql", "pgsql"])
def _sql_servers(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The name of the look-up type, and an option with a server that is down before one that is there."""
    kind = request.param
    start = databaseservers.mariadb if kind == "mysql" else databaseservers.postgresql
    database, user = ("", "root") if kind == "mysql" else ("postgres", "tester")
    with start() as running:
        login = f"{database}/{user}/"
        servers = f"hide {kind}_servers = 127.0.0.1::{free_port()}/{login} : 127.0.0.1::{running.port}/{login}\n"
        _fill(kind, running, login)
        yield kind, servers.replace(f"/{login}\n", "/test" + login.removeprefix(database) + "\n")


def _fill(kind: str, running: Running, login: str) -> None:
    def do(statement: str, database: str | None = None) -> bytes:
        place = login if database is None else database + login[login.index("/") :]
        return value(f"${{lookup {kind},servers=x({running.socket})/{place}{{{statement}}}}}")

    do("create database test")
    do("create table people (name varchar(30), id integer, note text)", "test")
    rows = ("'O''Brien', 1, null", "'two words', 2, 'q\"z'", "'', 3, 'x'", "'c:d', 4, '1.5'")
    assert do("insert into people values " + ", ".join(f"({row})" for row in rows), "test") == b"4"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("{select name from people where id=1}", b"O'Brien"),
        ("{select id from people where name='${quote_KIND:$sender_host_name}'}", b"1"),
        ("{select name from people where id=9}{y}{n}", b"n"),
        ("{select name from people order by id}", b"O'Brien\ntwo words\n\nc:d"),
        (
            "{select * from people where id<3 order by id}",
            b'name=O\'Brien id=1 note="" \nname="two words" id=2 note=q"z ',
        ),
        ("{select 1.50 as a, 7 as b}", b"a=1.50 b=7 "),
        ("{update people set note='z' where id=3}", b"1"),
        ("{select '%s :x ?'}", b"%s :x ?"),
    ],
)
def test_sql(sql_servers: tuple[str, str], query: str, text: bytes) -> None:
    kind, servers = sql_servers
    assert value(f"${{lookup {kind} {query.replace('KIND', kind)}}}", servers) == text


def test_sql_that_fails(sql_servers: tuple[str, str]) -> None:
    kind, servers = sql_servers
    assert f"{kind.upper()}: query failed: " in failure(f"${{lookup {kind}{{selec 1}}}}", servers)
    down = servers.partition(" : ")[0]
    assert " connection failed: " in failure(f"${{lookup {kind}{{select 1}}}}", down)


SESSION = {"mysql": "select connection_id()", "pgsql": "select pg_backend_pid()"}
END = {"mysql": "kill %s", "pgsql": "select pg_terminate_backend(%s)"}


def test_sql_connections_are_kept(sql_servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the server has ended: a clean failure if it was just used, else another one."""
    kind, servers = sql_servers

    def ask(query: str) -> bytes:
        return value(f"${{lookup {kind}{{{query}}}}}", servers)

    def end(session: bytes) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(connections, "_kept", {})  # from another connection
            ask(END[kind] % session.decode())
            connections.close_all()

    first = ask(SESSION[kind])
    assert ask(SESSION[kind]) == first
    end(first)
    assert f"{kind.upper()}: query failed: " in failure(f"${{lookup {kind}{{{SESSION[kind]}}}}}", servers)
    second = ask(SESSION[kind])
    assert second != first
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    assert ask(SESSION[kind]) == second
    end(second)
    assert ask(SESSION[kind]) not in (first, second)
    assert "query failed" in failure(f"${{lookup {kind}{{selec 1}}}}", servers)


@pytest.mark.peer("redis")
def test_redis_connections_are_kept(redis_servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(command: str) -> bytes:
        return value(f"${{lookup redis{{{command}}}}}", redis_servers)

    ask("config resetstat")
    assert [ask("get key") for _ in range(5)] == [b"value"] * 5
    assert b"total_connections_received:0" in ask("info stats").splitlines()
    ask("client kill type normal skipme no")
    assert ask("get key") == b"value"
    monkeypatch.setattr(connections, "_TRUSTED", 0.0)
    assert ask("get key") == b"value"


@pytest.mark.parametrize("kind", ["mysql", "pgsql", "redis"])
def test_no_servers(kind: str) -> None:
    name = {"mysql": "MySQL", "pgsql": "PostgreSQL", "redis": "Redis"}[kind]
    assert failure(f"${{lookup {kind}{{x}}}}") == f"no {name} servers defined ({kind}_servers option)"
    assert failure(f"${{lookup {kind},servers=a{{x}}}}") == f'{name} server "a" not found in {kind}_servers'
    assert failure(f"${{lookup {kind}{{servers=a}}}}") == "missing ; after list of servers"
    assert "servers= in a query with data from mail" in failure(f"${{lookup {kind}{{servers=a;$sender_host_name}}}}")
    assert failure(f"${{lookup {kind},servers=a/b{{x}}}}") == f"incomplete {name} server data: a"


SQL = Kind("SQL", "sql_servers")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        (b"host/db/user/pw", Server("host", 0, "", "db", "user", "pw")),
        (b"host:99/db/user/", Server("host", 99, "", "db", "user", "")),
        (b"[::1]:99/db/user/pw", Server("::1", 99, "", "db", "user", "pw")),
        (b"(/run/x.sock)/db/user/pw", Server("localhost", 0, "/run/x.sock", "db", "user", "pw")),
        (b"h(/run/x.sock)/db//", Server("h", 0, "/run/x.sock", "db", "", "")),
    ],
)
def test_texts_of_servers(text: bytes, server: Server) -> None:
    assert parse_server(text, SQL) == server


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"host", b":", b"1", b"(", b")", b"/", b"[", b"]", b"pass", b"\xff"])))
def test_any_text_is_a_server_or_an_error(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    try:
        found = parse_server(text, SQL)
    except LookupDeferred as error:
        found = None
        message = str(error)
    assert (found is None and message.startswith("incomplete SQL server data: ")) or found is not None


@pytest.mark.parametrize("module", [mysql, pgsql])
def test_what_is_quoted_stays_in_its_quotes(module: object) -> None:
    assert module.quote(b"a'b\"c\\d\n", b"") in (b"a\\'b\\\"c\\\\d\\n", b"a''b\\\"c\\\\d\\n")  # type: ignore[attr-defined]
    assert module.quote(b"x", b"option") is None  # type: ignore[attr-defined]
