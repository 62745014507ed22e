"""What import-opendkim makes of tables beside the real OpenDKIM: the same messages get the same d=, s= and i=."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from milter_server import dkim_filter
from tests.support import peers
from tests.support.cli import run_cli
from tests.support.milter_filters import KEY

pytestmark = pytest.mark.peer("opendkim")

Signed = list[tuple[str, str, str]]
"""d=, s= and i= of each signature."""

KEY_TABLE = f"""\
one one.example:s1:{KEY}
two two.example:s2:{KEY}
three one.example:s3:{KEY}
own %:own:{KEY}
one.example one.example:named:{KEY}
sub.one.example %:narrow:{KEY}
path %:path:DIRECTORY/keys/%.pem
UPPER UPPER.example:Up:{KEY}
base one.example:rel:./keys/two.example.pem
"""
AUTHORS = (
    "alice@one.example", "bob@one.example", "Alice@ONE.example", "alice@sub.one.example", "bob@deep.sub.one.example",
    "alice@two.example", "carol@three.example", "news-7@one.example",
)  # fmt: skip


class Shape(NamedTuple):
    """A way to write tables. `multiple`: with MultipleSignatures."""

    signing: str
    multiple: bool = False
    kind: str = "refile"
    more: str = ""


SHAPES = {
    "a domain": Shape("*@one.example one\n"),
    "an address first": Shape("alice@one.example two\n*@one.example one\n"),
    "everybody": Shape("* one\n"),
    "subdomains": Shape("*@*.one.example one\n*@one.example two\n"),
    "the author's domain": Shape("*@one.example own\n*@two.example own\n"),
    "keys by domain": Shape("*@* %\n"),
    "keys by subdomain": Shape("*@*.one.example %\n"),
    "files by domain": Shape("*@* path\n"),
    "files of some domains": Shape("*@two.example path\n*@*.one.example path\n"),
    "part of a name": Shape("news-*@one.example two\n*@one.example one\n"),
    "identities": Shape("alice@* own:postmaster@%\nbob@one.example one:list@sub.one.example\n* own:@%\n"),
    "identities elsewhere": Shape("*@one.example one:x@two.example\n*@two.example two:x@example\n"),
    "capitals": Shape("*@ONE.Example UPPER:Alice@UPPER.example\nALICE@two.example UPPER\n"),
    "two signatures": Shape("*@one.example one\nalice@* three\n*@two.example two\n", multiple=True),
    "two with identities": Shape("*@one.example one:a@%\n*@one.example two:@two.example\n", multiple=True),
    "plain": Shape("alice@one.example two\none.example one\n.one.example three\n* own\n", kind="file"),
    "plain superdomains": Shape(".sub.one.example one\nalice@.one.example two\n.one.example three\n", kind="file"),
    "plain users": Shape("alice@* one\nbob@.sub.one.example two\nbob@.example three\n", kind="file"),
    "plain with identities": Shape("one.example one:@%\ntwo.example two:a@two.example\n", kind="file"),
    "two of a plain one": Shape("one.example one\nbob@one.example three\n", multiple=True, kind="file"),
    "a path alone": Shape("one.example one\n", kind=""),
    "a list": Shape("csl:one.example=one,bob@two.example=two,*=own:@%", kind="csl"),
    "relative": Shape("*@one.example base\n", more="BaseDirectory DIRECTORY\n"),
}
PLAIN = {
    "one domain": f"Domain one.example\nSelector s\nKeyFile {KEY}\n",
    "two domains": f"Domain one.example, TWO.example\nSelector s\nKeyFile {KEY}\n",
    "a file of domains": f"Domain DIRECTORY/domains\nSelector s\nKeyFile {KEY}\n",
    "patterns of domains": f"Domain refile:DIRECTORY/patterns\nSelector s\nKeyFile {KEY}\n",
    "all domains": f"Domain *\nSelector s\nKeyFile {KEY}\n",
    "subdomains": f"Domain one.example\nSubDomains yes\nSelector s\nKeyFile {KEY}\n",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    for domain in ("one.example", "two.example", "sub.one.example"):
        (tmp_path / "keys" / f"{domain}.pem").write_bytes(KEY.read_bytes())
    (tmp_path / "KeyTable").write_text(KEY_TABLE.replace("DIRECTORY", str(tmp_path)))
    (tmp_path / "domains").write_text("one.example\nthree.example\n")
    (tmp_path / "patterns").write_text("one.example\n*.sub.one.example\n")
    for number, author in enumerate(AUTHORS):
        (tmp_path / f"m{number}").write_text(
            f"From: {author}\r\nTo: b@rx.example\r\nSubject: s\r\n\r\nhi\r\n", newline=""
        )
    return tmp_path


def signatures(printed: str) -> Signed:
    """The signatures in an output, with i= only where it says more than d= does."""
    found = []
    for field in re.findall(r"^DKIM-Signature:(.*\n(?:[ \t].*\n)*)", printed, re.MULTILINE):
        tags = dict(tag.partition("=")[::2] for tag in re.sub(r"\s", "", field).split(";"))
        domain, local, at, host = tags["d"].lower(), *tags.get("i", "").rpartition("@")
        identity = f"{local}@{host.lower()}" if at and (local or host.lower() != domain) else ""
        found.append((domain, tags["s"].lower(), identity))
    return sorted(found)


def theirs(directory: Path) -> list[Signed]:
    """What OpenDKIM signs each message as; it stops at what it does not sign, so there is a run for each."""
    program = peers.program("opendkim", "opendkim")
    found = []
    for number in range(len(AUTHORS)):
        command = [program, "-x", str(directory / "opendkim.conf"), "-b", "s", "-t", str(directory / f"m{number}")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, 70), done.stderr
        found.append(signatures(done.stdout))
    return found


def ours(directory: Path, read: Callable[[], str]) -> list[Signed]:
    """What dkim-filter signs each message as, with the imported configuration."""
    output = directory / "exim-dkim.conf"
    result = run_cli("import-opendkim", directory / "opendkim.conf", "-o", output)
    assert result.exit_code == 0, result.output
    files = ",".join(str(directory / f"m{number}") for number in range(len(AUTHORS)))
    dkim_filter.main(["-x", str(output), "-t", files])
    parts = re.split(r"^(?=dkim-filter: \S+/m\d: (?:signed|not signed))", read(), flags=re.MULTILINE)[1:]
    assert len(parts) == len(AUTHORS)
    return [signatures(part) for part in parts]


def compare(directory: Path, text: str, capfd: pytest.CaptureFixture[str]) -> Sequence[Signed]:
    text = f"{text}Mode s\nCanonicalization relaxed/relaxed\nRequireSafeKeys no\nSyslog no\n"
    (directory / "opendkim.conf").write_text(text.replace("DIRECTORY", str(directory)))
    expected = theirs(directory)
    capfd.readouterr()
    found = ours(directory, lambda: capfd.readouterr().out)
    assert dict(zip(AUTHORS, found, strict=True)) == dict(zip(AUTHORS, expected, strict=True))
    return expected


@pytest.mark.parametrize("name", SHAPES)
def test_tables(name: str, directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shape = SHAPES[name]
    (directory / "SigningTable").write_text(shape.signing)
    colon = ":" if shape.kind else ""
    table = shape.signing if shape.kind == "csl" else f"{shape.kind}{colon}{directory}/SigningTable"
    text = f"KeyTable file:{directory}/KeyTable\nSigningTable {table}\n{shape.more}"
    text += "MultipleSignatures yes\n" if shape.multiple else ""
    signed = compare(directory, text, capfd)
    assert any(signed), "the shape signs something"
    assert not shape.multiple or max(map(len, signed)) == 2


@pytest.mark.parametrize("name", PLAIN)
def test_without_tables(name: str, directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert any(compare(directory, PLAIN[name], capfd))
