"""The configuration file as a whole: settings or one error that tells where and what."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.api import verify_blocking
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.options import OPTIONS
from exim_dkim.config.settings import Settings
from exim_dkim.dkim.sign import choose_names
from exim_dkim.errors import ConfigurationError
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.outcome import DkimResult
from tests.support import samples
from tests.support.peers import program


def parse(text: bytes) -> Settings:
    return parse_configuration(text, "/etc/x.conf")


def test_a_whole_file() -> None:
    found = parse(
        b"KEYS = /etc/keys\n"
        b"dkim_domain = ${lc:${domain:$rh_from:}}\n"
        b'dkim_private_key = "KEYS/$dkim_domain.pem"\n'
        b"hide lookup_timeout = 3s\n"
        b"no_dkim_verify_partial_body\n"
        b"split_spool_directory\n"
        b"lookup_socket_mode = 0666\n"
        b"lookup_max_request = 1M\n"
        b"dns_nameservers = <; ::1 ; 127.0.0.1 5353\n"
        b"domainlist ours = a.example : b.example\n"
    )
    assert found.text("dkim_private_key") == b"/etc/keys/$dkim_domain.pem"
    assert found.seconds("lookup_timeout") == 3
    assert found.is_hidden("lookup_timeout")
    assert not found.boolean("dkim_verify_partial_body")
    assert found.boolean("split_spool_directory")
    assert found.integer("lookup_socket_mode") == 0o666
    assert found.size("lookup_max_request") == 1 << 20
    assert found.items("dns_nameservers") == ("::1", "127.0.0.1 5353")
    assert found.named_lists == {("domain", "ours"): b"a.example : b.example"}
    assert found.place("split_spool_directory") == ("/etc/x.conf", 6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"foo = 1", 'main option "foo" unknown'),
        (b"no_foo", 'main option "no_foo" unknown'),
        (b"dkim_domian = x", 'main option "dkim_domian" unknown (did you mean "dkim_domain"?)'),
        (b"user = a\nuser = b", '"user" option set for the second time'),
        (b"no_user = a", "negation prefix applied to a non-boolean option"),
        (b"user", "unexpected end of line (data missing) after user"),
        (b"user a", 'missing "=" after user'),
        (b"= foo", "option setting expected: = foo"),
        (b".foo x", "option setting expected: .foo x"),
        (b"split_spool_directory x", "extra characters follow boolean option split_spool_directory"),
        (b"no_split_spool_directory = yes", "extra characters follow boolean option no_split_spool_directory"),
        (b"begin transports", '"transports" is not a known configuration section name'),
        (b"domainlist x", "missing '=' after \"x\""),
        (b"domainlist x = a\ndomainlist x = b", 'duplicate name "x" for a named domain list'),
        (b"dns_timeout = 5", "invalid time value for dns_timeout"),
        (b"Foo bar", "malformed macro definition"),
        (
            b"dkim_sign_headers = _DKIM_RECOMENDED_HEADERS",
            "dkim_sign_headers: there is no macro _DKIM_RECOMENDED_HEADERS; there are: _DKIM_SIGN_HEADERS,"
            " _DKIM_OVERSIGN_HEADERS, _DKIM_RECOMMENDED_HEADERS",
        ),
        (
            b"Dkim_domain = x",
            '"Dkim_domain = …" would define a macro, because it begins with a capital letter; '
            "write dkim_domain to set the option",
        ),
    ],
)
def test_faults(line: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(b"# first\n\n" + line)
    assert caught.value.message == message
    assert caught.value.line == 3 + line.count(b"\n")
    assert str(caught.value) == f"/etc/x.conf:{caught.value.line}: {message}"


def test_a_macro_in_capitals_may_have_the_name_of_an_option() -> None:
    assert parse(b"DKIM_DOMAIN = x.example\ndkim_domain = DKIM_DOMAIN").text("dkim_domain") == b"x.example"


def test_macros_of_exim_are_there() -> None:
    found = parse(b".ifdef _DKIM_SIGN_HEADERS\ndkim_sign_headers = _DKIM_OVERSIGN_HEADERS\n.endif")
    assert found.text("dkim_sign_headers").startswith(b"+From:+Sender:")


def test_macros_of_the_command_line() -> None:
    assert parse_configuration(b"A = x\nuser = A", macros={"A": "y"}).string("user") == "y"
    with pytest.raises(ConfigurationError, match="must begin with a capital"):
        parse_configuration(b"", macros={"a": "y"})


def test_nothing_is_included_unless_it_is_given() -> None:
    with pytest.raises(ConfigurationError, match="no file can be included here"):
        parse_configuration(b".include /etc/passwd")


PIECES = st.sampled_from(
    [name.encode() for name in OPTIONS]
    + b' |=| = |\n|\n|no_|hide |domainlist |begin |\\|"|5s|10M|0660|yes|A|Dkim_domain|#|.ifdef A|.endif'.split(b"|")
    + [b"begin profiles\n", b"one:\n"]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=20).map(b"".join)))
def test_any_text_is_settings_or_the_one_error(text: bytes) -> None:
    try:
        found = parse(text)
    except ConfigurationError as error:
        assert error.message.isprintable()  # noqa: PT017 - either outcome is right
        return
    assert all(isinstance(found.shown(name), str) for name in OPTIONS)


# Options that Exim has, too; each line is given to both.
SHARED = b"primary_hostname qualify_domain split_spool_directory message_body_newlines headers_charset".split()
BOTH = [
    b"primary_hostname = a b",
    b'primary_hostname = "a\\x41b"',
    b'primary_hostname = "a',
    b'primary_hostname = "a" b',
    b"primary_hostname =",
    b"primary_hostname",
    b"primary_hostname x",
    b"no_primary_hostname = x",
    b"primary_hostname = a\\\n   b \\\n# comment\n c",
    b"primary_hostname = a \\\n\nqualify_domain = b",
    b"primary_hostname = a\nprimary_hostname = b",
    b"split_spool_directory",
    b"split_spool_directory = YES",
    b"split_spool_directory =",
    b"split_spool_directory = maybe",
    b"split_spool_directory = yes x",
    b"split_spool_directory x",
    b"not_split_spool_directory",
    b"no_split_spool_directory = yes",
    b"hide primary_hostname = a",
    b"FOO = x\nprimary_hostname = aFOOb FOO",
    b"FOO = x\nBAR = FOO.y\nprimary_hostname = BAR",
    b"FOO = x\nFOO = y",
    b"FOO == x",
    b"FOO = x\nAFOO = y",
    b"FOO = x\nFOO == y\nprimary_hostname = FOO",
    b"FOO",
    b"FOO = x\n.ifdef FOO\nprimary_hostname = a\n.else\nprimary_hostname = b\n.endif",
    b".ifndef FOO\nprimary_hostname = a\n.elifdef BAR\nprimary_hostname = c\n.else\nprimary_hostname = b\n.endif",
    b".ifdef FOO\nprimary_hostname = a",
    b".endif",
    b".include /nonexistent/file",
    b".include_if_exists /nonexistent/file\nprimary_hostname = a",
    b".include_if_exists relative",
    b"= x",
    b"begin nosuch",
    b"domainlist a = b\ndomainlist a = c",
    b"domainlist a",
]


def ours(text: bytes) -> str:
    """Settings as `-bP` prints them, or the error."""
    try:
        found = parse_configuration(text, read_include=lambda path: None)
    except ConfigurationError as error:
        return error.message
    shown = []
    for name in (option.decode() for option in SHARED):
        if found.is_set(name):
            value = found.shown(name)
            no = "" if value == "true" else "no_"
            shown.append(f"{name} = {value}" if OPTIONS[name].type != "boolean" else f"{no}{name}")
    return "\n".join(shown)


@pytest.mark.peer("exim")
@pytest.mark.parametrize("text", BOTH)
def test_exim_agrees(text: bytes, tmp_path: Path) -> None:
    if text.startswith(b"hide ") and os.getuid() != 0:
        pytest.skip("needs root: Exim shows to nobody else what is hidden")
    configuration = tmp_path / "exim.conf"
    # What Exim thinks of it must not be in the panic log of this host.
    configuration.write_bytes(f"log_file_path = {tmp_path}/%slog\n".encode() + text + b"\n")
    tmp_path.chmod(0o755)
    command = [program("exim4", "exim4-daemon-heavy"), "-C", str(configuration), "-bP", *map(bytes.decode, SHARED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    message = re.search(r"Exim configuration error[^\n]*\n\s*(.*)", done.stdout + done.stderr)
    wanted = ours(text)
    if message is not None:
        assert message[1].strip() == wanted
    else:
        set_here = {line.split(" ")[0] for line in wanted.split("\n")}
        printed = [line for line in done.stdout.split("\n") if line.split(" ")[0] in set_here]
        assert "\n".join(printed) == wanted


@pytest.mark.peer("exim")
@pytest.mark.parametrize("name", ["_DKIM_SIGN_HEADERS", "_DKIM_OVERSIGN_HEADERS"])
def test_built_in_macros_are_exim_s(tmp_path: Path, name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: Exim takes no other configuration from others")
    file = tmp_path / "exim.conf"
    file.touch()
    command = [program("exim4", "exim4-daemon-heavy"), "-C", str(file), "-bP", "macro", name]
    printed = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    assert (
        printed
        == name.encode() + b"=" + parse(b"dkim_sign_headers = " + name.encode()).text("dkim_sign_headers") + b"\n"
    )


RECOMMENDED = parse(b"dkim_sign_headers = _DKIM_RECOMMENDED_HEADERS").items("dkim_sign_headers")
# What may be put on top of a signed message, and what becomes of the signature.
ADDED = {
    "From": "bad", "To": "bad", "Cc": "bad", "Subject": "bad", "Date": "bad", "Message-ID": "bad", "Reply-To": "bad",
    "In-Reply-To": "bad", "References": "bad", "MIME-Version": "bad", "Content-Type": "bad",
    "Content-Transfer-Encoding": "bad", "Received": "good", "Sender": "good", "List-Id": "good", "List-Post": "good",
    "List-Unsubscribe": "good", "List-Unsubscribe-Post": "good", "Resent-From": "good", "X-Mailer": "good",
}  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
def test_the_recommended_list(name: str) -> None:
    names = choose_names([element.encode() for element in RECOMMENDED], parse_message(samples.message()).fields)
    text = samples.signed(samples.message(), names=names)
    resolver = MemoryResolver({"rsa._domainkey.example.org": samples.key_record("rsa2048")})
    assert verify_blocking(text, resolver, now=0)[0].result is DkimResult.PASS
    changed = f"{name}: added@example.net\r\n".encode() + text
    assert (verify_blocking(changed, resolver, now=0)[0].result is DkimResult.PASS) == (ADDED[name] == "good")


def test_the_recommended_list_signs_what_one_click_unsubscription_needs() -> None:
    assert {"=List-Unsubscribe", "=List-Unsubscribe-Post"} <= set(RECOMMENDED)
    assert len({element[1:].lower() for element in RECOMMENDED}) == len(RECOMMENDED)


PROFILES = b"""\
dkim_domain = main.example
dkim_identity = @main.example
user = mail
BULK = s-bulk
begin profiles
bulk:
  dkim_selector = BULK
  dkim_identity =
  no_strict_acl_vars
  hide dkim_private_key = 0

  # a macro between the profiles
