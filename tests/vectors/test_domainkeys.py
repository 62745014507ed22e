"""Every vector of domainkeys/ through the engine. The file format is described in README.md."""

from __future__ import annotations

import runpy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from exim_dkim.domainkeys.verify import verify, verify_header
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.outcome import DomainKeysReason
from exim_dkim.policy import DomainKeysPolicy
from exim_dkim.resolver import Trouble
from exim_dkim.words import domainkeys_word, parse_key
from tests.support.run import run

HERE = Path(__file__).parent
VECTORS = sorted(HERE.glob("domainkeys/*.msg"))


@dataclass
class Wanted:
    """The contents of a .want file."""

    policy: DomainKeysPolicy = field(default_factory=lambda: DomainKeysPolicy(accept_sha1=True))
    records: dict[str, list[str] | Trouble] = field(default_factory=dict)
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    testing: bool = False
    words: list[tuple[str, str]] = field(default_factory=list)


def read_wanted(path: Path) -> Wanted:
    """Reads a .want file; a line that is not understood is an error."""
    wanted = Wanted()
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        first, _, second = rest.partition(" ")
        match kind, first:
            case "why", _:
                pass
            case "policy", "accept_sha1":
                wanted.policy = replace(wanted.policy, accept_sha1=second == "true")
            case "policy", "min_key_bits":
                wanted.policy = replace(wanted.policy, min_key_bits=int(second))
            case "dns", _ if second in Trouble.__members__:
                wanted.records[first] = Trouble[second]
            case "dns", _:
                records = wanted.records.setdefault(first, [])
                assert isinstance(records, list)
                records.append(second)
            case "verdict", _:
                wanted.verdicts.append((first, second))
            case "testing", _:
                wanted.testing = True
            case "word", _:
                wanted.words.append((first, second))
            case _:
                raise ValueError(f"{path}: {line}")
    return wanted


def test_there_are_vectors() -> None:
    """An empty glob would pass everything."""
    assert len(VECTORS) > 90


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    """Verdicts and words are as wanted."""
    wanted = read_wanted(path.with_suffix(".want"))
    verdicts = run(verify(parse_message(path.read_bytes()), MemoryResolver(wanted.records), wanted.policy))
    found = [(verdict.reason.name, str(verdict.signature.domain or "-")) for verdict in verdicts]
    assert found == wanted.verdicts, [verdict.explanation for verdict in verdicts]
    assert any(verdict.testing for verdict in verdicts) == wanted.testing
    for key, word in wanted.words:
        assert domainkeys_word(verdicts, parse_key(key.encode())).value == word, key


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_vector_in_chunks(path: Path, size: int) -> None:
    """However the body is cut, the verdicts are the same."""
    wanted = read_wanted(path.with_suffix(".want"))
    message = parse_message(path.read_bytes())
    verification = run(verify_header(message.fields, MemoryResolver(wanted.records), wanted.policy))
    for start in range(0, len(message.body), size):
        verification.update(message.body[start : start + size])
    assert [verdict.reason.name for verdict in verification.finish()] == [reason for reason, _ in wanted.verdicts]


def test_every_reason_has_a_vector() -> None:
    """Each way in which a verification can end is reached by a file, except a fault of the system it runs on."""
    reached = {reason for path in VECTORS for reason, _ in read_wanted(path.with_suffix(".want")).verdicts}
    assert reached == {reason.name for reason in DomainKeysReason} - {"SHA1_REFUSED"}


def test_the_vectors_are_what_the_generator_makes() -> None:
    """Nobody has changed a file by hand or forgotten to write the files anew."""
    made = runpy.run_path(str(HERE / "generate_domainkeys.py"))["all_files"]()
    assert {path.name: path.read_bytes() for path in (HERE / "domainkeys").iterdir()} == made
