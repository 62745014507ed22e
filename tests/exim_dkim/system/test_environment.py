"""The environment of a message: header, given variables, configuration, spool, files."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import FileTrouble, Value, expand, parse_template
from exim_dkim.message import parse_field
from exim_dkim.system.environment import MessageEnvironment, RealFiles
from tests.support.expansion import MESSAGE_ID, Sandbox


def text(template: bytes, environment: MessageEnvironment) -> bytes:
    return expand(parse_template(template), environment).text


def test_header_fields_have_line_feeds() -> None:
    environment = MessageEnvironment(Settings(), [parse_field(b"Subject: a\r\n b")])
    assert environment.header_fields() == (b"Subject: a\n b\n",)
    assert text(b"$rh_subject:", environment) == b" a\n b\n"


def test_configuration() -> None:
    settings = parse_configuration(
        b"primary_hostname = h.example\nspool_directory = /s\ndomainlist x = y", "/etc/d/x.conf"
    )
    environment = MessageEnvironment(settings)
    shown = text(b"$primary_hostname $qualify_domain $spool_directory $config_file $config_dir", environment)
    assert shown == b"h.example h.example /s /etc/d/x.conf /etc/d"
    assert environment.named_list("domain", b"x") == b"y"
    assert environment.named_list("host", b"x") is None
    assert text(b"$primary_hostname", MessageEnvironment(Settings())) == os.fsencode(os.uname().nodename)


def test_given_variables() -> None:
    given = {b"sender_address": Value(b"a@b@c", True), b"primary_hostname": Value(b"given", False)}
    environment = MessageEnvironment(Settings(), (), given)
    assert text(b"$sender_address|$sender_address_local_part|$sender_address_domain", environment) == b"a@b@c|a@b|c"
    assert text(b"$primary_hostname", environment) == b"given"
    assert expand(parse_template(b"$sender_address_domain"), environment).tainted
    bare = MessageEnvironment(Settings(), (), {b"sender_address": Value(b"root", False)})
    assert text(b"[$sender_address_local_part|$sender_address_domain]", bare) == b"[root|]"


def test_without_a_spool_the_variables_of_a_message_are_empty() -> None:
    environment = MessageEnvironment(Settings())
    assert text(b"[$sender_address$message_size$acl_m_x$message_exim_id$received_protocol]", environment) == b"[]"


def test_a_spool_that_cannot_be_read_is_an_error_only_for_who_asks(tmp_path: Path) -> None:
    environment = MessageEnvironment(Settings(), message_id=MESSAGE_ID, spool_directory=str(tmp_path))
    assert text(b"$message_exim_id $spool_directory", environment) == f"{MESSAGE_ID} {tmp_path}".encode()
    with pytest.raises(ExpansionError, match=r"\$sender_address is not known: .*-H: No such file or directory"):
        text(b"$sender_address", environment)
    wrong = MessageEnvironment(Settings(), message_id="../../etc/passwd", spool_directory=str(tmp_path))
    with pytest.raises(ExpansionError, match="is not a message id of Exim"):
        text(b"$sender_address", wrong)


def test_the_clock() -> None:
    environment = MessageEnvironment(Settings(), now=1700000000.0)
    assert text(b"$tod_epoch", environment) == b"1700000000"
    assert text(b"$pid", environment) == b"%d" % os.getpid()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("environment") / "sandbox")


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        (b"$message_age", b"54"),
        (b"$return_path", b"Env@From.example"),
        (b"$host_lookup_failed$host_lookup_deferred", b"00"),
        (b"$message_smtputf8", b"no"),
        (b"$tls_in_cipher|$tls_in_ocsp", b"|0"),
        (b"$caller_uid/$caller_gid", b"%d/%d" % (os.getuid(), os.getgid())),
        (b"$spf_result$dkim_verify_status$router_name", b""),
    ],
)
def test_variables_of_the_spool(sandbox: Sandbox, template: bytes, wanted: bytes) -> None:
    environment = MessageEnvironment(
        Settings(), message_id=MESSAGE_ID, spool_directory=str(sandbox.directory / "spool"), now=1795311400.0
    )
    assert text(template, environment) == wanted


def test_the_body_may_keep_its_newlines(sandbox: Sandbox) -> None:
    settings = parse_configuration(b"message_body_newlines\nmessage_body_visible = 12")
    environment = MessageEnvironment(settings, message_id=MESSAGE_ID, spool_directory=str(sandbox.directory / "spool"))
    assert text(b"$message_body|$message_body_end", environment) == b"line one\nlin|ne\nline two\n"


def test_real_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    (tmp_path / "dangling").symlink_to("none")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    files = RealFiles()
    base = os.fsencode(tmp_path) + b"/"
    kinds = {name: files.kind(base + name, False) for name in (b"f", b"link", b"fifo", b"socket", b"", b"none")}
    assert kinds == {b"f": "file", b"link": "link", b"fifo": "fifo", b"socket": "socket", b"": "dir", b"none": None}
    assert files.kind(base + b"link", True) == "file"
    assert [files.exists(base + name) for name in (b"f", b"link", b"dangling", b"none")] == [True, True, False, False]
    assert files.read(base + b"f") == b"x"
    with pytest.raises(FileTrouble, match="No such file or directory"):
        files.read(base + b"none")
    with pytest.raises(FileTrouble, match="Not a directory"):
        files.kind(base + b"f/x", False)