NAME = text
transactional.2:
  dkim_domain = NAME.example
empty :
"""


def test_profiles() -> None:
    found = parse(PROFILES)
    assert list(found.profiles) == ["bulk", "transactional.2", "empty"]
    bulk = found.with_profile("bulk")
    assert (bulk.text("dkim_domain"), bulk.text("dkim_selector")) == (b"main.example", b"s-bulk")
    assert bulk.template("dkim_identity") is None
    assert (bulk.is_hidden("dkim_private_key"), bulk.place("dkim_selector")) == (True, ("/etc/x.conf", 7))
    assert found.with_profile("transactional.2").text("dkim_domain") == b"text.example"
    assert found.with_profile("empty").text("dkim_identity") == b"@main.example"
    assert not found.is_set("dkim_selector")
    with pytest.raises(ConfigurationError, match=r'profile "none" unknown \(there are: bulk, transactional.2, empty\)'):
        found.with_profile("none")
    with pytest.raises(ConfigurationError, match=r"there are: none"):
        parse(b"").with_profile("bulk")


def test_a_profile_can_be_asked_of_replaced_settings() -> None:
    settings = parse(PROFILES).replaced({"dkim_domain": b"other.example"})
    assert settings.with_profile("bulk").text("dkim_domain") == b"other.example"
    assert settings.with_profile("transactional.2").text("dkim_domain") == b"text.example"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"user = x", 'option "user" cannot be set in a profile: it is about the whole process'),
        (b"dns_timeout = 1s", 'option "dns_timeout" cannot be set in a profile: it is about the whole process'),
        (b"nosuch = x", 'main option "nosuch" unknown'),
        (b"dkim_domain = b", '"dkim_domain" option set for the second time'),
        (b"one:", 'there are two profiles called "one"'),
        (b"two: x", "extra characters follow profile name two"),
        (b"begin profiles", '"profiles" section is repeated in the configuration file'),
        (b"begin acl", '"acl" is not a known configuration section name'),
        (b"Two:", "malformed macro definition"),
        (b"domainlist d = x", 'main option "domainlist" unknown'),
    ],
)
def test_faults_in_profiles(line: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(b"begin profiles\none:\ndkim_domain = a\n" + line)
    assert (caught.value.message, caught.value.line) == (message, 4)


def test_an_option_before_the_first_profile() -> None:
    with pytest.raises(ConfigurationError, match="profile name missing"):
        parse(b"begin profiles\ndkim_domain = a")


def test_templates_of_profiles_are_checked() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(b"begin profiles\none:\ndkim_domain = ${nosuch}").check_templates()
    assert (caught.value.line, caught.value.message[:28]) == (3, "failed to expand dkim_domain")
