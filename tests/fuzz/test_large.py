"""Large hostile input for the parsers that strangers can reach: work must grow with the size, not with its square.

No clock is read: what is quadratic takes minutes here, and the time limit of the test ends it.
"""

from __future__ import annotations

import pytest

from exim_dkim.dkim.signature import parse_signature
from exim_dkim.message import parse_field
from tests.support.fuzzing import BY_NAME

SIZE = 2_000_000
"""Bytes: more than Exim lets a header have (1 MiB)."""
STRANGERS = (
    *("tag-list", "key-record", "signature", "message", "body", "verify", "domain", "selector", "address"),
    *("key-of-a-look-up", "public-key", "request", "spool-header", "stored-message"),
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", STRANGERS)
def test_large(name: str) -> None:
    """A seed with a token of its language repeated in the middle, and at the end."""
    target = BY_NAME[name]
    seed = target.seeds[0]
    for token in [*target.tokens, b"a", b" ", b"=", b"b="]:
        many = token * (SIZE // len(token))
        target(seed[: len(seed) // 2] + many + seed[len(seed) // 2 :])
        target(seed + many)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", [b"b=", b" b =", b"; ", b";b ", b"=\r\n\t"])
def test_value_of_b_in_a_large_signature(text: bytes) -> None:
    """The value of b= is found without looking at everything before it again and again."""
    field = parse_field(b"DKIM-Signature: v=1; zz=" + text * (SIZE // len(text)) + b"; b=YWFh")
    assert len(parse_signature(field)._replace(field=field).without_data().raw) <= len(field.raw)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("token", [b":", b"::", b",", b"(", b"=?", b"[", b'"', b"a+", b"<a@b>,"])
def test_large_values_in_expansions(token: bytes) -> None:
    """As much as Exim lets a header field have, in everything that the expansion language has."""
    BY_NAME["values-in-expansions"](token * (65536 // len(token)))
