"""Fuzz targets for Authentication-Results: what is read can be written, and what is written is read as the same."""

from __future__ import annotations

from pathlib import Path

from exim_dkim.authres import bears_id, format_authres, parse_authres
from exim_dkim.message import parse_field
from lookup_server.claims import sort_fields, tell_foreign

OWN = "mx.example"
FIELDS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "vectors" / "authres").glob("*.field"))] + [
    b"Authentication-Results: mx.example; dkim=pass\r\n",
    b'authentication-results:\r\n\t"mx.example" (a (b)) 1; spf=fail reason="x; y" smtp.mailfrom="a b"@x\r\n',
]
TOKENS = [b"Authentication-Results:", b"mx.example", b";", b"=", b"dkim", b"pass", b"header.d", b"reason", b"none",
          b"(", b")", b"\\", b'"', b" ", b"\r\n\t", b"\r\n", b"/", b".", b"1", b"\0", b"\xff", b"\xc3\xbc"]  # fmt: skip


def read_and_write(data: bytes) -> None:
    """A field's value: what is read, is the same when it is written and read again, but for what is cut."""
    results = parse_authres(data.partition(b":")[2])
    field = format_authres(results)
    again = parse_authres(field.partition(b":")[2])
    assert [each[:2] for each in again.results] == [each[:2] for each in results.results]
    assert b"\0" not in field
    assert field.count(b"\n") == field.count(b"\r\n\t")


def find_forgeries(data: bytes) -> None:
    """A header: each field is somebody's or ours."""
    bears_id(parse_field(data), OWN)
    claims = sort_fields(data, OWN)
    assert claims.forged is not None
    tell_foreign(claims, 100)
