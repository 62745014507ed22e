"""The `dkim_verify_...` options as a policy."""

from __future__ import annotations

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.verification import domainkeys_policy, verification_policy
from exim_dkim.errors import ConfigurationError
from exim_dkim.policy import DomainKeysPolicy, VerificationPolicy


def policy(text: str) -> VerificationPolicy:
    return verification_policy(parse_configuration(text.encode(), "test.conf"))


def test_the_defaults_of_the_options_are_those_of_the_policy() -> None:
    assert policy("") == VerificationPolicy()


def test_every_option() -> None:
    text = """
dkim_verify_signatures = 3
dkim_verify_clock_drift = 10s
dkim_verify_hashes = SHA1 : sha256
dkim_verify_min_keysizes = rsa=2048
dkim_verify_max_keysize = 4096
dkim_verify_partial_body = true
dkim_legacy = true
"""
    assert policy(text) == VerificationPolicy(3, 10, ("sha1", "sha256"), {"rsa": 2048}, 4096, True, True)


def test_domainkeys() -> None:
    def policy(text: str) -> DomainKeysPolicy:
        return domainkeys_policy(parse_configuration(text.encode(), "test.conf"))

    assert policy("") == DomainKeysPolicy()
    text = "domainkeys_verify\ndkim_verify_signatures = 3\ndomainkeys_verify_min_keysize = 512\n"
    assert policy(text + "dkim_verify_max_keysize = 4096") == DomainKeysPolicy(True, 3, 512, 4096)
    with pytest.raises(ConfigurationError, match="at least 1"):
        policy("domainkeys_verify_min_keysize = 0")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dkim_verify_hashes = md5", "'md5' is no hash"),
        ("dkim_verify_hashes =", "the list is empty"),
        ("dkim_verify_min_keysizes = rsa", "TYPE=BITS"),
        ("dkim_verify_min_keysizes = rsa=many", "TYPE=BITS"),
        ("dkim_verify_min_keysizes = dsa=1024", "TYPE=BITS"),
        ("dkim_verify_signatures = 0", "at least 1"),
        ("dkim_verify_max_keysize = 0", "at least 1"),
    ],
)
def test_what_makes_no_sense(line: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        policy(line)
    assert (caught.value.file, caught.value.line) == ("test.conf", 1)
