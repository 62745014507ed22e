"""The `spf_...` options as an `SpfPolicy`."""

from __future__ import annotations

from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.spf.record import parse_record, select_spf1
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
        guess=_guess(settings),
    )


def _guess(settings: Settings) -> str:
    """The record to guess by. It must be a plain one: whoever writes it is here, and can be told."""
    record = settings.string("spf_guess")
    terms = [each.decode("ascii", "replace") for each in select_spf1([record.encode("utf-8", "replace")])]
    if record and (not record.isascii() or not terms or parse_record(terms[0]) is None):
        raise ConfigurationError(
            f"spf_guess: {record!r} is not an SPF record; write one, as in v=spf1 a/24 mx/24 ptr ?all",
            *settings.place("spf_guess"),
        )
    return record
