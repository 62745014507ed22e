"""exim-dkim import-opendkim: configurations and tables of OpenDKIM."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from exim_dkim.config import opendkim_tables
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.crypto import load_private_key
from exim_dkim.system.files import read_configuration
from milter_server.configuration import filters_of
from tests.support.berkeleydb import small_berkeley_db
from tests.support.cli import run_cli
from tests.support.milter_filters import KEY

TYPICAL = """\
# as in many guides
Syslog          yes
SyslogSuccess   Yes
LogWhy          Yes
Canonicalization relaxed/simple
ExternalIgnoreList refile:{dir}/TrustedHosts
InternalHosts   refile:{dir}/TrustedHosts
KeyTable        refile:{dir}/KeyTable
SigningTable    refile:{dir}/SigningTable
Mode            sv
PidFile         {dir}/opendkim.pid
SignatureAlgorithm rsa-sha256
UserID          opendkim:mail
Socket          inet:12301@localhost   # for Postfix
TemporaryDirectory /var/tmp
On-BadSignature reject
"""
KEY_TABLE = f"""
mail._domainkey.example.org example.org:mail:{KEY}
other other.example:sel:{KEY}
own %:own:{KEY}
inline x.example:s:MIIEvQ
odd x.example:s:/keys/a:b
path %:s:/keys/%.pem
relative %:s:./key
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "TrustedHosts").write_text("127.0.0.1\nlocalhost\n192.168.0.1/24\n\n*.example.org\n")
    (tmp_path / "KeyTable").write_text(KEY_TABLE)
    (tmp_path / "SigningTable").write_text("*@example.org mail._domainkey.example.org\n")
    return tmp_path


def imported(directory: Path, text: str) -> tuple[str, str, str]:
    """The configuration, the rules and the warnings."""
    (directory / "opendkim.conf").write_text(text.format(dir=directory))
    output, rules = directory / "out.conf", directory / "rules"
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", output, "--rules", rules)
    assert result.exit_code == 0, result.output
    return output.read_text(), rules.read_text() if rules.exists() else "", result.stderr


def test_a_typical_configuration(directory: Path) -> None:
    text, rules, notes = imported(directory, TYPICAL)
    assert rules.splitlines()[1:] == [f"*@example.org:example.org:{KEY}:mail"]
    options = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    assert options == {
        "milter_methods": "dkim",
        "log_destination": "syslog",
        "milter_log_why": "true",
        "dkim_canon": "relaxed/simple",
        "milter_external_hosts": f"{directory}/TrustedHosts",
        "milter_internal_hosts": f"{directory}/TrustedHosts",
        "milter_mode": "sv",
        "pid_file_path": f"{directory}/opendkim.pid",
        "user": "opendkim",
        "group": "mail",
        "milter_listen": "inet:12301@localhost",
        "dkim_timestamps": "0",
        "milter_quiet": "false",
        "milter_actions": "dnserror=tempfail badsignature=reject",
        "milter_key_list": f"{directory}/rules",
    }
    assert "warning" not in notes
    (configuration,) = filters_of(read_configuration(str(directory / "out.conf")), {})
    assert configuration.key_list is not None
    found = configuration.key_list.find("alice", "example.org")
    assert found is not None
    assert (found.domain, found.selector) == ("example.org", "mail")


