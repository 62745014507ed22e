"""SPF (RFC 7208): is this client permitted to send mail for this domain?

`check_host` judges an identity of an envelope, `evaluate` any address with any choice of records (Sender ID);
`check_host_or_guess` judges domains without a record, too, by the guess that the policy may have. None
ever raises; all they await is the resolver. pyspf is imported when it is first needed, or by `preload`.
"""

from __future__ import annotations

from exim_dkim.spf.evaluate import check_host, evaluate, preload
from exim_dkim.spf.guess import check_host_or_guess, evaluate_or_guess
from exim_dkim.spf.record import Select, select_spf1
from exim_dkim.spf.verdict import SpfIdentity, SpfPolicy, SpfVerdict

__all__ = [
    "Select", "SpfIdentity", "SpfPolicy", "SpfVerdict", "check_host", "check_host_or_guess", "evaluate",
    "evaluate_or_guess", "preload", "select_spf1",
]  # fmt: skip
