"""Typed getters of settings."""

from __future__ import annotations

import pytest

from exim_dkim.config.grammar import parse_configuration
from exim_dkim.config.options import DEFAULT_SIGN_HEADERS, OPTIONS
from exim_dkim.config.settings import Settings
from exim_dkim.errors import ConfigurationError
from exim_dkim.expansion import EmptyEnvironment, expand


def test_defaults() -> None:
    settings = Settings()
    assert settings.items("dkim_verify_hashes") == ("sha256", "sha512")
    assert settings.integer("dkim_verify_signatures") == 8
    assert settings.seconds("lookup_timeout") == 4
    assert settings.size("lookup_max_request") == 64 << 20
    assert settings.integer("lookup_socket_mode") == 0o660
    assert settings.boolean("check_rfc2047_length")
    assert settings.string("user") == ""
    assert settings.items("dns_nameservers") == ()
    assert settings.template("dkim_domain") is None
    assert settings.text("dkim_sign_headers") == DEFAULT_SIGN_HEADERS.encode()
    assert not any(settings.is_set(name) for name in OPTIONS)


def test_the_getter_must_fit_the_option() -> None:
    with pytest.raises(TypeError, match="dkim_domain is of type expanded string"):
        Settings().integer("dkim_domain")
    with pytest.raises(KeyError):
        Settings().text("nosuch")
    with pytest.raises(KeyError):
        Settings().is_set("nosuch")


def test_an_empty_template_is_none() -> None:
    assert parse_configuration(b"dkim_domain =").template("dkim_domain") is None


def test_a_template() -> None:
    template = parse_configuration(b"dkim_domain = ${lc:ABC}").template("dkim_domain")
    assert template is not None
    assert expand(template, EmptyEnvironment()).text == b"abc"


def test_a_bad_template_is_an_error_with_the_place_of_the_option() -> None:
    settings = parse_configuration(b"\ndkim_domain = ${lc:", "/x")
    with pytest.raises(ConfigurationError) as caught:
        settings.check_templates()
    assert str(caught.value) == ("/x:2: failed to expand dkim_domain: missing } at end of string")
    parse_configuration(b"dkim_domain = ${lc:x}").check_templates()


def test_shown() -> None:
    settings = parse_configuration(b"dns_timeout = 90s\nuser = x\nlookup_max_request = 2048")
    shown = {
        name: settings.shown(name) for name in ("dns_timeout", "user", "lookup_max_request", "group", "dkim_strict")
    }
    assert shown == {"dns_timeout": "1m30s", "user": "x", "lookup_max_request": "2K", "group": "", "dkim_strict": ""}


def test_replaced_leaves_the_original() -> None:
    settings = parse_configuration(b"user = x\ndns_timeout = 1s")
    other = settings.replaced({"user": b"y", "dns_timeout": b"2s"})
    assert (other.string("user"), other.seconds("dns_timeout")) == ("y", 2)
    assert (settings.string("user"), settings.seconds("dns_timeout")) == ("x", 1)
    for values, message in [
        ({"nosuch": b""}, 'option "nosuch" unknown'),
        ({"dns_timeout": b"x"}, "invalid time value for dns_timeout"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            settings.replaced(values)
        assert (caught.value.message, caught.value.file) == (message, "command line")


def test_bytes_that_are_not_utf8_survive() -> None:
    settings = parse_configuration(b"user = \xff")
    assert settings.string("user").encode("utf-8", "surrogateescape") == settings.text("user") == b"\xff"
