"""exim_dkim.expansion.lookups.dbm: files of db_load, exim_dbmbuild, makemap and postmap."""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import expand, parse_template
from exim_dkim.expansion.lookups.dbm import BerkeleyDbTrouble, is_berkeley_db, look_for, pairs
from exim_dkim.system.environment import MessageEnvironment
from tests.support import peers
from tests.support.berkeleydb import Pairs, make_berkeley_db, small_berkeley_db
from tests.support.mta import mail_directory, unpacked

DB_LOAD = pytest.mark.peer("db5.3-util")


def drawn(count: int, longest: int, seed: int = 1) -> list[tuple[bytes, bytes]]:
    """Pairs with many keys that begin and end alike, and values that hold other keys."""
    source = random.Random(seed)
    keys = {b"%d.%d" % (source.randrange(300), source.randrange(300)) for _ in range(count // 2)}
    keys |= {source.randbytes(source.randrange(1, 20)) for _ in range(count // 2)}
    return [(key, b"\x01" + key + bytes(source.randrange(longest))) for key in sorted(keys)]


def check(data: bytes, expected: Pairs) -> None:
    """The file has these pairs and nothing else."""
    known = dict(expected)
    assert sorted(pairs(data)) == sorted(known.items())
    assert {key: look_for(data, key) for key in known} == known
    for key in known:
        for other in (key[1:], key[:-1], key + b"0", b"0" + key, b"\x01" + key):
            assert look_for(data, other) == known.get(other), other


@DB_LOAD
@pytest.mark.parametrize("order", [1234, 4321])
@pytest.mark.parametrize("page", [512, 4096, 65536])
@pytest.mark.parametrize("kind", ["hash", "btree"])
def test_every_layout(tmp_path: Path, kind: str, page: int, order: int) -> None:
    wanted = [*drawn(300, 40), (b"long", b"x" * 70_000), (b"longer", os.urandom(2 * page + 1)), (b"empty", b"")]
    data = make_berkeley_db(tmp_path / "db", wanted, kind, page, db_lorder=order)
    assert is_berkeley_db(data)
    check(data, wanted)


@pytest.mark.parametrize("order", "<>")
def test_a_small_file(order: str) -> None:
    data = small_berkeley_db([(b"192.0.2.7", b"yes"), (b"192.0.2.70", b"no")], order)
    check(data, [(b"192.0.2.7", b"yes"), (b"192.0.2.70", b"no")])


@DB_LOAD
@pytest.mark.parametrize("kind", ["hash", "btree"])
def test_of_several_values_the_first_counts(tmp_path: Path, kind: str) -> None:
    several = [(b"a", b"one"), (b"a", b"two"), (b"b", b"three")]
    data = make_berkeley_db(tmp_path / "db", several, kind, duplicates=1)
    assert (look_for(data, b"a"), look_for(data, b"b"), look_for(data, b"c")) == (b"one", b"three", None)
    data = make_berkeley_db(tmp_path / "db", [(b"a", b"%05d" % number) for number in range(2000)], kind, duplicates=1)
    with pytest.raises(BerkeleyDbTrouble, match="tree of duplicates"):
        look_for(data, b"a")


@DB_LOAD
def test_what_is_not_read_is_no_no(tmp_path: Path) -> None:
    data = make_berkeley_db(tmp_path / "db", [(b"k" * 3000, b"v")])
    for wrong, text in (
        (data, "so long a key"),
        (make_berkeley_db(tmp_path / "db", [(b"k" * 3000, b"v")], chksum=1), "of a kind"),
        (data[:-1], "damaged"),
        (make_berkeley_db(tmp_path / "db", [(b"1", b"v")], "recno"), "of a kind"),
        (data[:20] + b"\0\0\0\0" + data[24:], "damaged"),
        (b"", "not a Berkeley DB file"),
        (b"192.0.2.1 yes\n", "not a Berkeley DB file"),
    ):
        with pytest.raises(BerkeleyDbTrouble, match=text):
            look_for(wrong, b"k" * 3000)


DELETES = """
use DB_File;
my ($path, $kind) = @ARGV;
my $info = $kind eq "hash" ? $DB_HASH : $DB_BTREE;
$info->{"bsize"} = 512 if $kind eq "hash";
tie(my %map, "DB_File", $path, 0x42, 0644, $info) or die "$!";
$map{"192.0.2.$_"} = "in" x ($_ % 30) for 0 .. 999;
$map{"192.0.2.$_"} = "x" x 2000 for 0 .. 9;
untie %map;
tie(%map, "DB_File", $path, 2, 0644, $info) or die "$!";
delete $map{"192.0.2.$_"} for grep { $_ % 3 } 0 .. 999;
untie %map;
"""


@pytest.mark.peer("perl")
@pytest.mark.parametrize("kind", ["hash", "btree"])
def test_deleted_keys_are_gone(tmp_path: Path, kind: str) -> None:
    """Whoever writes addresses of clients deletes them again, and their bytes stay behind."""
    path = tmp_path / "map"
    subprocess.run([peers.program("perl", "perl"), "-e", DELETES, str(path), kind], check=True, timeout=60)
    data = path.read_bytes()
    found = [number for number in range(1000) if look_for(data, b"192.0.2.%d" % number) is not None]
    assert found == [number for number in range(1000) if number % 3 == 0]
    assert sorted(int(key[8:]) for key, _ in pairs(data)) == found
    assert any(data.count(b"192.0.2.%d" % number) for number in range(500, 1000) if number % 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    directory = tmp_path_factory.mktemp("db")
    some = drawn(60, 20)
    return [
        make_berkeley_db(directory / "db", [*some, (b"1.1", b"x" * 1500)], kind, 512, db_lorder=order)
        for kind in ("hash", "btree")
        for order in (1234, 4321)
    ]


@DB_LOAD
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, 3),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=4)), max_size=5),
    key=st.sampled_from([b"1.1", b"1", b"", b"\0", b"x"]),
)
def test_damage_is_told_or_not_seen(
    files: list[bytes], number: int, changes: list[tuple[int, bytes]], key: bytes
) -> None:
    data = bytearray(files[number])
    for at, change in changes:
        at %= len(data)
        data[at : at + len(change)] = change
    with suppress(BerkeleyDbTrouble):
        found = look_for(bytes(data), key)
        assert found is None or len(found) <= len(data)
    with suppress(BerkeleyDbTrouble):
        assert sum(1 for _ in pairs(bytes(data))) <= len(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.binary(min_size=1, max_size=3))