SINGLE = "Domain example.org, other.example\nSelector s$1\nKeyFile /etc/k$\nSocket local:/run/o.sock\n"


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        (SINGLE, "milter_domains", "example.org other.example"),
        (SINGLE, "dkim_selector", "s\\$1"),
        (SINGLE, "dkim_private_key", "/etc/k\\$"),
        (SINGLE, "milter_listen", "local:/run/o.sock"),
        (SINGLE, "dkim_canon", "simple/simple"),
        (SINGLE, "milter_quiet", "true"),
        ("Domain /etc/domains\n", "milter_domains", "/etc/domains"),
        ("SubDomains yes\n", "milter_subdomains", "true"),
        ("Canonicalization relaxed\n", "dkim_canon", "relaxed/simple"),
        ("UMask 007\n", "milter_socket_mode", "0660"),
        ("UMask 0\n", "milter_socket_mode", "0666"),
        ("UserID opendkim\n", "user", "opendkim"),
        ("SignatureTTL 86400\n", "dkim_timestamps", "86400"),
        ("MacroList {{a}}=b|c,d\n", "milter_macros", "{a}=b {a}=c d"),
        ("MTA MSA, MTA\n", "milter_daemons", "MSA MTA"),
        ("SendReports yes\n", "milter_reports", "true"),
        ("ReportAddress dkim@x.example\n", "milter_report_from", "dkim@x.example"),
        ('ReportAddress "DKIM reports" <dkim@x.example>\n', "milter_report_from", "dkim@x.example"),
        ("RequestReports yes\n", "dkim_request_reports", "true"),
        ("MTACommand /usr/lib/sendmail\n", "milter_report_command", "/usr/lib/sendmail -t -i -f <>"),
        ("On-Default r\n", "milter_actions", "default=r"),
        ("On-DNSError accept\n", "milter_actions", "dnserror=accept"),
        ("Nameservers 192.0.2.1,192.0.2.2\n", "dns_nameservers", "<, 192.0.2.1, 192.0.2.2"),
        ("MinimumKeyBits 2048\n", "dkim_verify_min_keysizes", "rsa=2048 ed25519=250"),
        ("SignHeaders From,To\nOversignHeaders From\n", "dkim_sign_headers", "+From:=To"),
        ("SignHeaders From,To\nOversignHeaders To,Cc\n", "dkim_sign_headers", "+From:+To:+Cc"),
        ("SignHeaders From,To,Cc\nOmitHeaders to,from\n", "dkim_sign_headers", "+From:=Cc"),
        ("Syslog no\n", "log_destination", "stderr"),
        ("KeyList /etc/mail/dkim-keys\n", "milter_key_list", "/etc/mail/dkim-keys"),
        ("POPDBFile db:/etc/mail/pop$.db\n", "milter_pop_before_smtp", "/etc/mail/pop\\$.db"),
        ("POPDBFile /etc/mail/pop\n", "milter_pop_before_smtp", "/etc/mail/pop"),
        ("MultipleSignatures yes\nKeyTable csl:a=b:c:/d\nSigningTable *=a\n", "milter_multiple_signatures", "true"),
        ("InternalHosts csl:192.0.2.1, ::1\n", "milter_internal_hosts", "192.0.2.1 ::1"),
        ("Domain refile:/etc/domains\n", "milter_domains", "/etc/domains"),
        ("AuthservID mx.example\n", "authserv_id", "mx.example"),
    ],
)
def test_parameters(directory: Path, text: str, option: str, value: str) -> None:
    written, _, _ = imported(directory, text)
    options = dict(line.split(" = ", 1) for line in written.splitlines() if " = " in line)
    assert options[option] == value
    read_configuration(str(directory / "out.conf")).check_templates()


@pytest.mark.parametrize(
    ("table", "rules"),
    [
        ("*@example.org other", ["*@example.org:other.example:KEY:sel"]),
        ("*@x.example own", ["*@x.example:*:KEY:own"]),
        ("*@other %", []),
        ("* other", ["*:other.example:KEY:sel"]),
    ],
)
def test_signing_tables_of_patterns(directory: Path, table: str, rules: list[str]) -> None:
    (directory / "SigningTable").write_text(table + "\n")
    _, written, notes = imported(directory, TYPICAL)
    wanted = [rule.replace("KEY", str(KEY)) for rule in rules]
    if table == "*@other %":
        wanted = [f"*@other:other.example:{KEY}:sel"]
    assert written.splitlines()[1:] == wanted, notes


def test_plain_signing_tables_are_tried_in_opendkims_order(directory: Path) -> None:
    (directory / "SigningTable").write_text(
        "* other\n.example.org other\nalice@* other\n.sub.example.org other\nexample.org other\na@.example.org other\n"
        "alice@example.org other\n"
    )
    _, written, _ = imported(directory, TYPICAL.replace("SigningTable    refile:", "SigningTable file:"))
    assert [line.partition(":")[0] for line in written.splitlines()[1:]] == [
        "alice@example.org",
        "*@example.org",
        "*@*.sub.example.org",
        "a@*.example.org",
        "*@*.example.org",
        "alice@*",
        "*",
    ]


