"""What the fuzzing of DomainKeys and of DKIM's first drafts runs: parsers, canonicalisation and both verifiers."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from exim_dkim.canonical import ALL_BODIES, ALL_WHOLE_BODIES
from exim_dkim.dkim.verify import verify as verify_dkim
from exim_dkim.domainkeys.policy import parse_domain_policy
from exim_dkim.domainkeys.signature import Signature, parse_signature
from exim_dkim.domainkeys.verify import verify
from exim_dkim.memory import MemoryResolver
from exim_dkim.message import parse_field, parse_message, to_wire
from exim_dkim.outcome import DomainKeysReason
from exim_dkim.policy import DomainKeysPolicy, VerificationPolicy
from tests.support import naive_domainkeys
from tests.support.naive import load_key
from tests.support.run import run

_VECTORS = Path(__file__).parents[1] / "vectors"
MESSAGES = [path.read_bytes() for path in sorted(_VECTORS.glob("domainkeys/*.msg")) if path.stat().st_size < 4096]
LEGACY = [path.read_bytes() for path in sorted(_VECTORS.glob("own/legacy-*.msg"))]
SIGNATURES = [parse_message(message).fields[0].raw for message in MESSAGES]
POLICIES = [b"t=y; o=~; n=note; r=a@example.org", b"o=-", b"o=~;", b"t=y", b"k=rsa; p=abc"]
BODIES = [b"a b\r\n", b" \t\r\n\r\n", b"\r", b"\0\1\2\x7f\r \n\r\n"]
TAGS = [tag + b"=" for tag in b"a b c d h q s o t r n".split()]
TOKENS = [*TAGS, b";", b"\r\n", b"From: x@example.org\r\n", b"nofws", b"simple", b":", b"\0", b"\r", b"\n", b" "]


def _record(vector: str) -> bytes:
    lines = (_VECTORS / f"{vector}.want").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("dns ")).split(" ", 2)[2].encode()


_RESOLVER = MemoryResolver(
    {
        "dk._domainkey.example.org": _record("domainkeys/canon-usual-nofws"),
        "rsa2048._domainkey.example.org": _record("own/legacy-nowsp"),
        "_domainkey.example.org": b"o=-",
    }
)


def read_signature(data: bytes) -> None:
    """Any field."""
    parse_signature(parse_field(data))


def canonicalize(data: bytes) -> None:
    """What the engine makes of a body, cut somewhere, is what the RFC's own words make of it."""
    for name in ("simple", "nofws"):
        wanted = naive_domainkeys.signed_text(b"X:y\r\n\r\n" + data, None, name).removeprefix(b"X:y\r\n")
        assert ALL_WHOLE_BODIES[f"domainkeys-{name}"](data) == wanted
        out: list[bytes] = []
        canonicalizer = ALL_BODIES[f"domainkeys-{name}"](out.append)
        cut = data[0] if data else 0
        canonicalizer.update(data[:cut])
        canonicalizer.update(data[cut:])
        canonicalizer.finish()
        assert b"".join(out) == wanted


def judge(data: bytes) -> None:
    """Any message gets verdicts; what is called good fits by the RFC's own words."""
    message = parse_message(to_wire(data))
    verdicts = run(verify(message, _RESOLVER, DomainKeysPolicy(accept_sha1=True)))
    for verdict in verdicts:
        assert verdict.explanation.isprintable()
        if verdict.reason is DomainKeysReason.GOOD:
            place = next(index for index, field in enumerate(message.fields) if field is verdict.signature.field)
            header = b"".join(field.raw + b"\r\n" for field in message.fields[place + 1 :])
            assert _fits(verdict.signature, header + b"\r\n" + message.body)


def _fits(signature: Signature, below: bytes) -> bool:
    key = load_key((_VECTORS / "keys" / "rsa1024.pem").read_bytes()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    text = naive_domainkeys.signed_text(below, signature.names, signature.canonicalization)
    try:
        key.verify(signature.data, text, padding.PKCS1v15(), hashes.SHA1())
    except InvalidSignature:
        return False
    return True


def judge_legacy(data: bytes) -> None:
    """The same for signatures of 2005, without the second opinion."""
    policy = VerificationPolicy(legacy=True)
    for verdict in run(verify_dkim(parse_message(to_wire(data)), _RESOLVER, policy, 1_790_000_000)):
        assert verdict.explanation.isprintable()


read_policy = parse_domain_policy
