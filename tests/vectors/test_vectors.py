"""Every vector of rfc/ and own/ through the engine. The file format is described in README.md."""

from __future__ import annotations

import runpy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from exim_dkim.dkim.verify import verify, verify_header
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_message
from exim_dkim.outcome import DkimReason
from exim_dkim.policy import VerificationPolicy
from exim_dkim.resolver import Trouble
from exim_dkim.words import dkim_word, parse_key
from tests.support.run import run

HERE = Path(__file__).parent
VECTORS = sorted([*HERE.glob("own/*.msg"), *HERE.glob("rfc/*.msg")])
CHUNKS = (1, 7, 4096)


@dataclass
class Wanted:
    """The contents of a .want file."""

    now: int = 0
    policy: VerificationPolicy = field(default_factory=VerificationPolicy)
    records: dict[str, list[str]] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    testing: bool = False
    words: list[tuple[str, str]] = field(default_factory=list)

    @property
    def resolver(self) -> MemoryResolver:
        """What the dns lines say."""
        everything: dict[str, list[str] | Trouble] = {**self.records, **self.troubles}
        return MemoryResolver(everything)


def read_wanted(path: Path) -> Wanted:
    """Reads a .want file; a line that is not understood is an error."""
    wanted = Wanted()
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        first, _, second = rest.partition(" ")
        match kind:
            case "why":
                pass
            case "now":
                wanted.now = int(rest)
            case "policy":
                wanted.policy = set_policy(wanted.policy, first, second)
            case "dns" if second in Trouble.__members__:
                wanted.troubles[first] = Trouble[second]
            case "dns":
                wanted.records.setdefault(first, []).append(second)
            case "verdict":
                wanted.verdicts.append((first, second))
            case "testing":
                wanted.testing = True
            case "word":
                wanted.words.append((first, second))
            case _:
                raise ValueError(f"{path}: {line}")
    return wanted


def set_policy(policy: VerificationPolicy, name: str, value: str) -> VerificationPolicy:
    """`policy` with one field changed."""
    match name:
        case "partial_body":
            return replace(policy, partial_body=value == "true")
        case "legacy":
            return replace(policy, legacy=value == "true")
        case "max_key_bits":
            return replace(policy, max_key_bits=int(value))
        case "hashes":
            return replace(policy, hashes=tuple(value.split(":")))
        case "min_key_bits":
            key_type, _, bits = value.partition("=")
            return replace(policy, min_key_bits={key_type: int(bits)})
        case _:
            raise ValueError(f"policy {name}")


def test_there_are_vectors() -> None:
    """An empty glob would pass everything."""
    assert len(VECTORS) > 100
    assert {path.parent.name for path in VECTORS} == {"own", "rfc"}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    """Verdicts and words are as wanted."""
    wanted = read_wanted(path.with_suffix(".want"))
    verdicts = run(verify(parse_message(path.read_bytes()), wanted.resolver, wanted.policy, wanted.now))
    found = [(verdict.reason.name, str(verdict.signature.domain or "-")) for verdict in verdicts]
    assert found == wanted.verdicts, [verdict.explanation for verdict in verdicts]
    assert any(verdict.testing for verdict in verdicts) == wanted.testing
    for key, word in wanted.words:
        assert dkim_word(verdicts, parse_key(key.encode())).value == word, key


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", CHUNKS)
def test_vector_in_chunks(path: Path, size: int) -> None:
    """However the body is cut, the verdicts are the same."""
    wanted = read_wanted(path.with_suffix(".want"))
    message = parse_message(path.read_bytes())
    verification = run(verify_header(message.fields, wanted.resolver, wanted.policy, wanted.now))
    for start in range(0, len(message.body), size):
        verification.update(message.body[start : start + size])
    assert [verdict.reason.name for verdict in verification.finish()] == [reason for reason, _ in wanted.verdicts]


def test_every_reason_has_a_vector() -> None:
    """Each way in which a verification can end is reached by a file, except a fault of our own."""
    reached = {reason for path in VECTORS for reason, _ in read_wanted(path.with_suffix(".want")).verdicts}
    assert reached == {reason.name for reason in DkimReason} - {"INTERNAL_ERROR"}


def test_own_vectors_are_what_the_generator_makes() -> None:
    """Nobody has changed a file by hand or forgotten to write the files anew."""
    made = runpy.run_path(str(HERE / "generate.py"))["all_files"]()
    assert {path.name: path.read_bytes() for path in (HERE / "own").iterdir()} == made
