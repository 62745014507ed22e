"""Running `exim-dkim` inside the test process, and material for it: a key, its zone, signed messages."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner, Result

from exim_dkim.commands.dns_text import zone_text
from exim_dkim.commands.program import program
from exim_dkim.crypto import PrivateKey, generate_private_key, load_private_key
from exim_dkim.dkim.sign import SigningRequest, sign
from exim_dkim.hashing import BodyHasher
from exim_dkim.keyrecord import format_key_record
from exim_dkim.message import parse_message, to_wire
from exim_dkim.names import Domain, Selector

MESSAGE = b"From: alice@example.org\nSubject: test\n\nHello\n"


def run_cli(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """The command as a user calls it, without a terminal; standard output and error are kept apart."""
    return CliRunner().invoke(program, [str(argument) for argument in arguments], input=stdin, prog_name="exim-dkim")


class Material(NamedTuple):
    """A private key in `directory/key.pem` and a zone file `directory/zone` that publishes it."""

    directory: Path
    key: PrivateKey
    domain: str = "example.org"
    selector: str = "s"

    @property
    def key_file(self) -> Path:
        """The private key."""
        return self.directory / "key.pem"

    @property
    def zone(self) -> Path:
        """The zone file."""
        return self.directory / "zone"

    def signed(self, message: bytes = MESSAGE, selector: str | None = None) -> bytes:
        """`message` (LF) with a signature on top."""
        wire = parse_message(to_wire(message))
        hasher = BodyHasher()
        body_hash = hasher.want("sha256", "relaxed")
        hasher.update(wire.body)
        hasher.finish()
        request = SigningRequest(
            Domain(self.domain),
            Selector(selector or self.selector),
            (b"from", b"subject"),
            body_canonicalization="relaxed",
        )
        return sign(wire.fields, body_hash.digest(), request, self.key).replace(b"\r\n", b"\n") + message

    def write(self, name: str, content: bytes) -> Path:
        """A file in the directory."""
        file = self.directory / name
        file.write_bytes(content)
        return file


def make_material(directory: Path) -> Material:
    """Key and zone. The name `slow` times out, `testing` has the key with t=y, `revoked` an empty one."""
    pem = generate_private_key("rsa", 1024)
    material = Material(directory, load_private_key(pem))
    material.key_file.write_bytes(pem)
    material.key_file.chmod(0o600)
    record = format_key_record("rsa", material.key.public_der())
    testing = format_key_record("rsa", material.key.public_der(), testing=True)
    names = {"s": record, "testing": testing, "revoked": "v=DKIM1; p=", "other": _other_key(), "junk": "hello"}
    zone = "\n".join(zone_text(f"{name}._domainkey.example.org", text) for name, text in names.items())
    material.zone.write_text(zone + "\n;! TIMEOUT slow._domainkey.example.org.\n")
    return material


def _other_key() -> str:
    return format_key_record("rsa", load_private_key(generate_private_key("rsa", 1024)).public_der())