def test_a_key_for_each_domain(directory: Path) -> None:
    for name in ("a.example", "c.example"):
        (directory / "keys" / name).mkdir(parents=True)
        (directory / "keys" / name / "k").write_bytes(KEY.read_bytes())
    keys = f"{directory}/keys"
    (directory / "KeyTable").write_text(f"a.example %:s:{keys}/%/k\nb.example %:t:{KEY}\nd.example %:s:{keys}/%/k\n")
    (directory / "SigningTable").write_text("*@* %\n* a.example\n*@*.org a.example\n")
    _, written, notes = imported(directory, TYPICAL)
    assert written.splitlines()[1:] == [
        f"*@a.example:*:{keys}/a.example/k:s",
        f"*@b.example:*:{KEY}:t",
        f"*@a.example:*:{keys}/a.example/k:s",
        f"*@c.example:*:{keys}/c.example/k:s",
    ]
    told = " ".join(notes.split())
    assert f"there is no {keys}/d.example/k: this mail will not be signed" in told
    assert "made from the author's domain; by now, 2 domains have one" in told
    assert "made from the author's domain; by now, no domain has one" in told


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("ReportBccAddress a@b.example\n", "opendkim.conf:1: ReportBccAddress: has no equivalent here"),
        ("SignatureAlgorithm rsa-sha1\n", "nobody accepts rsa-sha1"),
        ("Minimum 100%\n", "is not needed"),
        ("InternalHosts mysql:db\n", "a data set of kind mysql"),
        ("KeyTable dsn:x\nSigningTable dsn:y\n", "a data set of kind dsn: cannot be read"),
        ("KeyTable file:{dir}/KeyTable\nSigningTable lua:y\n", "a data set of kind lua: cannot be read"),
        ("KeyTable file:{dir}/KeyTable\nSigningTable db:{dir}/KeyTable\n", "not a Berkeley DB file"),
        ("KeyTable file:{dir}/KeyTable\nSigningTable {dir}/gone.db\n", "gone.db: No such file"),
        ("InternalHosts db:{dir}/KeyTable\n", "not a Berkeley DB file (hash or btree); write its entries into milter"),
        ("POPDBFile dsn:x\n", "milter_pop_before_smtp wants a file"),
        ("Domain *.example.org\n", "OpenDKIM takes these for no patterns"),
        ("MacroList db:x\n", "x: No such file"),
        ("UMask x\n", "not an octal number"),
        ("Mode s\n", "Canonicalization is not set"),
    ],
)
def test_what_is_not_carried_over_is_told_twice(directory: Path, text: str, note: str) -> None:
    written, _, notes = imported(directory, text)
    assert note in " ".join(notes.split())
    assert note in " ".join(written.replace("\n#  ", "").split())


@pytest.mark.parametrize(
    ("table", "note"),
    [
        ("*@example.org inline", "the key is not a file"),
        ("*@example.org missing", "KeyTable has no usable key 'missing'"),
        ("*@example.org other:%", "the identity % has no @, and OpenDKIM does not sign then; here it is @%"),
        ("*@example.org odd", "has a colon, which rules cannot have"),
        ("* relative", "./key is relative, and there is no BaseDirectory"),
        ("* path", "the key is made from the author's domain; by now, no domain has one"),
        ("example.org other", "SigningTable: example.org: is no address, and fits none; perhaps *@example.org"),
    ],
)
def test_entries_that_are_not_carried_over(directory: Path, table: str, note: str) -> None:
    (directory / "SigningTable").write_text(f"{table}\n*@x.example other\n")
    _, _, notes = imported(directory, TYPICAL)
    assert note in " ".join(notes.split())


