"""Reports of failed verification to the domain that signed, when it has asked for them (RFC 6651, RFC 6591, RFC 5965).

`failures` finds what may be reported about a message, `find_recipient` asks DNS who wants it, `format_report` writes
the report. Nothing here sends anything, or knows how often one may.
"""

from __future__ import annotations

from exim_dkim.reports.failure import Failure, failures, is_answerable
from exim_dkim.reports.feedback import FailureReport, format_report
from exim_dkim.reports.recipient import find_recipient

__all__ = ["Failure", "FailureReport", "failures", "find_recipient", "format_report", "is_answerable"]
