"""milter_server.configuration: options read into what a filter does."""

from __future__ import annotations

import pytest

from exim_dkim.authentication import Method
from exim_dkim.config.grammar import parse_configuration
from exim_dkim.errors import ConfigurationError
from milter_server.configuration import Configuration, filters_of, read_filter
from tests.support.milter_filters import KEY, SIGNER


def read(text: str, name: str = "dkim-filter") -> Configuration:
    return read_filter(parse_configuration(text.encode(), "test.conf"), name)


@pytest.mark.parametrize(
    ("name", "text", "signers", "methods"),
    [
        ("sid-filter", "", [], [Method.SPF, Method.SENDERID]),
        ("dk-filter", "milter_mode = v", [], [Method.DOMAINKEYS]),
        ("dkim-filter", "", [Method.DKIM], [Method.DKIM]),
        ("dkim-filter", "milter_mode = v", [], [Method.DKIM]),
        ("dkim-filter", f"{SIGNER}milter_mode = s", [Method.DKIM], []),
        ("other", "", [Method.DKIM], [Method.SPF, Method.SENDERID, Method.DKIM]),
        (
            "other",
            "milter_methods = dkim : SPF : spf-helo : dkim",
            [Method.DKIM],
            [Method.DKIM, Method.SPF, Method.SPF_HELO],
        ),
    ],
)
def test_what_a_filter_does(name: str, text: str, signers: list[Method], methods: list[Method]) -> None:
    configuration = read(text + "\n", name)
    assert (list(configuration.signers), list(configuration.methods)) == (signers, methods)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("milter_mode = x", "milter_mode: 'x': write s, v or sv"),
        ("milter_mode =", "milter_mode: '': write s"),
        ("milter_methods = dkim : weather", "milter_methods: 'weather' is no method; there are: dkim"),
        ("milter_actions = nonsense", "milter_actions: 'nonsense' is not CAUSE=ACTION"),
        ("milter_senderid_reject = 6", "milter_senderid_reject: 6: there are 0 to 5"),
        ("milter_peers = 1.2.3.4.5", "milter_peers: '1.2.3.4.5' is not a host"),
        ("milter_peers = /nonexistent", "milter_peers: /nonexistent: No such file"),
        ("milter_domains = a@b", "milter_domains: 'a@b' is not a domain"),
        ("milter_key_list = /nonexistent", "milter_key_list: /nonexistent: No such file"),
        ("dkim_domain = a.example", "dkim-filter is to sign, but dkim_selector is not set"),
        ("milter_domains = a.example", "dkim-filter is to sign, but dkim_selector is not set"),
        ("milter_mode = s", "dkim-filter is to sign, but dkim_domain is not set"),
        (f"{SIGNER}".replace(str(KEY), "/nonexistent"), "dkim_private_key: /nonexistent: No such file"),
    ],
)
def test_errors_have_their_place(text: str, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error.replace("(", r"\(")) as caught:
        read(f"# comment\n{text}\n")
    assert caught.value.file == "test.conf"


def test_defaults_of_the_signing_options() -> None:
    settings = read(f"{SIGNER}domainkeys_domain = x.example\n").settings
    assert settings.string("dkim_domain") == "$acl_m_signing_domain"
    assert settings.string("domainkeys_domain") == "", "not for a filter that is about DKIM"
    assert read(f"{SIGNER}dkim_domain = own.example\n").settings.string("dkim_domain") == "own.example"
    assert not read(SIGNER).settings.boolean("domainkeys_verify")
    assert read("", "dk-filter").settings.boolean("domainkeys_verify")
    assert not read("domainkeys_verify = false\n", "dk-filter").settings.boolean("domainkeys_verify")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["milter"]),
        ("begin profiles\nother:\n", ["milter"]),
        ("begin profiles\ndkim-filter:\nother:\nsid-filter:\n", ["dkim-filter", "sid-filter"]),
        (
            "milter_filters = other : sid-filter\nbegin profiles\ndkim-filter:\nother:\nsid-filter:\n",
            ["other", "sid-filter"],
        ),
    ],
)
def test_the_filters_of_a_file(text: str, names: list[str]) -> None:
    found = filters_of(parse_configuration(text.encode(), "test.conf"), {})
    assert [configuration.name for configuration in found] == names
