"""The `spf_...` options as a policy."""

from __future__ import annotations

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.spf import spf_policy
from exim_dkim.errors import ConfigurationError
from exim_dkim.spf import SpfPolicy


def policy(text: str) -> SpfPolicy:
    return spf_policy(parse_configuration(text.encode(), "test.conf"), "mx.example.org")


def test_the_defaults_of_the_options_are_those_of_the_policy() -> None:
    assert policy("") == SpfPolicy(receiver="mx.example.org")


def test_every_option() -> None:
    text = "spf_max_void_lookups = 5\nspf_timeout = 1m\nspf_guess = v=spf1 a/24 mx/24 ptr ?all\n"
    assert policy(text) == SpfPolicy(10, 5, 60, "mx.example.org", "v=spf1 a/24 mx/24 ptr ?all")


@pytest.mark.parametrize(
    "guess", ["a/24", "v=spf1 nonsense", "v=spf1 ip4:1.2.3", "v=spf10 a", "spf2.0/pra a", "v=spf1 ä"]
)
def test_a_guess_that_is_no_record(guess: str) -> None:
    with pytest.raises(ConfigurationError, match=r"spf_guess: .* is not an SPF record") as caught:
        policy(f"spf_guess = {guess}\n")
    assert (caught.value.file, caught.value.line) == ("test.conf", 1)


def test_a_time_that_makes_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="at least 1s") as caught:
        policy("spf_timeout = 0s")
    assert (caught.value.file, caught.value.line) == ("test.conf", 1)
