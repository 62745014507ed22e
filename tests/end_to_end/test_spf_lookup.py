"""The look-up spf beside Exim's own, which is libspf2; both ask the same name server."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.expansion import expand, parse_template
from exim_dkim.system.environment import MessageEnvironment
from tests.support.peers import missing, program
from tests.support.unbound import Unbound

RECORDS = (
    'example.org. 60 IN TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 a:mail.example.org include:part.example ~all"',
    "mail.example.org. 60 IN A 192.0.2.2",
    'part.example. 60 IN TXT "v=spf1 ip4:192.0.2.3 -all"',
    'hard.example. 60 IN TXT "v=spf1 exists:%{l}.list.example -all"',
    "alice.list.example. 60 IN A 127.0.0.2",
    'unsure.example. 60 IN TXT "v=spf1 ?all"',
    'broken.example. 60 IN TXT "v=spf1 foo:bar -all"',
    'two.example. 60 IN TXT "v=spf1 -all"',
    'two.example. 60 IN TXT "v=spf1 +all"',
    'sender.example. 60 IN TXT "spf2.0/pra,mfrom -all"',
    "none.example. 60 IN A 192.0.2.1",
)
ASKED = [
    ("a@example.org", "192.0.2.1"),
    ("a@example.org", "192.0.2.2"),
    ("a@example.org", "192.0.2.3"),
    ("a@example.org", "192.0.2.4"),
    ("a@example.org", "2001:db8::1"),
    ("a@example.org", "2001:db9::1"),
    ("a@EXAMPLE.org", "192.0.2.1"),
    ("alice@hard.example", "192.0.2.1"),
    ("bob@hard.example", "192.0.2.1"),
    ("a@unsure.example", "192.0.2.1"),
    ("a@broken.example", "192.0.2.1"),
    ("a@two.example", "192.0.2.1"),
    ("a@sender.example", "192.0.2.1"),
    ("a@none.example", "192.0.2.1"),
    ("a@nowhere.example", "192.0.2.1"),
    ("a@refused.example", "192.0.2.1"),
    ("example.org", "192.0.2.1"),
    ("", "192.0.2.1"),
    ("a@example.org", "localhost"),
    ("a@example.org", ""),
    ("a@example.org", "[192.0.2.1]"),
    ("a@example.org", " 192.0.2.1 "),
]
_LIBSPF2 = "Exim shows libspf2's name of a result that is not set yet; the manual promises a word for each error"
DIFFERENT: dict[tuple[str, str], tuple[bytes, bytes, str]] = {
    ("a@broken.example", "192.0.2.1"): (b"<(invalid)>", b"<permerror>", _LIBSPF2),
    ("a@refused.example", "192.0.2.1"): (b"<(invalid)>", b"<temperror>", _LIBSPF2),
    ("a@example.org", " 192.0.2.1 "): (b"failed", b"<pass>", "blanks around an address do not matter here"),
}
"""What Exim gives, what we give, and why."""


@pytest.fixture(scope="module", name="nameserver")
def _nameserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    unbound = Unbound(tmp_path_factory.mktemp("spf") / "unbound", {}, ("refused.example",), RECORDS)
    yield unbound
    unbound.end()


@pytest.fixture(scope="module", name="exim")
def _exim(nameserver: Unbound, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    """What Exim gives for each pair."""
    if os.geteuid() != 0:
        missing("Exim with a name server of our own needs root", "run the tests as root")
    directory = tmp_path_factory.mktemp("exim")
    configuration = directory / "exim.conf"
    configuration.write_text(f"spool_directory = {directory}\nlog_file_path = {directory}/%slog\nkeep_environment =\n")
    marks = [f"@@{number}@@" for number in range(len(ASKED) + 1)]
    lines = [text for mark, pair in zip(marks, ASKED, strict=False) for text in (mark, template(*pair))]
    mount = f'mount --bind {nameserver.resolv_conf} /etc/resolv.conf; exec "$@"'
    binary = program("exim4", "exim4-daemon-heavy")
    words = ["unshare", "-m", "sh", "-ec", mount, "sh", binary, "-C", str(configuration), "-be"]
    text = "\n".join([*lines, marks[-1], ""]).encode()
    printed = subprocess.run(words, input=text, capture_output=True, timeout=100, check=False).stdout
    results = {}
    for pair, (mark, following) in zip(ASKED, itertools.pairwise(marks), strict=True):
        found = printed.partition(f"> {mark}\n".encode())[2].partition(f"> {following}\n".encode())[0]
        assert found.startswith(b"> "), (pair, printed)
        results[pair] = found[2:-1]
    return results


def template(address: str, client: str) -> str:
    return f"${{lookup {{{address}}} spf {{{client}}}{{<$value>}}{{failed}}}}"


@pytest.mark.peer("exim")
@pytest.mark.parametrize("pair", ASKED, ids=" ".join)
def test_same_answers(nameserver: Unbound, exim: dict[tuple[str, str], bytes], pair: tuple[str, str]) -> None:
    settings = parse_configuration(f"dns_nameservers = {nameserver.address}\n".encode())
    ours = expand(parse_template(template(*pair).encode()), MessageEnvironment(settings)).text
    if pair in DIFFERENT:
        assert (exim[pair], ours) == DIFFERENT[pair][:2]
    else:
        assert ours == exim[pair]