def test_any_text_is_a_file_or_not(data: bytes, key: bytes) -> None:
    with pytest.raises(BerkeleyDbTrouble):
        look_for(data, key)
    with pytest.raises(BerkeleyDbTrouble):
        list(pairs(data))


TABLE = """\
192.0.2.7: yes
"2001:db8::7": seven
"a\\\\000b": joined
key: value that goes
  on
"*": everything else
*.example: some
"""
QUESTIONS = [
    "192.0.2.7", "192.0.2.8", "2001:db8::7", "key", "KEY", "a", "", "*", "x.example", "a:b", "a:", "<;a;b",
]  # fmt: skip


@pytest.mark.peer("exim")
def test_as_exim_does(tmp_path: Path) -> None:
    (tmp_path / "table").write_text(TABLE)
    build = [peers.program("exim_dbmbuild", "exim4-base")]
    subprocess.run([*build, str(tmp_path / "table"), str(tmp_path / "z")], check=True, capture_output=True)
    subprocess.run([*build, "-nozero", str(tmp_path / "table"), str(tmp_path / "n")], check=True, capture_output=True)
    templates = [
        f"${{lookup{{\\N{key}\\N}}{kind}{{{tmp_path}/{file}}}{{<$value>}}{{no}}}}"
        for key in QUESTIONS
        for kind in ("dbm", "dbmnz", "dbmjz", "dbm*", "partial1-dbmnz", "dbmnz,ret=key")
        for file in "zn"
    ]
    asked = subprocess.run(
        [peers.program("exim4", "exim4-daemon-heavy"), "-be"],
        input="\n".join(templates), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    theirs = [line.removeprefix("> ") for line in asked.stdout.splitlines()][: len(templates)]
    environment = MessageEnvironment(Settings())
    ours = [expand(parse_template(each.encode()), environment).text.decode() for each in templates]
    assert dict(zip(templates, ours, strict=True)) == dict(zip(templates, theirs, strict=True))
    assert sum(each != "no" for each in ours) > 20


@pytest.mark.parametrize(("name", "text"), [("missing", "failed to open"), ("text", "not a Berkeley DB file")])
def test_files_that_are_none(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "text").write_text("192.0.2.1\n")
    template = parse_template(f"${{lookup{{a}}dbm{{{tmp_path}/{name}}}{{x}}{{y}}}}".encode())
    with pytest.raises(ExpansionError, match=text):
        expand(template, MessageEnvironment(Settings()))


@pytest.mark.peer("sendmail")
@pytest.mark.parametrize("arguments", [("hash",), ("-N", "hash"), ("btree",), ("-N", "btree")])
def test_files_of_makemap(arguments: tuple[str, ...]) -> None:
    root = unpacked("sendmail")
    environment = {"LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
    with mail_directory("exim-dkim-makemap-") as directory:
        (directory / "cf").write_text("O QueueDirectory=/tmp\n")
        program = str(root / "usr/libexec/sendmail/makemap")
        for text, more in (("192.0.2.7 yes\n192.0.2.70 no\n", ()), ("192.0.2.9 more\n", ("-o",))):
            command = [program, "-C", str(directory / "cf"), *more, *arguments, str(directory / "map")]
            subprocess.run(command, input=text, text=True, env=environment, check=True, timeout=60)
        data, nul = (directory / "map.db").read_bytes(), b"\0" if "-N" in arguments else b""
    found = [look_for(data, address + nul) for address in (b"192.0.2.7", b"192.0.2.70", b"192.0.2.9", b"192.0.2")]
    assert found == [b"yes" + nul, b"no" + nul, b"more" + nul, None]
