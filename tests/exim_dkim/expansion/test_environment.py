"""The empty environment: nothing is there, and files are refused."""

from __future__ import annotations

import pytest

from exim_dkim.errors import ExpansionError
from exim_dkim.expansion import EmptyEnvironment, Environment, expand, parse_template


def test_it_is_an_environment_with_nothing_in_it() -> None:
    environment: Environment = EmptyEnvironment()
    assert expand(parse_template(b"[$sender_address$h_from:]"), environment).text == b"[]"
    assert environment.named_list("domain", b"x") is None


@pytest.mark.parametrize(
    "template", [b"${readfile{/etc/passwd}}", b"${lookup{a}lsearch{/etc/passwd}}", b"${lookup{a}dsearch{/etc}}"]
)
def test_files_are_refused(template: bytes) -> None:
    with pytest.raises(ExpansionError, match="file access is not available here"):
        expand(parse_template(template), EmptyEnvironment())


def test_nothing_exists() -> None:
    assert expand(parse_template(b"${if exists{/etc/passwd}{y}{n}}"), EmptyEnvironment()).text == b"n"
