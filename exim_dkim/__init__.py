"""Sender authentication for mail servers: the engine of exim-dkim.

From here, without importing more than is used: `verify`, `authenticate`, `sign` (api.py); the resolvers
`MemoryResolver` and `DnsResolver` behind the `Resolver` protocol; `VerificationPolicy`; and what comes back, `Verdict`
with its `DkimReason` and `DkimResult`. ARCHITECTURE.md has the map of the modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exim_dkim.api import authenticate, sign, verify, verify_blocking
    from exim_dkim.authentication import Authentication, Method, authentication_results
    from exim_dkim.dkim.verify import Verdict
    from exim_dkim.errors import ConfigurationError, EximDkimError, KeyFormatError, ParseError, SigningError
    from exim_dkim.memory import MemoryResolver
    from exim_dkim.outcome import DkimReason, DkimResult
    from exim_dkim.policy import VerificationPolicy
    from exim_dkim.resolver import Answer, Question, RecordType, Resolver, Trouble
    from exim_dkim.system.dns import DnsResolver

_HOMES = {
    "exim_dkim.api": ("authenticate", "sign", "verify", "verify_blocking"),
    "exim_dkim.authentication": ("Authentication", "Method", "authentication_results"),
    "exim_dkim.dkim.verify": ("Verdict",),
    "exim_dkim.errors": ("ConfigurationError", "EximDkimError", "KeyFormatError", "ParseError", "SigningError"),
    "exim_dkim.memory": ("MemoryResolver",),
    "exim_dkim.outcome": ("DkimReason", "DkimResult"),
    "exim_dkim.policy": ("VerificationPolicy",),
    "exim_dkim.resolver": ("Answer", "Question", "RecordType", "Resolver", "Trouble"),
    "exim_dkim.system.dns": ("DnsResolver",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Authentication",
    "ConfigurationError",
    "DkimReason",
    "DkimResult",
    "DnsResolver",
    "EximDkimError",
    "KeyFormatError",
    "MemoryResolver",
    "Method",
    "ParseError",
    "Question",
    "RecordType",
    "Resolver",
    "SigningError",
    "Trouble",
    "Verdict",
    "VerificationPolicy",
    "authenticate",
    "authentication_results",
    "sign",
    "verify",
    "verify_blocking",
]


def __getattr__(name: str) -> object:
    """Names are imported when they are first used (PEP 562): the signing filter needs few of them."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
