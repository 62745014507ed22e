"""Local policy for verification: what this site accepts of what RFC 6376 permits (RFC 6376 §6.1, RFC 8301)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MIN_KEY_BITS: Mapping[str, int] = MappingProxyType({"rsa": 1024, "ed25519": 250})


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """How signatures are judged. The option that sets each field stands behind it."""

    max_signatures: int = 8  # dkim_verify_signatures: each costs a DNS query and a public-key operation
    clock_drift: int = 300  # dkim_verify_clock_drift, seconds: how far t= may lie ahead and x= behind
    hashes: tuple[str, ...] = ("sha256", "sha512")  # dkim_verify_hashes (RFC 8301 §3.1: not sha1)
    min_key_bits: Mapping[str, int] = field(default_factory=lambda: MIN_KEY_BITS)  # dkim_verify_min_keysizes
    max_key_bits: int = 8192  # dkim_verify_max_keysize: a large key is a lever for denial of service
    partial_body: bool = False  # dkim_verify_partial_body: accept l= that leaves body text unsigned (RFC 6376 §8.2)
    legacy: bool = False  # dkim_legacy: signatures of 2005, which are rsa-sha1 (dkim.legacy)


@dataclass(frozen=True, slots=True)
class DomainKeysPolicy:
    """How DomainKeys signatures are judged (RFC 4870 §3.7). The option that sets each field stands behind it."""

    accept_sha1: bool = False  # domainkeys_verify: DomainKeys has no other algorithm than rsa-sha1
    max_signatures: int = 8  # dkim_verify_signatures
    min_key_bits: int = 1024  # domainkeys_verify_min_keysize: of 2005 there are keys of 384 and 512 bits
    max_key_bits: int = 8192  # dkim_verify_max_keysize
