"""Taint: what came with mail names no file. The oracle is Exim itself, which refuses `${readfile{/nodir/TAINTED}}`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exim_dkim.errors import ExpansionError
from tests.support.expansion import Sandbox

# Template and whether its value is tainted; Exim 4.96 agrees.
AGREED = [
    (b"text", False),
    (b"$primary_hostname", False),
    (b"$message_exim_id", False),
    (b"$spool_directory", False),
    (b"$sender_address", True),
    (b"x$sender_address", True),
    (b"$sender_address_domain", True),
    (b"$sender_host_address", True),
    (b"$sender_helo_name", True),
    (b"$h_from:", True),
    (b"$rh_subject:", True),
    (b"$h_none:", False),
    (b"$acl_c_conn", True),
    (b"$acl_m_hdr", False),
    (b"${lc:$h_subject:}", True),
    (b"${uc:$h_subject:}", True),
    (b"${domain:$rh_x-q:}", True),
    (b"${extract{1}{:}{$h_x-colon:}}", True),
    (b"${listextract{1}{$h_x-colon:}}", True),
    (b"${substr_0_1:$h_subject:}", True),
    (b"${quote:$h_subject:}", True),
    (b"${rxquote:$h_subject:}", True),
    (b"${strlen:$h_subject:}", False),
    (b"${eval:$h_x-num:+1}", False),
    (b"${listcount:$h_x-colon:}", False),
    (b"${if eq{$h_subject:}{test}{yes}{no}}", False),
    (b"${if eq{$h_subject:}{test}{$h_subject:}{no}}", True),
    (b"${lookup{a.example}lsearch{TABLES/table}}", False),
    (b"${lookup{${lc:$h_x-dom:}}lsearch*{TABLES/table}}", False),
    (b"${lookup{A.example}lsearch,ret=key{TABLES/table}}", False),
    (b"${lookup{k.pem}dsearch{TABLES/dir}}", False),
    (b"${lookup{key}cdb{TABLES/base.cdb}}", False),
    (b"${lookup{$h_subject:}cdb*{TABLES/base.cdb}}", False),
    (b"${lookup passwd{root}{${extract{5}{:}{$value}}}}", False),
    (b"${lookup sqlite,file=TABLES/base.sqlite {select '$h_subject:'}}", False),
    (b"${quote_sqlite:$h_subject:}", True),
    (b"${if inlist{$h_subject:}{test:x}{$value}}", False),
    (b"${if match_domain{$h_x-dom:}{example.org}{$value}}", False),
    (b"${if match_domain{x.b.example}{*.b.example}{$1}}", False),
]

# Where we are stricter than Exim 4.96: template, Exim, we.
STRICTER = [
    # A default entry says nothing about the key.
    (b"${lookup{$h_x-dom:}lsearch*,ret=key{TABLES/table}}", False, True),
    (b"${lookup sqlite,file=TABLES/base.sqlite,ret=key {select '$h_subject:'}}", False, True),
    (b"${lookup{x.$sender_helo_name.wild.example}partial-lsearch,ret=key{TABLES/table}}", False, True),
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("taint") / "sandbox")


@pytest.mark.parametrize(("template", "tainted"), AGREED)
def test_taint(sandbox: Sandbox, template: bytes, tainted: bool) -> None:
    assert sandbox.value(template).tainted == tainted


@pytest.mark.parametrize(("template", "exim", "ours"), STRICTER)
def test_stricter_than_exim(sandbox: Sandbox, template: bytes, exim: bool, ours: bool) -> None:
    value = sandbox.value(template)
    assert value.text
    assert (value.tainted, not exim) == (ours, True)


@pytest.mark.peer("exim")
def test_exim_agrees(sandbox: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may use Exim's -Mset")
    rows = [*AGREED, *((template, exim) for template, exim, _ in STRICTER)]
    results = sandbox.exim([b"${readfile{/nodir/" + template + b"}}" for template, _ in rows])
    for (template, tainted), result in zip(rows, results, strict=True):
        assert (b"Permission denied" in result) == tainted, (template, result)
        assert tainted or b"No such file" in result, (template, result)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (b"${readfile{/nodir/$h_x-dom:}}", "Tainted filename '/nodir/Example.ORG'"),
        (b"${lookup{a}lsearch{/nodir/$h_x-dom:}}", "Tainted filename for search: '/nodir/Example.ORG'"),
        (b"${lookup{a}dsearch{/nodir/$h_x-dom:}}", "Tainted filename for search: '/nodir/Example.ORG'"),
        (b"${readfile{/nodir/../etc/passwd}}", '".." in a file name'),
        (b"${readfile{relative}}", "not an absolute path"),
        (b"${readfile{/a\\nb}}", "a control character in a file name"),
        (b"${lookup{a}lsearch{/nodir/../x}}", '".." in a file name'),
        (b"${lookup{../x}dsearch{TABLES/dir}}", "key for dsearch lookup contains a slash"),
    ],
)
def test_file_names_that_are_refused(sandbox: Sandbox, template: bytes, message: str) -> None:
    with pytest.raises(ExpansionError) as caught:
        sandbox.value(template)
    assert message in caught.value.message


def test_the_idiom_for_keys_by_domain(sandbox: Sandbox, tmp_path: Path) -> None:
    """The documented way from a header field to a key file gives a clean name, or 0 for what is not there."""
    template = b"${lookup{%s.pem}dsearch,ret=full,filter=file{TABLES/dir}{$value}{0}}"
    found = sandbox.value(template % b"${lc:${extract{1}{:}{k$acl_m_none:$h_x-dom:}}}")
    assert (found.text, found.tainted) == (os.fsencode(sandbox.tables) + b"/dir/k.pem", False)
    assert sandbox.value(template % b"$h_x-dom:").text == b"0"
    assert sandbox.value(template % b"sub").text == b"0"