def test_includes_and_base_directories(directory: Path) -> None:
    (directory / "more").write_text(f"BaseDirectory {directory}\nInternalHosts ./TrustedHosts\n")
    written, _, _ = imported(directory, "Include {dir}/more\n")
    assert f"milter_internal_hosts = {directory}/TrustedHosts" in written


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ("Mode\n", 78, "opendkim.conf:1: Mode has no value"),
        ("Include {dir}/opendkim.conf\n", 78, "too many files include each other"),
        ("Include /nonexistent\n", 1, "opendkim.conf names /nonexistent: no such file"),
    ],
)
def test_failures(directory: Path, text: str, status: int, error: str) -> None:
    (directory / "opendkim.conf").write_text(text.format(dir=directory))
    result = run_cli("import-opendkim", directory / "opendkim.conf")
    assert result.exit_code == status
    assert error in result.stderr


def test_nothing_is_overwritten(directory: Path) -> None:
    (directory / "out.conf").write_text("precious")
    (directory / "opendkim.conf").write_text("Mode s\n")
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", directory / "out.conf")
    assert result.exit_code == 1
    assert (directory / "out.conf").read_text() == "precious"


def test_no_rules_are_left_where_the_configuration_exists(directory: Path) -> None:
    (directory / "out.conf").write_text("precious")
    (directory / "opendkim.conf").write_text(TYPICAL.format(dir=directory))
    rules = directory / "rules"
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", directory / "out.conf", "--rules", rules)
    assert (result.exit_code, rules.exists()) == (1, False)


def test_too_many_rules(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opendkim_tables, "MAX_RULES", 3)
    (directory / "SigningTable").write_text("*@* %\n" * 2)
    _, written, notes = imported(directory, TYPICAL)
    assert written == ""
    assert "SigningTable: more than 3 rules come of it" in " ".join(notes.split())


def test_the_first_example_shows_everything_and_writes_nothing(directory: Path) -> None:
    (directory / "opendkim.conf").write_text(TYPICAL.format(dir=directory))
    before = sorted(directory.iterdir())
    result = run_cli("import-opendkim", directory / "opendkim.conf")
    assert result.exit_code == 0, result.output
    assert sorted(directory.iterdir()) == before
    assert "milter_key_list = /etc/exim-dkim/signing.rules\n" in result.stdout
    told = f"# /etc/exim-dkim/signing.rules is to hold:\n# # From {directory}/opendkim.conf: AUTHOR:DOMAIN"
    assert told in result.stdout
    assert result.stdout.endswith(f"\n# *@example.org:example.org:{KEY}:mail\n")


def test_rules_go_beside_the_configuration(directory: Path) -> None:
    (directory / "opendkim.conf").write_text(TYPICAL.format(dir=directory))
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", directory / "out.conf")
    assert result.exit_code == 0
    assert f"milter_key_list = {directory}/signing.rules" in (directory / "out.conf").read_text()
    assert (directory / "signing.rules").read_text().splitlines()[1:] == [f"*@example.org:example.org:{KEY}:mail"]
    assert filters_of(read_configuration(str(directory / "out.conf")), {})[0].key_list


def test_identities(directory: Path) -> None:
    table = "*@example.org other:list@%\n*@x.example other:@other.example\n*@y.example other:who\n"
    (directory / "SigningTable").write_text(table)
    _, written, _ = imported(directory, TYPICAL)
    identities = [line.split(":")[4] for line in written.splitlines()[1:]]
    assert identities == ["list@*", "@other.example", "@who"]


TRADITIONAL = serialization.load_pem_private_key(KEY.read_bytes(), None).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)


@pytest.mark.parametrize("pem", [KEY.read_bytes(), TRADITIONAL, (KEY.parent / "ed25519.pem").read_bytes()])
@pytest.mark.parametrize("form", ["base64", "one line"])
def test_keys_in_the_table(directory: Path, pem: bytes, form: str) -> None:
    lines = pem.decode().splitlines()
    text = "".join(lines[1:-1]) if form == "base64" else "\\n".join(lines)
    (directory / "KeyTable").write_text(f"in/../line x.example:s:{text}\nin_.._line x.example:t:{text}\n")
    (directory / "SigningTable").write_text("*@x.example in/../line\n*@y.example in_.._line\n*@z.example in/../line\n")
    (directory / "opendkim.conf").write_text(TYPICAL.format(dir=directory))
    (directory / "keys").mkdir()
    output = directory / "out.conf"
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", output, "--keys", directory / "keys")
    assert result.exit_code == 0, result.output
    first, second = directory / "keys" / "in_.._line.pem", directory / "keys" / "in_.._line-2.pem"
    rules = [line.split(":")[2] for line in (directory / "signing.rules").read_text().splitlines()[1:]]
    assert rules == [str(first), str(second), str(first)]
    for file in (first, second):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert load_private_key(file.read_bytes()).public_der() == load_private_key(pem).public_der()
    assert text[50:90] not in result.output + output.read_text()


