"""exim-dkim check: each fault that an administrator meets, with the command that mends it."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import exim_dkim
from exim_dkim.commands import check, check_exim, exim_user
from exim_dkim.commands.access_findings import ELSEWHERE, refusal
from exim_dkim.commands.check_exim import check_transport, parse_transports
from exim_dkim.commands.check_filter import check_filter, try_signing
from exim_dkim.commands.findings import Finding, Level
from exim_dkim.commands.installation import find_filter, interpreter_of
from exim_dkim.crypto import generate_private_key
from exim_dkim.system.access import EXECUTE, Barrier, User
from tests.support.cli import run_cli
from tests.support.installation import installed
from tests.support.processes import open_to_others, shared_directory

ROOT = os.geteuid() == 0
ROOT_ONLY = pytest.mark.skipif(not ROOT, reason="needs root: it becomes another user")
NOBODY = pwd.getpwnam("nobody")


OPTIONS = """\
dkim_domain = ${lookup {${domain:$rh_from:}} lsearch,ret=key {DIRECTORY/domains}}
dkim_selector = s
dkim_private_key = ${lookup {$dkim_domain.pem} dsearch,ret=full {DIRECTORY/keys}{$value}{0}}
dkim_strict = true
lookup_listen = DIRECTORY/socket
lookup_spool_directories = DIRECTORY/spool
"""


class Site(NamedTuple):
    """A configuration with a key, below a directory that everybody may search."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "config"

    @property
    def key(self) -> Path:
        return self.directory / "keys" / "example.org.pem"

    def configure(self, more: str = "") -> None:
        self.config.write_text(OPTIONS.replace("DIRECTORY", str(self.directory)) + more)
        self.config.chmod(0o644)

    def check(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of a check for user nobody."""
        result = run_cli("check", "-C", self.config, "--exim-user", f"nobody:{NOBODY.pw_gid}", *arguments)
        return result.exit_code, result.output


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(check, "check_exim", lambda *arguments: iter(()))
    monkeypatch.setattr(check, "check_acl", lambda *arguments: iter(()))
    monkeypatch.setattr(check, "find_filter", lambda: None)
    with shared_directory("exim-dkim-check-") as directory:
        made = Site(directory)
        (directory / "keys").mkdir()
        (directory / "keys").chmod(0o755)
        (directory / "domains").write_text("example.org\n")
        (directory / "domains").chmod(0o644)
        made.key.write_bytes(generate_private_key("ed25519", 0))
        made.key.chmod(0o640)
        if ROOT:
            os.chown(made.key, 0, NOBODY.pw_gid)
        made.configure()
        yield made


@ROOT_ONLY
def test_a_good_site(site: Site) -> None:
    _, text = site.check()
    assert f"ok     configuration: {site.config} is right, and user nobody may read it" in text
    assert f"ok     private key {site.key}: user nobody can use it" in text
    assert "ok     signing mail from example.org: d=example.org s=s (ed25519, 256 bits)" in text
    assert text.count("fail") == 2  # no filter, no server
    assert f"fail   socket {site.directory}/socket: {site.directory}/socket does not exist: no server runs" in text
    assert "fail   filter: there is no exim-dkim-filter" in text


def test_signing_that_fails_open(site: Site) -> None:
    assert "dkim_strict is not set" not in site.check()[1]
    site.config.write_text(site.config.read_text().replace("dkim_strict = true\n", ""))
    assert "warn   signing: dkim_strict is not set" in site.check()[1]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("dns_nameservers = ns.example.org", "dns_nameservers: 'ns.example.org' is not an address"),
        ("lookup_methods = dkim : spff", "lookup_methods: 'spff' is no method"),
        ("syslog_facility = mai", "syslog_facility: 'mai' is unknown"),
        ("log_destination = file", "log_destination: want syslog or stderr"),
        ("lookup_socket_owner = no-such-user", "lookup_socket_owner: there is no user no-such-user"),
        ("lookup_request_timeout = 0s", "lookup_request_timeout must be at least 1"),
        ("lookup_max_request = 10", "lookup_max_request must be at least 1024"),
    ],
)
def test_what_the_server_would_refuse(site: Site, option: str, text: str) -> None:
    assert "would not start" not in site.check()[1]
    site.configure(option + "\n")
    status, shown = site.check()
    assert status == 1
    assert f"fail   the server would not start: {site.config}:7: {text}" in shown


def test_spools_with_relative_names(site: Site) -> None:
    site.config.write_text("lookup_spool_directories = var/spool\n")
    assert ":1: lookup_spool_directories: 'var/spool' is not an absolute path" in site.check()[1]


def test_sockets_that_are_none(site: Site) -> None:
    site.config.write_text("lookup_listen = 127.0.0.1:8892\n")
    shown = site.check()[1]
    assert f"the server would not start: {site.config}:1: lookup_listen: 127.0.0.1: a socket is /PATH, inet:" in shown


def test_a_zone_file_that_is_not_there(site: Site) -> None:
    site.configure("dns_zone_file = /nonexistent/zone\n")
    assert "would not start: /nonexistent/zone: the zone file cannot be read" in site.check()[1]


def test_spools_that_are_not_there(site: Site) -> None:
    site.config.write_text("user = nobody\nlookup_spool_directories = /nonexistent/spool\n")
    assert "warn   server: none of lookup_spool_directories is there (/nonexistent/spool)" in site.check()[1]


@ROOT_ONLY
def test_quiet_leaves_out_what_is_ok(site: Site) -> None:
    status, text = site.check("--quiet")
    assert status == 1
    assert "\nok " not in "\n" + text
    assert "fail   socket" in text


@ROOT_ONLY
@pytest.mark.parametrize(
    ("path", "mode", "text", "remedy"),
    [
        ("keys/example.org.pem", 0o600, "may not read {path} (mode 0600", "chgrp {group} {path} && chmod g+r {path}"),
        ("keys", 0o700, "may not search {path} (mode 0700", "chgrp {group} {path} && chmod g+x {path}"),
        ("domains", 0o600, "may not read {path} (mode 0600", "chgrp {group} {path} && chmod g+r {path}"),
        ("config", 0o600, "may not read {path} (mode 0600", "chgrp {group} {path} && chmod g+r {path}"),
    ],
)
def test_the_command_that_is_advised_mends_it(site: Site, path: str, mode: int, text: str, remedy: str) -> None:
    file = site.directory / path
    os.chown(file, 0, 0)
    file.chmod(mode)
    names = {"path": file, "group": _group()}
    status, shown = site.check()
    assert status == 1
    assert text.format(**names) in shown
    assert remedy.format(**names) in shown
    _do(remedy.format(**names))
    assert text.format(**names) not in site.check()[1]


def _group() -> str:
    import grp

    return grp.getgrgid(NOBODY.pw_gid).gr_name


def _do(command: str) -> None:
    """Carry out `chgrp GROUP PATH && chmod g+X PATH`."""
    chgrp, chmod = command.split(" && ")
    assert chgrp.split()[0] == "chgrp"
    path = Path(chgrp.split()[2])
    os.chown(path, -1, NOBODY.pw_gid)
    bit = {"g+r": stat.S_IRGRP, "g+x": stat.S_IXGRP, "g+rx": stat.S_IRGRP | stat.S_IXGRP}[chmod.split()[1]]
    path.chmod(stat.S_IMODE(path.stat().st_mode) | bit)


@ROOT_ONLY
def test_a_key_for_everybody(site: Site) -> None:
    site.key.chmod(0o644)
    text = site.check()[1]
    assert f"warn   private key {site.key} can be read by everybody (mode 0644" in text
    assert f"chgrp {_group()} {site.key} && chmod 0640 {site.key}" in text


@ROOT_ONLY
def test_keys_that_are_none(site: Site) -> None:
    site.key.write_text("nonsense")
    status, text = site.check()
    assert status == 1
    assert f"fail   private key {site.key}: this is not a private key" in text
    assert "nonsense" not in text


def test_without_root_nothing_is_called_wrong_that_was_not_tried(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    if ROOT:
        monkeypatch.setattr(os, "geteuid", lambda: 64999)
        monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(".pem"))
    else:
        pytest.skip("needs root: only root can give the key to Exim's group")
    text = site.check()[1]
    assert "warn   not root: what user nobody may do is judged by mode bits" in text
    assert f"warn   private key {site.key}: not looked into, since this user may not read it" in text
    assert f"warn   signing: not tried, since this user may not read {site.key}" in text
    assert text.count("fail") == 2  # no filter, no server
    assert "chgrp" not in text


@ROOT_ONLY
def test_domains_without_a_key(site: Site) -> None:
    text = site.check("--domain", "example.net")[1]
    assert "warn   signing mail from example.net: not signed: dkim_domain is empty" in text
    assert "See what each option gives for a message from example.net: exim-dkim options --message FILE" in text


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("nonsense = 1\n", ':7: main option "nonsense" unknown'),
        ("dkim_identity = ${lc:x\n", ":7: failed to expand dkim_identity"),
        ("domainkeys_verify_min_keysize = 0\n", ":7: domainkeys_verify_min_keysize must be at least 1"),
        ("dkim_verify_min_keysizes = rsa\n", ":7: dkim_verify_min_keysizes: 'rsa' is not TYPE=BITS"),
    ],
)
def test_wrong_configurations(site: Site, more: str, text: str) -> None:
    site.configure(more)
    status, shown = site.check()
    assert status == 1
    assert f"fail   configuration: {site.config}{text}" in shown


def test_no_configuration(site: Site) -> None:
    site.config.unlink()
    status, shown = site.check()
    assert status == 1
    assert f"fail   configuration: {site.config}: there is no such file" in shown


def test_no_signing(site: Site) -> None:
    site.config.write_text("")
    assert "ok     signing: dkim_domain, dkim_selector, dkim_private_key not set: no mail is signed" in site.check()[1]


@ROOT_ONLY
def test_domainkeys_alone(site: Site) -> None:
    site.key.write_bytes(generate_private_key("rsa", 1024))
    text = OPTIONS.replace("DIRECTORY", str(site.directory)).replace("dkim_strict", "DKIM_STRICT")
    site.config.write_text(text.replace("dkim_", "domainkeys_").replace("DKIM_STRICT", "dkim_strict"))
    shown = site.check()[1]
    assert f"ok     private key {site.key}: user nobody can use it" in shown
    assert "ok     signing mail from example.org: d=example.org s=s (rsa, 1024 bits)" in shown
    assert "not set" not in shown
    site.key.write_bytes(generate_private_key("ed25519", 0))
    assert "fail   signing mail from example.org: DomainKeys needs an RSA key" in site.check()[1]


def test_an_unknown_user() -> None:
    result = run_cli("check", "--exim-user", "no-such-user-here")
    assert result.exit_code == 2
    assert "there is no such user" in result.stderr


def test_exim_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exim_user, "find_exim", lambda: None)
    monkeypatch.setattr(exim_user, "_USUAL_NAMES", ("no-such-user-here",))
    assert exim_user.find_exim_user() is None
    assert exim_user.exim_group_name() == "EXIM-GROUP"
    assert check.as_user(None).name == "nobody"


@ROOT_ONLY
def test_dns(site: Site) -> None:
    zone = site.directory / "zone"
    zone.write_text('s._domainkey.example.org. 3600 IN TXT "v=DKIM1; p="\n')
    site.configure(f"dns_zone_file = {zone}\n")
    assert "the published key is revoked" in site.check("--dns")[1]
    assert "the published key is revoked" not in site.check()[1]


@ROOT_ONLY
def test_the_server_user_and_the_spool(site: Site) -> None:
    spool = site.directory / "spool" / "input"
    spool.mkdir(parents=True)
    spool.parent.chmod(0o755)
    os.chown(spool, 0, 0)
    spool.chmod(0o750)
    site.configure("user = nobody\n")
    assert "usermod -a -G root nobody" in site.check()[1]
    os.chown(spool, 0, NOBODY.pw_gid)
    assert f"ok     server: user nobody may read messages in {spool}" in site.check()[1]
    site.configure("user = no-such-user-here\n")
    assert f"{site.config}:7: there is no user no-such-user-here on this host" in site.check()[1]


def installed_openly(path: str) -> bool:
    """Whether everybody may reach the filter, its interpreter and the package."""
    places = (Path(path).parent, Path(sys.executable).resolve().parent, Path(exim_dkim.__file__).parent)
    return all(map(open_to_others, places))


class TestFilter:
    """Script, interpreter, directories, packages."""

    @pytest.fixture
    def directory(self) -> Iterator[Path]:
        with shared_directory("exim-dkim-filter-") as made:
            yield made

    @pytest.fixture
    def user(self) -> User:
        """Somebody else than who runs the tests; root can become that user."""
        return User("nobody", NOBODY.pw_uid, NOBODY.pw_gid) if ROOT else User("nobody", 64999, 64999)

    def script(self, directory: Path, interpreter: str, code: str = "echo exim-dkim-filter 1.0") -> Path:
        file = directory / "exim-dkim-filter"
        file.write_text(f"#!{interpreter}\n{code}\n")
        file.chmod(0o755)
        return file

    def findings(self, file: Path, user: User, may_try: bool = ROOT) -> list[Finding]:
        return [finding for finding in check_filter(str(file), user, may_try) if "package" not in finding.text]

    @ROOT_ONLY
    def test_it_runs(self, directory: Path, user: User) -> None:
        (finding,) = self.findings(self.script(directory, "/bin/sh"), user)
        assert finding.level is Level.OK
        assert finding.text.endswith("exim-dkim-filter: exim-dkim-filter 1.0")

    @ROOT_ONLY
    def test_the_real_one(self, user: User) -> None:
        path = find_filter()
        if path is None:
            pytest.skip("exim-dkim is not installed: pip install -e .")
        # What lies in a home directory is closed to others, and that is what must be found.
        expected = Level.OK if installed_openly(path) else Level.FAIL
        assert {finding.level for finding in check_filter(path, user, may_try=True)} == {expected}

    @ROOT_ONLY
    @pytest.mark.parametrize(
        ("code", "text"), [("echo oops >&2; exit 3", "status 3: oops"), ("kill -9 $$", "signal 9")]
    )
    def test_it_fails(self, directory: Path, user: User, code: str, text: str) -> None:
        (finding,) = self.findings(self.script(directory, "/bin/sh", code), user)
        assert finding.level is Level.FAIL
        assert text in finding.text
        assert "env -i" in finding.remedy

    @pytest.mark.parametrize(
        ("code", "level", "text"),
        [
            ("printf 'DKIM-Signature: x\\n'; cat", Level.OK, "signs a message from example.org"),
            ("cat", Level.WARN, "comes out unsigned"),
            ("printf 'DKIM-Signature: x\\n'; sed s/probe/Probe/", Level.FAIL, "does not come out"),
            ("cat > /dev/null", Level.FAIL, "does not come out"),
            ("cat; echo no key >&2; exit 75", Level.FAIL, "status 75: no key"),
            ("cat; echo give --message-id >&2; exit 75", Level.WARN, "the options need the envelope"),
            ('test "$*" = "--config /c -D A=b" && printf "dkim-signature: x\\n" && cat', Level.OK, "signs"),
        ],
    )
    def test_a_message_goes_through(self, directory: Path, code: str, level: Level, text: str) -> None:
        file = self.script(directory, "/bin/sh", code)
        me = User("me", os.geteuid(), os.getegid())
        (finding,) = try_signing(str(file), me, "/c", {"A": "b"}, "example.org")
        assert finding.level is level
        assert text in finding.text

    @ROOT_ONLY
    def test_the_real_one_signs(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        with installed() as installation:
            monkeypatch.setattr(check, "find_filter", lambda: str(installation.filter))
            assert "ok     filter: signs a message from example.org as user nobody in " in site.check()[1]

    def test_no_bits(self, directory: Path, user: User) -> None:
        file = self.script(directory, "/bin/sh")
        file.chmod(0o744)
        (finding,) = self.findings(file, user)
        assert f"may not read and execute {file} (mode 0744" in finding.text
        assert finding.remedy == f"chmod a+rx {file}"

    def test_the_interpreter_behind_a_closed_directory(self, directory: Path, user: User) -> None:
        (directory / "venv").mkdir(mode=0o700)
        shutil.copy("/bin/sh", directory / "venv" / "python")
        (finding,) = self.findings(self.script(directory, str(directory / "venv" / "python")), user)
        assert finding.level is Level.FAIL
        assert f"interpreter {directory}/venv/python: user nobody may not search {directory}/venv" in finding.text

    def test_a_missing_interpreter(self, directory: Path, user: User) -> None:
        (finding,) = self.findings(self.script(directory, "/nonexistent/python"), user)
        assert "/nonexistent does not exist" in finding.text

    def test_writable_by_everybody(self, directory: Path, user: User) -> None:
        file = self.script(directory, "/bin/sh")
        file.chmod(0o777)
        (finding,) = self.findings(file, user)
        assert finding.level is Level.FAIL
        assert finding.remedy == f"chmod o-w {file}"

    def test_not_tried_without_root(self, directory: Path, user: User) -> None:
        (finding,) = self.findings(self.script(directory, "/bin/sh", "exit 1"), user, may_try=False)
        assert finding.level is Level.OK
        assert "not tried" in finding.text

    def test_homes_are_no_place_for_it(self, user: User) -> None:
        closed = os.stat_result((stat.S_IFDIR | 0o700, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        finding = refusal(Barrier("/root", closed, EXECUTE), user, "filter", private=False)
        assert finding.remedy == ELSEWHERE

    def test_shebangs(self, directory: Path) -> None:
        assert interpreter_of(str(self.script(directory, "/usr/bin/python3 -I"))) == "/usr/bin/python3"
        assert interpreter_of(str(self.script(directory, "/usr/bin/env sh"))) == shutil.which("sh")
        long = self.script(directory, "/bin/sh", '\'\'\'exec\' "/very long/python" "$0" "$@"')
        assert interpreter_of(str(long)) == "/very long/python"
        assert interpreter_of(sys.executable) is None
        assert interpreter_of(str(directory / "none")) is None


TRANSPORTS = """\

local transport:
driver = appendfile
transport_filter =

signed transport:
driver = smtp
*hosts_noproxy_tls = *
transport_filter = /usr/bin/exim-dkim-filter %s
size_addition = %s
dkim_domain = %s
"""
GOOD_ARGUMENTS = "--config /c --message-id $message_exim_id --spool-directory $spool_directory"


@pytest.mark.parametrize(
    ("arguments", "addition", "native", "level", "text"),
    [
        (GOOD_ARGUMENTS, "4096", "", Level.OK, "signs through the filter"),
        (GOOD_ARGUMENTS, "-1", "", Level.OK, "signs through the filter"),
        (GOOD_ARGUMENTS, "1024", "", Level.WARN, "size_addition = 1024 is less"),
        (GOOD_ARGUMENTS, "4096", "example.org", Level.WARN, "signed twice"),
        (
            GOOD_ARGUMENTS + " $sender_address_domain",
            "4096",
            "",
            Level.FAIL,
            "$sender_address_domain, which is tainted",
        ),
        (GOOD_ARGUMENTS + " ${lc:$h_from:}", "4096", "", Level.FAIL, "$h_from:"),
        ("", "4096", "", Level.WARN, "not told the message's id"),
    ],
)
def test_transports(arguments: str, addition: str, native: str, level: Level, text: str) -> None:
    transports = parse_transports(TRANSPORTS % (arguments, addition, native))
    assert set(transports) == {"local", "signed"}
    finding, *_ = check_transport("signed", transports["signed"], "/usr/bin/exim-dkim-filter")
    assert finding.level is level
    assert text in finding.text
    assert not check_exim.uses_filter(transports["local"])


def test_another_filter() -> None:
    transports = parse_transports(TRANSPORTS % (GOOD_ARGUMENTS, "4096", ""))
    (finding,) = check_transport("signed", transports["signed"], "/opt/bin/exim-dkim-filter")
    assert "uses /usr/bin/exim-dkim-filter, not the filter that was checked" in finding.text


@pytest.mark.parametrize(
    ("shown", "signs", "texts"),
    [
        (TRANSPORTS % (GOOD_ARGUMENTS, "4096", ""), True, ["transport signed signs through the filter"]),
        ("local transport:\ndriver = appendfile\n", True, ["no transport has exim-dkim-filter"]),
        ("local transport:\ndriver = appendfile\n", False, []),
        (None, True, ["says nothing to this user"]),
        ("permission denied", True, ["says nothing to this user"]),
    ],
)
def test_what_exim_says(monkeypatch: pytest.MonkeyPatch, shown: str | None, signs: bool, texts: list[str]) -> None:
    monkeypatch.setattr(check_exim, "find_exim", lambda: "/usr/sbin/exim4")
    monkeypatch.setattr(check_exim, "ask_exim", lambda *words: shown)
    found = list(check_exim.check_exim("/usr/bin/exim-dkim-filter", signs))
    assert len(found) == len(texts)
    assert all(text in finding.text for text, finding in zip(texts, found, strict=True))


def test_no_exim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_exim, "find_exim", lambda: None)
    (finding,) = check_exim.check_exim(None, True)
    assert "no exim or exim4 in PATH" in finding.text


def test_the_real_exim_is_understood() -> None:
    program = exim_user.find_exim()
    if program is None:
        pytest.skip("Exim is not installed: apt-get install exim4-daemon-heavy")
    assert exim_user.exim_options("exim_user").get("exim_user")
    if ROOT:
        text = exim_user.ask_exim("transports")
        assert text is not None
        assert "driver" in next(iter(parse_transports(text).values()))
