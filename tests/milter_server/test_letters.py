"""The command lines of sid-filter, dk-filter and dkim-filter: what every letter comes to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from exim_dkim.config.options import OPTIONS
from exim_dkim.config.settings import Settings
from milter_server import dk_filter, dkim_filter, sid_filter
from milter_server.letters import CommandLine, Program, UsageError, parse_command_line

PROGRAMS = {"sid": sid_filter.PROGRAM, "dk": dk_filter.PROGRAM, "dkim": dkim_filter.PROGRAM}

# The letters that there have been: getopt strings of sid-filter 1.0.0 and dkim-filter 2.8.3; manual of dk-filter 1.0.0.
HISTORIC = {
    "sid": "a:ABcC:d:DfhH:lL:M:np:P:qQr:R:tT:u:V",
    "dk": "a:Ab:c:C:d:DfhHi:I:kl m:M:o:p:P:qRs:S:T:u:U:V",
    "dkim": "a:Ab:c:C:d:DfF:hi:I:k:KlL:m:M:no:p:P:qrRs:S:t:T:u:U:vVWx:",
}
VALUES = {"b": "v", "c": "simple", "C": "default=accept", "r": "0", "T": "5"}
SETTLED = {"s", "S", "k", "K"}  # whose meaning is tested below


def parse(program: str, line: str) -> CommandLine:
    return parse_command_line(PROGRAMS[program], shlex.split(line), "version")


def letters_of(program: str) -> list[tuple[str, bool]]:
    return [(letter, bool(colon)) for letter, colon in re.findall(r"([A-Za-z])(:?)", HISTORIC[program])]


@pytest.mark.parametrize(("program", "letter", "has_value"), [(p, *each) for p in PROGRAMS for each in letters_of(p)])
def test_every_historic_letter_works(program: str, letter: str, has_value: bool) -> None:
    if letter == "V":
        with pytest.raises(SystemExit) as ended:
            parse(program, "-V")
        assert ended.value.code == 0
        return
    if letter in SETTLED:
        return
    line = "-t m " if letter == "F" else ""
    text = (
        f"{line}-b v -{letter}{f' {VALUES.get(letter, 1)}' if has_value else ''}"
        if program != "sid"
        else f"-{letter} 1"
    )
    if program == "sid" and not has_value:
        text = f"-{letter}"
    nothing = parse(program, line + ("" if program == "sid" or letter == "b" else "-b v"))
    assert parse(program, text) != nothing or letter == "H", "the option does something"


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_letter_has_a_long_form_and_help(program: str) -> None:
    letters = PROGRAMS[program].letters
    longs = [letter.long for letter in letters]
    assert len(set(longs)) == len(longs)
    assert all(len(letter.long) > 1 or letter.letter in "sS" for letter in letters)
    assert all(letter.help.endswith(".") and len(letter.help) > 15 for letter in letters)
    shorts = [letter.letter for letter in letters if letter.letter]
    assert len(set(shorts)) == len(shorts)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_teaches(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(program, "--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "exit status:" in text
    assert all(f"--{letter.long}" in text for letter in PROGRAMS[program].letters)


SIGNS = {
    "milter_mode": "s",
    "milter_domains": "example.com",
    "dkim_private_key": "/path/key",
    "dkim_selector": "key1",
}
PAPER: list[tuple[str, str, Mapping[str, str]]] = [
    (
        "sid",
        "-l -p inet:10000@127.0.0.1 -t -T 10 -A",
        {
            "log_destination": "syslog",
            "milter_listen": "inet:10000@127.0.0.1",
            "milter_test_mode": "true",
            "dns_timeout": "10s",
            "milter_restart": "true",
        },
    ),
    (
        "dk",
        "-l -p inet:10001@127.0.0.1 -c nofws -b s -s /path/key -i /path/hostlist -d example.com -S key1 -H -A",
        {
            "log_destination": "syslog",
            "milter_listen": "inet:10001@127.0.0.1",
            "domainkeys_canon": "nofws",
            "milter_mode": "s",
            "domainkeys_private_key": "/path/key",
            "milter_internal_hosts": "/path/hostlist",
            "milter_domains": "example.com",
            "domainkeys_selector": "key1",
            "domainkeys_verify": "true",
            "milter_restart": "true",
        },
    ),
    (
        "dk",
        "-l -p inet:10002@127.0.0.1 -A -T 10 -b v",
        {
            "log_destination": "syslog",
            "milter_listen": "inet:10002@127.0.0.1",
            "dns_timeout": "10s",
            "milter_mode": "v",
            "domainkeys_verify": "true",
            "milter_restart": "true",
        },
    ),
    (
        "dkim",
        "-l -p inet:10003@127.0.0.1 -c nowsp -b s -s /path/key -i /path/hostlist -d example.com -S key1 -A",
        {
            "log_destination": "syslog",
            "milter_listen": "inet:10003@127.0.0.1",
            "dkim_canon": "relaxed",
            "milter_internal_hosts": "/path/hostlist",
            "milter_restart": "true",
            **SIGNS,
        },
    ),
    (
        "dkim",
        "-l -p inet:10004@127.0.0.1 -A -T 10 -b v",
        {
            "log_destination": "syslog",
            "milter_listen": "inet:10004@127.0.0.1",
            "dns_timeout": "10s",
            "milter_mode": "v",
            "milter_restart": "true",
        },
    ),
]


@pytest.mark.parametrize(("program", "line", "options"), PAPER, ids=[line for _, line, _ in PAPER])
def test_the_command_lines_of_the_paper(program: str, line: str, options: Mapping[str, str]) -> None:
    assert parse(program, line).options == options


OPTIONS_OF: list[tuple[str, str, Mapping[str, str]]] = [
    ("sid", "-r 5 -D -q -d a.example,b.example -H mx.example -M 'no: %a' -n -Q -h", {
        "milter_senderid_reject": "5", "milter_dns_softfail": "true", "milter_quarantine": "true",
        "milter_exempt_domains": "a.example b.example", "authserv_id": "mx.example", "milter_reject_text": "no: %a",
        "senderid_spf1": "false", "milter_quiet": "true", "milter_identification": "true"}),
    ("sid", "-u nobody:mail -P /run/pid -a 192.0.2.1,!192.0.2.2", {
        "user": "nobody", "group": "mail", "pid_file_path": "/run/pid", "milter_peers": "192.0.2.1 !192.0.2.2"}),
    ("sid", "-B -r 3", {"spf_guess": "v=spf1 a/24 mx/24 ptr ?all", "milter_senderid_reject": "3"}),
    ("sid", "-p unix:/run/a,inet:1@::1", {"milter_listen": "unix:/run/a inet:1@::1"}),
    ("dk", "-b v -R", {"milter_mode": "v", "milter_reports": "true", "domainkeys_verify": "true"}),
    ("dkim", "-R --set milter_report_from=dkim@x.example", {
        "milter_reports": "true", "milter_report_from": "dkim@x.example"}),
    ("dk", "-k -s /etc/rules", {"milter_key_list": "/etc/rules", "domainkeys_verify": "true"}),
    ("dk", "-o subject,to -C badsignature=r,nosignature=a", {
        "domainkeys_verify": "true", "milter_actions": "badsignature=r,nosignature=a"}),
    ("dkim", "-C badsignature=r -C nosignature=a", {"milter_actions": "badsignature=r nosignature=a"}),
    ("dkim", "-m MSA,MTA -M a=b,c -I 192.0.2.0/24 -i 10.0.0.0/8,::1 -D -r -W", {
        "milter_daemons": "MSA MTA", "milter_macros": "a=b c", "milter_external_hosts": "192.0.2.0/24",
        "milter_internal_hosts": "10.0.0.0/8 ::1", "milter_subdomains": "true", "milter_require_fields": "true",
        "milter_log_why": "true"}),
    ("dkim", "-U '/etc/mail/pop$.db'", {"milter_pop_before_smtp": "/etc/mail/pop\\$.db"}),
    ("dk", "-U pop", {"milter_pop_before_smtp": str(Path.cwd() / "pop"), "domainkeys_verify": "true"}),
    ("dkim", "-K -k /etc/rules", {"milter_key_list": "/etc/rules"}),
    ("dkim", "-c relaxed/simple", {"dkim_canon": "relaxed/simple"}),
    ("dkim", "-c relaxed", {"dkim_canon": "relaxed/simple"}),
    ("dkim", "--set 'dkim_timestamps = 604800'", {"dkim_timestamps": "604800"}),
    ("dkim", "--key '/a$b' --selector 'c\\d' -d x.example", {
        "dkim_private_key": "/a\\$b", "dkim_selector": "c\\\\d", "milter_domains": "x.example"}),
]  # fmt: skip


@pytest.mark.parametrize(("program", "line", "options"), OPTIONS_OF, ids=[line for _, line, _ in OPTIONS_OF])
def test_options(program: str, line: str, options: Mapping[str, str]) -> None:
    got = parse(program, line).options
    got.pop("domainkeys_sign_headers", None)
    assert got == options
    Settings().replaced({name: value.encode() for name, value in got.items()}).check_templates()


def test_omitted_headers_are_taken_from_the_default_list() -> None:
    for program, option in (("dkim", "dkim_sign_headers"), ("dk", "domainkeys_sign_headers")):
        names = parse(program, "-o subject,To").options[option].lower()
        assert "=subject" not in names
        assert "=to:" not in names
        assert "+from" in names
    assert parse("dkim", "-o -").options["dkim_sign_headers"] == OPTIONS["dkim_sign_headers"].default
    with pytest.raises(UsageError, match="From must be signed"):
        parse("dkim", "-o From")


HERE = str(Path.cwd())


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("/etc/hostlist", "/etc/hostlist"),
        ("hostlist", f"{HERE}/hostlist"),
        ("hosts.example.org", f"{HERE}/hosts.example.org"),
        ("./hostlist", f"{HERE}/hostlist"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.0/24,!192.0.2.7,::1,[2001:db8::]/32", "192.0.2.0/24 !192.0.2.7 ::1 [2001:db8::]/32"),
        (".example.org", ".example.org"),
    ],
)
def test_files_of_hosts_and_lists_of_them(value: str, hosts: str) -> None:
    for program, letter, option in (
        ("dkim", "i", "milter_internal_hosts"),
        ("dkim", "I", "milter_external_hosts"),
        ("sid", "a", "milter_peers"),
    ):
        assert parse(program, f"-{letter} {value}").options == {option: hosts}


def test_domains_are_no_files() -> None:
    assert parse("sid", "-d a.example,README.md").options["milter_exempt_domains"] == "a.example README.md"
    assert parse("sid", "-d /etc/domains").options["milter_exempt_domains"] == "/etc/domains"


OLD = {"dkim_private_key": "/path/key", "dkim_selector": "key1", "milter_domains": "d.example"}


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("-d d.example -s /path/key -S key1", OLD),
        ("-d d.example -k /path/key -s key1", OLD),
        ("-d d.example -k /path/key -s key1 -S rsa-sha256", {**OLD, "dkim_hash": "sha256"}),
        ("-d d.example --key /path/key -s key1 -S RSA-SHA1", {**OLD, "dkim_hash": "sha1"}),
        ("-d d.example --key /path/key --selector key1 --algorithm ed25519-sha256", {**OLD, "dkim_hash": "sha256"}),
        ("-x /f -s key1 -S rsa-sha256", {"dkim_selector": "key1", "dkim_hash": "sha256"}),
        ("-x /f -s /path/key", {"dkim_private_key": "/path/key"}),
        ("-x /f -S key1", {"dkim_selector": "key1"}),
    ],
)
def test_the_two_meanings_of_s(line: str, options: Mapping[str, str]) -> None:
    assert parse("dkim", line).options == options


def test_a_relative_key_file_in_the_letters_of_2005() -> None:
    line = parse("dkim", "-d d.example -s key1.private -S key1")
    assert line.options["dkim_private_key"] == str(Path.cwd() / "key1.private")


@pytest.mark.parametrize(
    ("program", "line", "text"),
    [
        ("dkim", "-s key1", "may be a selector, or the key file of 2005; write --selector NAME --key FILE"),
        (
            "dkim",
            "-s /path/key -S rsa-sha256",
            r"-S rsa-sha256 is of the later letters .*, -s /path/key of those of 2005",
        ),
        ("dkim", "-k /path/key -S key1", r"-k is of the later letters .*, -S key1 of those of 2005"),
        ("dkim", "-k /path/key -s /path/key", "later letters"),
        ("dkim", "-K", "-K needs -k FILE"),
        ("dkim", "-k /path/key -s key1", "to sign, -d is needed too"),
        ("dkim", "-d d.example -k /path/key", "to sign, --selector is needed too"),
        ("dkim", "-c nofws", "-c: 'nofws': write simple or relaxed"),
        ("dkim", "-c relaxed/nowsp", "write simple or relaxed"),
        ("dkim", "--algorithm md5", "write one of rsa-sha1, rsa-sha256"),
        ("dkim", "-b x", "-b: 'x': write s"),
        ("dkim", "-T 0", "wait for ever"),
        ("dkim", "-T soon", "not a number of seconds"),
        ("dkim", "-C weather=reject", "is no cause"),
        ("dkim", "-F 123", "-t FILE -F TIME"),
        ("dkim", "-t m -F soon", "seconds since 1970"),
        ("dkim", "-t m -F 1000000000000", "seconds since 1970"),
        ("dkim", "-t ,", "name a file"),
        ("dkim", "--set nonsense=1", "want NAME=VALUE"),
        ("dkim", "--set dkim_hash", "want NAME=VALUE"),
        ("dk", "-c relaxed", "write one of simple, nofws"),
        ("dk", "-k", "-k needs -s FILE"),
        ("dk", "-d d.example", "to sign, -s is needed too"),
        ("sid", "-r 6", "write 0 to 5"),
    ],
)
def test_what_is_refused_and_how(program: str, line: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        parse(program, line)


@pytest.mark.parametrize(
    ("program", "line", "text"),
    [
        ("dkim", "-c nowsp", "became relaxed in 2006"),
        ("dkim", "-d d.example -k /k -s s -S rsa-sha1", "RFC 8301"),
        ("dkim", "-L 100%", "dkim_verify_partial_body"),
        ("sid", "-c", "does nothing"),
        ("sid", "-C 0.5", "never did anything"),
        ("sid", "-L 8", "does nothing"),
        ("sid", "-R 3", "never did anything"),
    ],
)
def test_what_is_warned_of(program: str, line: str, text: str) -> None:
    (warning,) = parse(program, line).warnings
    assert text in warning


@pytest.mark.parametrize(("program", "letter"), [("sid", "x"), ("sid", "C"), ("dk", "C"), ("dkim", "C"), ("dkim", "x")])
def test_the_configuration_file(program: str, letter: str) -> None:
    assert parse(program, f"-{letter} /etc/exim-dkim.conf").configuration == "/etc/exim-dkim.conf"


@pytest.mark.parametrize("program", PROGRAMS)
def test_abbreviations_and_unknown_options_are_refused(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("--liste inet:1@h", "--nonsense", "word"):
        with pytest.raises(SystemExit) as ended:
            parse(program, line)
        assert ended.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_programs_are_complete() -> None:
    assert [type(program) for program in PROGRAMS.values()] == [Program] * 3
    assert [program.name for program in PROGRAMS.values()] == ["sid-filter", "dk-filter", "dkim-filter"]
