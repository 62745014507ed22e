"""Every case of the openspf suites for RFC 7208 and RFC 4408."""

from __future__ import annotations

import pytest

from exim_dkim.spf import SpfPolicy, check_host
from tests.support.openspf import Case, cases
from tests.support.run import run

RFC7208 = list(cases("rfc7208"))
RFC4408 = list(cases("rfc4408"))

UNLIKE: dict[tuple[str, str], str] = {}
"""The cases that do not end as the suite says, and why."""


def test_the_suites_are_whole() -> None:
    assert (len(RFC7208), len(RFC4408)) == (203, 191)


@pytest.mark.parametrize("case", [*RFC7208, *RFC4408], ids=lambda case: f"{case.suite}-{case.name}")
def test_case(case: Case) -> None:
    verdict = run(check_host(case.envelope, case.resolver, SpfPolicy()))
    good = verdict.result.value in case.results and case.explanation in (None, verdict.text or "DEFAULT")
    assert good == ((case.suite, case.name) not in UNLIKE), (verdict, case.results, case.explanation)
