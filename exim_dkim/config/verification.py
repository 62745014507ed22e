"""The `dkim_verify_...` and `domainkeys_verify...` options as policies."""

from __future__ import annotations

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.policy import DomainKeysPolicy, VerificationPolicy

_HASHES = ("sha1", "sha256", "sha512")
_KEY_TYPES = ("rsa", "ed25519")


def verification_policy(settings: Settings) -> VerificationPolicy:
    """The policy; `ConfigurationError`, with the option's place, when an option makes no sense."""
    return VerificationPolicy(
        max_signatures=_positive(settings, "dkim_verify_signatures"),
        clock_drift=settings.seconds("dkim_verify_clock_drift"),
        hashes=_hashes(settings),
        min_key_bits=_key_sizes(settings),
        max_key_bits=_positive(settings, "dkim_verify_max_keysize"),
        partial_body=settings.boolean("dkim_verify_partial_body"),
        legacy=settings.boolean("dkim_legacy"),
    )


def domainkeys_policy(settings: Settings) -> DomainKeysPolicy:
    """The policy for DomainKeys; `ConfigurationError` as above."""
    return DomainKeysPolicy(
        accept_sha1=settings.boolean("domainkeys_verify"),
        max_signatures=_positive(settings, "dkim_verify_signatures"),
        min_key_bits=_positive(settings, "domainkeys_verify_min_keysize"),
        max_key_bits=_positive(settings, "dkim_verify_max_keysize"),
    )


def _positive(settings: Settings, name: str) -> int:
    value = settings.integer(name)
    if value < 1:
        raise ConfigurationError(f"{name} must be at least 1", *settings.place(name))
    return value


def _hashes(settings: Settings) -> tuple[str, ...]:
    name = "dkim_verify_hashes"
    hashes = tuple(item.lower() for item in settings.items(name))
    unknown = [item for item in hashes if item not in _HASHES]
    if unknown or not hashes:
        what = f"{unknown[0]!r} is no hash that is known" if unknown else "the list is empty"
        raise ConfigurationError(f"{name}: {what}; there are: {' : '.join(_HASHES)}", *settings.place(name))
    return hashes


def _key_sizes(settings: Settings) -> dict[str, int]:
    name = "dkim_verify_min_keysizes"
    sizes = {}
    for item in settings.string(name).split():
        key_type, equals, bits = item.partition("=")
        if not equals or key_type.lower() not in _KEY_TYPES or not (bits.isascii() and bits.isdigit()):
            raise ConfigurationError(f"{name}: {item!r} is not TYPE=BITS, as in rsa=1024", *settings.place(name))
        sizes[key_type.lower()] = int(bits)
    return sizes
