"""The `spf_...` options as an `SpfPolicy`."""

from __future__ import annotations

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.spf.verdict import SpfPolicy


def spf_policy(settings: Settings, receiver: str) -> SpfPolicy:
    """The policy of the host `receiver`; `ConfigurationError`, with its place, when an option makes no sense."""
    timeout = settings.seconds("spf_timeout")
    if timeout < 1:
        raise ConfigurationError("spf_timeout must be at least 1s", *settings.place("spf_timeout"))
    return SpfPolicy(
        max_void_lookups=settings.integer("spf_max_void_lookups"),
        timeout=timeout,
        receiver=receiver,
    )
