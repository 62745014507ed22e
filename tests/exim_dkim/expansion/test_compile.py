"""Values that are kept after the second use: only what is always the same, and never what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from exim_dkim.errors import ExpansionError, ForcedFailure
from exim_dkim.expansion import EmptyEnvironment, Environment, Template, Value, expand, parse_template
from exim_dkim.expansion import compile as module
from exim_dkim.expansion.evaluate import State
from exim_dkim.expansion.nodes import Template as Node
from exim_dkim.expansion.parse import MAX_DEPTH
from tests.support.expansion import VECTORS, Sandbox, read_vectors
from tests.support.generated import read_stored

USES = 6  # what is nested needs one more for each level


class Variables(EmptyEnvironment):
    """An environment of variables."""

    def __init__(self, **values: bytes) -> None:
        self.values = values

    def variable(self, name: bytes) -> Value | None:
        text = self.values.get(name.decode())
        return None if text is None else Value(text, True)


def fresh(text: bytes) -> Template:
    """A template that nobody has used."""
    template: Template = parse_template.__wrapped__(text)
    return template


def result(template: Template, environment: Environment) -> object:
    """The value, or what is told of the failure."""
    try:
        return expand(template, environment)
    except ExpansionError as error:
        return type(error), error.message, error.source, error.start, error.end


@pytest.mark.parametrize(
    "text",
    [
        b"abc",
        b"${lc:ABC}",
        b"${map{a:b}{[$item]}}",
        b"${reduce{1:2}{0}{${eval:$value+$item}}}",
        b"${if match{abc}{(b)}{$1}}",
        b"${sg{abc}{(b)}{\\$1\\$1}}",
        b"${extract{a}{a=1}{<$value>}}",
        b"${if forany{a:b}{eq{$item}{b}}{y}{n}}",
    ],
)
def test_what_comes_from_the_template_alone_is_kept(text: bytes) -> None:
    template = fresh(text)
    values = [expand(template, EmptyEnvironment()) for _ in range(USES)]
    assert len(set(values)) == 1
    assert template.always == values[0]


@pytest.mark.parametrize(
    "text",
    [
        b"$acl_m_x",
        b"${lc:$acl_m_x}",
        b"$h_from:",
        b"${if def:h_from:{y}{n}}",
        b"${if eq{$acl_m_x}{x}{y}{n}}",
        b"$1",
        b"$item",
    ],
)
def test_what_asks_is_not_kept(text: bytes) -> None:
    template = fresh(text)
    for _ in range(USES):
        expand(template, EmptyEnvironment())
    assert template.always is None


def test_values_follow_the_variables() -> None:
    template = fresh(b"${if eq{$acl_m_x}{a}{${uc:$acl_m_x}}{${lc:NO}}}")
    values = [expand(template, Variables(acl_m_x=text)).text for text in (b"a", b"b", b"a", b"b") * USES]
    assert values == [b"A", b"no"] * 2 * USES


def test_a_failure_is_kept_with_its_place() -> None:
    template = fresh(b"abc ${eval:1/0}")
    failures = [result(template, EmptyEnvironment()) for _ in range(USES)]
    assert len(set(map(str, failures))) == 1
    assert failures[0][3] == 4  # type: ignore[index]
    failing = fresh(b"${if eq{a}{b}{x}fail}")
    for _ in range(USES):
        with pytest.raises(ForcedFailure, match='"if" failed and "fail" requested'):
            expand(failing, EmptyEnvironment())


def test_a_failure_inside_a_loop_is_told_once_each_time() -> None:
    template = fresh(b"${map{a:$acl_m_x}{${eval:1/0}}}")
    failures = {str(result(template, Variables(acl_m_x=b"b"))) for _ in range(USES)}
    assert len(failures) == 1
    assert failures.pop().count('inside "map" item') == 1


def test_captures_that_are_left_behind_are_left_each_time() -> None:
    """As in Exim, `filter` leaves them: its value is always the same, what it does is more."""
    template = fresh(b"${if match{$acl_m_x}{(.)}{${lc:${filter{ab}{match{$item}{(.)(.)}}}}$2}}")
    assert {expand(template, Variables(acl_m_x=b"xyz")) for _ in range(USES)} == {Value(b"abb", False)}


# What is before and behind each level, and how many levels of templates that makes.
NESTED = [
    (b"${lc:", b"}", 1),
    (b"${if eq{a}{a}{", b"}}", 1),
    (b"${if eq{a}{", b"}{a}{n}}", 1),
    (b"${if bool_lax{", b"}{a}{n}}", 1),
    (b"${if inlist{a}{", b"}{a}{n}}", 1),
    (b"${if match_domain{", b"}{a}{a}{n}}", 1),
    (b"${if match{", b"}{a}{a}{n}}", 1),
    (b"${if and{{eq{a}{", b"}}}{a}{n}}", 2),
    (b"${if forany{a}{eq{$item}{", b"}}{a}{n}}", 2),
    (b"${if or{{or{{eq{a}{", b"}}}}}{a}{n}}", 3),
    (b"${extract{1}{:}{", b"}}", 1),
    (b"${extract{1}{:}{a:b}{", b"}}", 1),
    (b"${listextract{1}{", b"}}", 1),
    (b"${map{a}{", b"}}", 1),
    (b"${map{", b"}{$item}}", 1),
    (b"${reduce{a}{x}{", b"}}", 1),
    (b"${filter{a}{eq{$item}{", b"}}}", 2),
    (b"${sort{", b"}{lt}{$item}}", 1),
    (b"${tr{", b"}{b}{c}}", 1),
    (b"x${length_0:", b"}", 1),
]


@pytest.mark.parametrize(("before", "behind", "levels"), NESTED, ids=[row[0].decode() for row in NESTED])
def test_every_form_can_be_nested(before: bytes, behind: bytes, levels: int) -> None:
    count = (MAX_DEPTH - 2) // levels
    template = fresh(before * count + b"$acl_m_x" + behind * count)
    found = {expand(template, Variables(acl_m_x=b"a")).text for _ in range(USES)}
    assert found == {b"x" if before.startswith(b"x") else b"a"}


def test_a_huge_value_is_not_kept() -> None:
    template = fresh(b"${sg{" + b"a" * 5000 + b"}{b}{}}")
    for _ in range(USES):
        expand(template, EmptyEnvironment())
    assert template.always is None


def test_a_state_is_left_as_the_watch_was() -> None:
    state = State(EmptyEnvironment(), {})
    state.captures = (Value(b"whole", False), Value(b"one", False))
    template: Node = fresh(b"${filter{ab}{match{$item}{(.)(.)}}}")
    for _ in range(USES):
        template.run(state)
        assert [value.text for value in state.captures] == [b"ab", b"a", b"b"]


WRAPPERS = (
    b"@@",
    b"${map{a:b:192.0.2.1}{@@}}",
    b"${reduce{1:2}{z}{@@$item}}",
    b"${if match{qw}{(.)(.)}{@@$1}{no}}",
    b"${extract{1}{:}{v:w}{@@$value}}",
    b"${filter{a:b}{!eq{$item}{@@}}}",
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("compile") / "sandbox")


def corpus(directory: Path) -> list[bytes]:
    """Lines of the vectors, and random ones."""
    lines = [vector.template for vector in read_vectors(VECTORS / "same.txt")]
    return lines + [golden.template for golden in read_stored(directory)[::7]]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.decode())
def test_keeping_changes_nothing(
    sandbox: Sandbox, wrapper: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as without it, use after use, also where what is around it changes."""
    environment = sandbox.environment()
    for text in corpus(tmp_path):
        if b"randint" in text:
            continue
        source = wrapper.replace(b"@@", text.replace(b"TABLES", bytes(sandbox.tables)))
        try:
            template, unkept = fresh(source), fresh(source)
        except ExpansionError:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(module, "_second", lambda template, run, state: run(state))
            wanted = result(unkept, environment)
        assert [result(template, environment) for _ in range(USES)] == [wanted] * USES, source
