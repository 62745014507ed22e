"""The domains that are signed for (`-d`), and whether an author's domain is one of them.

An entry is a domain, or a pattern in which `*` stands for any text (`*.example.org`). With subdomains (`-D`), a domain
stands for those below it too, and what they send is signed as the domain that is listed: that is where the key is.
Internationalised domains are the same in both forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from exim_dkim.errors import ParseError
from exim_dkim.names import Domain
from milter_server.wildcard import Wildcard

MAX_DOMAINS: Final = 1_000_000
"""Entries of a list; one takes some hundred bytes."""


_NO_DOMAIN: Final = re.compile(r"[@/\s\x00-\x1f\x7f]")


class DomainList:
    """A set of domains. `signing_domain` is quick for a long list, but for its patterns."""

    __slots__ = ("_domains", "_patterns", "_subdomains")

    def __init__(self, entries: Iterable[str], *, subdomains: bool = False) -> None:
        """`ValueError` for an entry that cannot be a domain."""
        self._domains: set[str] = set()
        self._patterns: list[Wildcard] = []
        self._subdomains = subdomains
        for number, entry in enumerate(entries):
            if number >= MAX_DOMAINS:
                raise ValueError(f"more than {MAX_DOMAINS} domains; use a look-up in dkim_domain instead")
            self._add(entry.lower().rstrip("."))

    def __bool__(self) -> bool:
        return bool(self._domains or self._patterns)

    def _add(self, entry: str) -> None:
        if "*" in entry and ".." not in entry and not entry.startswith(".") and not _NO_DOMAIN.search(entry):
            self._patterns.append(Wildcard(entry))
            return
        try:
            self._domains.add(Domain.parse(entry.encode("utf-8", "surrogateescape")))
        except ParseError:
            raise ValueError(f"{entry!r} is not a domain; write example.org, or a pattern as *.example.org") from None

    def signing_domain(self, domain: str) -> tuple[str, bool] | None:
        """The domain to sign mail of `domain` for, and whether it was listed word for word; None when not listed.

        `domain` is in lower case. What is not listed word for word is the author's claim: tainted, in Exim's words.
        """
        if not domain.isascii():
            with suppress(ParseError):
                domain = Domain.parse(domain.encode("utf-8", "surrogateescape"))
        if domain in self._domains:
            return domain, True
        if self._subdomains:
            start = domain.find(".")
            while start >= 0:
                parent = domain[start + 1 :]
                if parent in self._domains:
                    return parent, True
                start = domain.find(".", start + 1)
        if any(pattern.matches(domain) for pattern in self._patterns):
            return domain, False
        return None
