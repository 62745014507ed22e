"""The filter's command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exim_dkim.config.options import OPTIONS
from transport_wrapper.arguments import HELP, SIGNING_OPTIONS, UsageError, parse_arguments


def test_nothing() -> None:
    arguments = parse_arguments([])
    assert arguments.configuration == "/etc/exim-dkim/exim-dkim.conf"
    assert arguments.action == "filter"
    assert (arguments.macros, arguments.options, arguments.message_id) == ({}, {}, "")


def test_everything() -> None:
    arguments = parse_arguments(
        ["--config", "c", "-DA=1", "-D", "B = x=y", "--message-id=id", "--spool-directory", "s", "--queue-name=q",
         "--dkim-domain", "$x", "--dkim-strict=1", "--dkim-selector="]
    )  # fmt: skip
    assert (arguments.configuration, arguments.message_id) == ("c", "id")
    assert (arguments.spool_directory, arguments.queue_name) == ("s", "q")
    assert arguments.macros == {"A": "1", "B": "x=y"}
    assert arguments.options == {"dkim_domain": "$x", "dkim_strict": "1", "dkim_selector": ""}


@pytest.mark.parametrize("words", [["--nonsense"], ["file"], ["--config"], ["-D"], ["--dkim-domain"], [""], ["-x"]])
def test_wrong(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_arguments(words)


@pytest.mark.parametrize(("word", "action"), [("--help", "help"), ("-h", "help"), ("--version", "version")])
def test_actions(word: str, action: str) -> None:
    assert parse_arguments(["--config", "x", word]).action == action


def test_the_options_are_those_of_the_file_and_the_help_names_them() -> None:
    signing = {name for name in OPTIONS if name.startswith(("dkim_", "domainkeys_")) and "verify" not in name}
    assert set(SIGNING_OPTIONS) == signing
    for name in SIGNING_OPTIONS:
        assert "--" + name.replace("_", "-") in HELP


def test_help_fits_on_a_terminal() -> None:
    assert max(map(len, HELP.splitlines())) <= 80


@given(st.lists(st.text(max_size=8) | st.sampled_from(["--config", "-D", "--dkim-hash", "--message-id=x"])))
def test_any_words(words: list[str]) -> None:
    """Returns arguments, or raises UsageError."""
    try:
        assert parse_arguments(words).action
    except UsageError as error:
        assert str(error)  # noqa: PT017
