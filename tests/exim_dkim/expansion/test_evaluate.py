"""Values of templates: joining, working variables, places of errors, limits."""

from __future__ import annotations

import pytest

from exim_dkim.errors import ExpansionError, ForcedFailure
from exim_dkim.expansion import EmptyEnvironment, Value, expand, parse_template
from exim_dkim.expansion import compile as module


class Variables(EmptyEnvironment):
    """An environment of variables."""

    def __init__(self, **values: Value) -> None:
        self.values = values

    def variable(self, name: bytes) -> Value | None:
        return self.values.get(name.decode())


def test_values_are_joined_and_taint_with_them() -> None:
    environment = Variables(sender_address=Value(b"a@b", True), primary_hostname=Value(b"h", False))
    assert expand(parse_template(b"x $primary_hostname y"), environment) == Value(b"x h y", False)
    assert expand(parse_template(b"x $primary_hostname $sender_address"), environment) == Value(b"x h a@b", True)


def test_working_variables_come_first() -> None:
    working = {b"dkim_domain": Value(b"d.example", True), b"sender_address": Value(b"w", False)}
    environment = Variables(sender_address=Value(b"a@b", True))
    assert expand(parse_template(b"$sender_address"), environment, working) == Value(b"w", False)
    assert expand(parse_template(b"/k/$dkim_domain"), environment, working) == Value(b"/k/d.example", True)
    assert expand(parse_template(b"$dkim_domain"), environment) == Value(b"", False)


def test_a_forced_failure_is_told_apart() -> None:
    with pytest.raises(ForcedFailure, match='"if" failed and "fail" requested'):
        expand(parse_template(b"${if eq{a}{b}{x}fail}"), EmptyEnvironment())


def test_an_error_has_the_place_of_its_node() -> None:
    text = b"abc ${lc:${eval:1/0}}"
    with pytest.raises(ExpansionError) as caught:
        expand(parse_template(text), EmptyEnvironment())
    assert caught.value.source == text
    assert text[caught.value.start :].startswith(b"${eval:")


def test_strict_acl_variables() -> None:
    environment = Variables()
    assert expand(parse_template(b"[$acl_m_x]"), environment).text == b"[]"
    environment.strict_acl_vars = True
    with pytest.raises(ExpansionError, match=r'unknown variable name "acl_m_x" \(strict_acl_vars is set\)'):
        expand(parse_template(b"[$acl_m_x]"), environment)


def test_a_value_ends_at_a_nul() -> None:
    environment = Variables(acl_m_x=Value(b"a\0b", True))
    assert expand(parse_template(b"[$acl_m_x]"), environment).text == b"[a]"


def test_a_result_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LENGTH", 10)
    with pytest.raises(ExpansionError, match="longer than 10 bytes"):
        expand(parse_template(b"$acl_m_x$acl_m_x"), Variables(acl_m_x=Value(b"123456", False)))


def test_what_is_not_chosen_is_not_evaluated() -> None:
    text = b"${if eq{a}{a}{yes}{${readfile{/nonexist}}${eval:x}${lookup{a}lsearch{/nonexist}}}}"
    assert expand(parse_template(text), EmptyEnvironment()).text == b"yes"