def test_a_key_that_is_none(directory: Path) -> None:
    (directory / "SigningTable").write_text("*@x.example inline\n*@example.org other\n")
    (directory / "opendkim.conf").write_text(TYPICAL.format(dir=directory))
    arguments = ("import-opendkim", directory / "opendkim.conf", "-o", directory / "out.conf")
    result = run_cli(*arguments, "--keys", directory)
    assert "the key is not a file: and is no private key that can be read" in " ".join(result.stderr.split())
    assert "MIIEvQ" not in result.output
    assert not list(directory.glob("*.pem"))


DATABASES = ["mysql://user:geheim@3306+db.example/odkim/", "pgsql://user:geheim@localhost/odkim/"]


@pytest.mark.parametrize("place", DATABASES)
def test_what_to_write_in_place_of_a_database(directory: Path, place: str) -> None:
    signing = f"dsn:{place}table=signing?keycol=author?datacol=keyname?filter=active=3D1"
    keys = f"dsn:{place}table=keys?keycol=id?datacol=domain,selector,private"
    written, _, notes = imported(directory, f"SigningTable {signing}\nKeyTable {keys}\n")
    assert "geheim" not in written + notes
    suggested = [line.removeprefix("#     ") for line in written.splitlines() if line.startswith("#     ")]
    settings = parse_configuration("\n".join(suggested).encode(), "suggested")
    settings.check_templates()
    assert "select private from keys where id = '${quote_" in settings.string("dkim_private_key")
    assert "from signing where author = '" in settings.string("dkim_domain")
    assert "and active=1" in settings.string("dkim_domain")
    assert settings.is_hidden(f"{place.partition(':')[0]}_servers")


def test_what_to_write_in_place_of_a_directory(directory: Path) -> None:
    signing = "ldap://ldap.example/dc=example?dkimKey?sub?(mail=$d)"
    keys = "ldap://ldap.example/dc=example?dkimDomain,dkimSelector,dkimPrivate?sub?(cn=$d)"
    written, _, _ = imported(directory, f"SigningTable {signing}\nKeyTable {keys}\n")
    suggested = [line.removeprefix("#     ") for line in written.splitlines() if line.startswith("#     ")]
    settings = parse_configuration("\n".join(suggested).encode(), "suggested")
    settings.check_templates()
    assert "ldap://ldap.example/dc=example?dkimSelector?sub?(cn=${quote_ldap:" in settings.string("dkim_selector")


def test_berkeley_databases(directory: Path) -> None:
    signing = [(b"example.org\0", b"mail:@example.org\0"), (b"alice@example.org\0", b"mail\0")]
    (directory / "signing.db").write_bytes(small_berkeley_db(signing))
    (directory / "keys.db").write_bytes(small_berkeley_db([(b"mail", f"example.org:s:{KEY}".encode())]))
    (directory / "hosts.db").write_bytes(small_berkeley_db([(b"192.0.2.1", b""), (b"2001:db8::1", b"")]))
    text = "SigningTable db:{dir}/signing.db\nKeyTable {dir}/keys.db\nInternalHosts db:{dir}/hosts.db\n"
    written, rules, _ = imported(directory, text)
    assert "milter_internal_hosts = 192.0.2.1 2001:db8::1\n" in written
    assert rules.splitlines()[1:] == [
        f"alice@example.org:example.org:{KEY}:s",
        f"*@example.org:example.org:{KEY}:s:@example.org",
    ]
