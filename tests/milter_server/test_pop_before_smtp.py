"""milter_pop_before_smtp: clients that have fetched mail before they send some."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exim_dkim.config.settings import Settings
from exim_dkim.envelope import ClientAddress
from milter_server.message import Connection, Family, Transaction
from milter_server.pop_before_smtp import PopBeforeSmtp, PopBeforeSmtpError
from tests.support.berkeleydb import small_berkeley_db
from tests.support.databases import make_cdb
from tests.support.milter_filters import SIGNER, make_filter, pass_through

CLIENT = b"198.51.100.7"


def address(text: str) -> ClientAddress:
    return ipaddress.ip_address(text)


def transaction(text: bytes = CLIENT) -> Transaction:
    connection = Connection()
    connection.family, connection.address = (Family.INET6 if b":" in text else Family.INET), text
    return Transaction(connection, b"alice@example.org", ())


def option(text: str) -> PopBeforeSmtp:
    return PopBeforeSmtp(Settings().replaced({"milter_pop_before_smtp": text.encode()}))


def has(text: str, client: bytes = CLIENT) -> bool:
    """What the option says of a client."""
    return asyncio.run(option(text).has((), transaction(client)))


PAIRS = [(b"198.51.100.7", b"1793610939"), (b"2001:db8::7", b"")]
FILES: dict[str, bytes] = {
    "hash.db": small_berkeley_db(PAIRS),
    "nul.db": small_berkeley_db([(key + b"\0", value + b"\0") for key, value in PAIRS]),
    "foreign.db": small_berkeley_db(PAIRS, ">"),
    "pop.cdb": make_cdb(PAIRS),
    "list": b"# who\n198.51.100.7\n2001:db8::7\n",
    "words": b"198.51.100.7 1793610939 alice\n2001:db8::7\t-\n",
    "colons": b'198.51.100.7: yes\n"2001:db8::7": yes\n',
    "brackets": b"[198.51.100.7]\n[2001:db8::7]\n",
    "networks": b"198.51.100.0/29\n2001:db8::/64\n",
    "noise": b"nonsense\n\n198.51.100\n:::\n\xff\n  198.51.100.7\n!2001:db8::7\n2001:db8::7 # seven\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    clients = ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7", "198.51.100.70", "198.51.100.8", "2001:db8::71"]
    listed = [has(f"{tmp_path}/{name}", client.encode()) for client in clients]
    near = name == "networks"
    assert listed == [True, True, True, False, False, near]


def test_a_line_that_is_being_written_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "list"
    one = option(str(file))
    for content, found in ((b"192.0.2.1\n198.51.100.7", False), (b"198.51.100.7\n", True), (b"192.0.2.1\n", False)):
        file.write_bytes(content)
        assert asyncio.run(one.has((), transaction())) is found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${if eq{$sender_host_address}{198.51.100.7}{yes}{no}}", True),
        ("${if eq{$sender_host_address}{198.51.100.8}{yes}{no}}", False),
        ("${if eq{$sender_address}{alice@example.org}{true}}", True),
        ("${if eq{a}{b}{yes}}", False),
        ("0", False),
        (" 1 ", True),
    ],
)
def test_strings(text: str, expected: bool) -> None:
    assert has(text) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/nonexistent/pop.db", "/nonexistent/pop.db: No such file"),
        ("/", "not a regular file"),
        ("{dir}/broken.db", "damaged"),
        ("{dir}/broken.cdb", "too short"),
        ("${lookup{$sender_host_address}cdb{/nonexistent}{yes}{no}}", "failed to open /nonexistent"),
        ("${if eq{a}{b}{yes}fail}", "failed"),
        ("perhaps", "neither a file"),
        ("/tmp/$sender_address", "tainted"),
    ],
)
def test_what_cannot_be_said_is_no_yes(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "broken.db").write_bytes(FILES["hash.db"][:-1])
    (tmp_path / "broken.cdb").write_bytes(b"short")
    with pytest.raises(PopBeforeSmtpError, match=why) as caught:
        has(text.replace("{dir}", str(tmp_path)))
    assert str(caught.value).startswith("milter_pop_before_smtp: ")


def test_clients_without_an_address_have_fetched_nothing() -> None:
    assert not has("yes", b"")
    assert not has("/nonexistent", b"garbage")


@pytest.mark.parametrize("content", [b"198.51.100.7\n", FILES["hash.db"]])
def test_their_mail_is_signed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pop").write_bytes(content)
    filter = make_filter(f"{SIGNER}milter_pop_before_smtp = {tmp_path}/pop\n")
    assert pass_through(filter, address=CLIENT).values("DKIM-Signature")
    other = pass_through(filter, address=b"198.51.100.8")
    assert (other.values("DKIM-Signature"), len(other.results)) == ([], 1)


def test_it_is_a_user_whom_spf_does_not_judge(tmp_path: Path) -> None:
    (tmp_path / "pop").write_bytes(b"198.51.100.7\n")
    filter = make_filter(f"milter_methods = spf : dkim\nmilter_pop_before_smtp = {tmp_path}/pop\n", "all")
    assert "spf=" not in pass_through(filter, address=CLIENT).results[0]
    assert "spf=fail" in pass_through(filter, address=b"198.51.100.8").results[0]


def test_trouble_is_logged_and_the_mail_verified(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milter_server")
    filter = make_filter(f"{SIGNER}milter_pop_before_smtp = /nonexistent/pop\n")
    exchange = pass_through(filter, address=CLIENT)
    assert (exchange.values("DKIM-Signature"), len(exchange.results)) == ([], 1)
    assert "counts as a stranger's: milter_pop_before_smtp: /nonexistent/pop: No such file" in caplog.text
    caplog.clear()
    assert pass_through(filter).values("DKIM-Signature"), "internal hosts need no file"
    assert "nonexistent" not in caplog.text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([b"198.51.100.7", b"\n", b" ", b":", b"/", b"29", b"#", b'"', b"\0", b"\xff"]), max_size=9)
)
def test_any_text_is_a_list(tmp_path: Path, pieces: list[bytes]) -> None:
    file = tmp_path / "list"
    file.write_bytes(b"".join(pieces))
    assert option("x").has_address(bytes(file), address("198.51.100.7")) in (True, False)
