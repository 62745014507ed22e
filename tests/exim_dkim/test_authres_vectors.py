"""Authentication-Results fields of the RFCs (tests/vectors/authres): read, and the same when written anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exim_dkim.authres import AuthenticationResults, format_authres, parse_authres
from exim_dkim.message import parse_field

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "authres").glob("*.field"))


def described(results: AuthenticationResults) -> Iterator[str]:
    """The statements of a `.want` file."""
    yield f"id {results.authserv_id}"
    yield from (f"comment {comment}" for comment in results.comments)
    if results.version is not None:
        yield f"version {results.version}"
    for result in results.results:
        version = "" if result.version is None else f"/{result.version}"
        yield f"result {result.method}{version} {result.result}"
        yield from (f"comment {comment}" for comment in result.comments)
        if result.reason is not None:
            yield f"reason {result.reason}"
        yield from (f"property {each.type}.{each.name} {each.value}" for each in result.properties)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    results = parse_authres(parse_field(path.read_bytes()).value)
    assert list(described(results)) == path.with_suffix(".want").read_text().splitlines()
    assert parse_authres(parse_field(format_authres(results)).value) == results


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 10
