"""exim-dkim check: the look-ups in Exim's configuration."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exim_dkim.commands.check_acl import _check_tables, arguments, check_text
from exim_dkim.commands.findings import Level
from exim_dkim.system.access import User
from tests.support.peers import program

SOCKET = "/run/exim-dkim/lookup.sock"
EXAMPLE = Path(__file__).parents[3] / "examples" / "exim.conf"


@pytest.mark.parametrize(
    ("call", "level", "text"),
    [
        ("{SOCKET}{dkim x\\n}{6s}{}{defer}", Level.OK, f"asks the look-up server at {SOCKET}"),
        (" {SOCKET} {dkim ${quote:$acl_arg1}\\n\\n$message_headers_raw} {6s}{}{defer}", Level.OK, "asks"),
        ("{SOCKET}{dkim x\\n}{1m}{}{defer}", Level.OK, "asks"),
        ("{SOCKET}{dkim x\\n}{$acl_m_time}{}{defer}", Level.OK, "asks"),
        ("{SOCKET}{why dkim x\\n}{6s}{}{defer}", Level.OK, "asks"),
        ("{SOCKET}{spf\\nsender_address = x\\n}{6s}{}{temperror}", Level.OK, "asks"),
        ("{SOCKET}{smtp spf\\n}{6s}{}{failed}", Level.OK, "asks"),
        ("{SOCKET}{$acl_arg1\\n$message_headers_raw}{6s}{}{failed}", Level.OK, "asks"),
        ("{/run/other}{dkim x\\n}{6s}{}{defer}", Level.FAIL, f"lookup_listen is {SOCKET}"),
        ("{SOCKET}{dkim x\\n}{6s}", Level.WARN, "no fifth argument"),
        ("{SOCKET}{dkim x\\n}{4s}{}{defer}", Level.WARN, "waits 4s for the look-up server"),
        ("{SOCKET}{dkim x\\n}{6s:tls=yes}{}{defer}", Level.FAIL, "crashes"),
        ("{/other}{something else}", Level.OK, "nothing in its configuration asks"),
        ("{SOCKET}{ping\\n}{1s}{}{}", Level.OK, "nothing in its configuration asks"),
        ("{SOCKET", Level.OK, "nothing in its configuration asks"),
    ],
)
def test_calls(call: str, level: Level, text: str) -> None:
    line = "  warn set acl_m_x = ${readsocket" + call.replace("SOCKET", SOCKET) + "}\n"
    (finding,) = check_text("begin acl\n" + line, [SOCKET], 4)
    assert finding.level is level
    assert text in finding.text


def test_the_usual_time_is_enough_for_the_usual_server() -> None:
    call = "x = ${readsocket{%s}{dkim x\\n}{}{}{defer}}" % SOCKET  # noqa: UP031
    assert [finding.level for finding in check_text(call, [SOCKET], 4)] == [Level.OK]
    assert [finding.level for finding in check_text(call, [SOCKET], 5)] == [Level.WARN]


def test_forged_fields_are_to_be_removed() -> None:
    asks = "x = ${readsocket{%s}{%s\\n}{6s}{}{defer}}\n"
    authres, forged = asks % (SOCKET, "authres"), asks % (SOCKET, "forged")
    assert [finding.level for finding in check_text(authres + forged, [SOCKET], 4)] == [Level.OK] * 2
    _, warning = check_text(authres, [SOCKET], 4)
    assert warning.level is Level.WARN
    assert "in our name" in warning.text


def test_tables(tmp_path: Path) -> None:
    user = User("root", 0, 0)
    text = f"x = ${{lookup {{y}} lsearch {{{tmp_path}/signs-always}}}}\n"
    (finding,) = _check_tables(text, user)
    assert finding.remedy == f"touch {tmp_path}/signs-always"
    (tmp_path / "signs-always").write_text("")
    assert list(_check_tables(text, user)) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}ab $\n"))
def test_any_text_has_arguments(text: str) -> None:
    assert all(argument.count("{") == argument.count("}") for argument in arguments(text))


@pytest.mark.peer("exim")
def test_the_example_is_right() -> None:
    exim = program("exim4", "exim4-daemon-heavy")
    if os.geteuid() != 0:
        pytest.skip("needs root: Exim shows its configuration to nobody else")
    done = subprocess.run(
        [exim, "-C", EXAMPLE, "-bP", "config"], capture_output=True, text=True, timeout=60, check=True
    )
    findings = list(check_text(done.stdout, [SOCKET], 4))
    assert [finding.level for finding in findings] == [Level.OK]
    assert SOCKET in findings[0].text
